"""Documents to a snapshot: every kind of document this package knows, in any mixture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from hullwatch.posture.model.account import Account
from hullwatch.posture.model.eks import EksCluster
from hullwatch.posture.model.kubernetes import Cluster
from hullwatch.posture.model.snapshot import (
    EPOCH,
    LATEST,
    NO_SCOPE,
    NOT_READ,
    InputState,
    Scope,
    Snapshot,
    Version,
    parse_version,
)
from hullwatch.posture.parameters import DEFAULTS, Parameters
from hullwatch.posture.readers import aws, kubernetes
from hullwatch.posture.readers.documents import Document


def build(
    documents: Iterable[Document],
    *,
    scope: Scope = NO_SCOPE,
    inputs: Mapping[str, InputState] | None = None,
    default: InputState = NOT_READ,
    kubernetes_default: InputState | None = None,
    kubernetes_version: Version | None = None,
    level: str = "",
    now: datetime = EPOCH,
    parameters: Parameters = DEFAULTS,
    extra: Iterable[object] = (),
) -> Snapshot:
    """A snapshot of everything in the documents; documents of no known kind are left out.

    ``inputs`` says how each input was read and wins over what the presence of an answer suggests. Without
    ``kubernetes_version`` the version is that of the EKS cluster in scope, else the newest rules hold.
    """
    answers: list[Document] = []

    def manifests() -> Iterator[Document]:
        # Manifests are read as they come; answers are joined with each other and have to wait.
        for document in documents:
            if kubernetes.is_kubernetes(document):
                yield document
            elif aws.is_answer(document):
                answers.append(document)

    objects, broken = kubernetes.read(manifests())
    read = aws.read(answers)
    objects += [*read.objects(), *extra]
    if scope.cluster:
        objects.append(Cluster(name=scope.cluster))
    if scope.account:
        objects.append(Account(id=scope.account, region=scope.region))
    return Snapshot(
        objects,
        scope=scope,
        inputs={**read.inputs, **(inputs or {})},
        default=default,
        kubernetes_default=kubernetes_default,
        unreadable=(*broken, *read.unreadable),
        kubernetes_version=kubernetes_version or _cluster_version(objects, scope),
        level=level,
        now=now,
        parameters=parameters,
    )


def _cluster_version(objects: Iterable[object], scope: Scope) -> Version:
    for item in objects:
        if isinstance(item, EksCluster) and item.version and scope.cluster in ("", item.name):
            try:
                return parse_version(item.version)
            except ValueError:
                return LATEST
    return LATEST
