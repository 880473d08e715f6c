"""What ``hullwatch check`` reads that is no file: an account, an EKS cluster, any other cluster."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel

from hullwatch.aws.caller import Caller
from hullwatch.cli.terminal import progress
from hullwatch.errors import HullwatchError, UserError
from hullwatch.findings.wording import listed
from hullwatch.kubernetes.api import KubernetesApi
from hullwatch.kubernetes.kubeconfig import Kubeconfig
from hullwatch.kubernetes.reachability import obstacle
from hullwatch.kubernetes.survey import ClusterSurvey
from hullwatch.pipeline.reading import PartReading
from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.engine import Control, Result, evaluate, inputs
from hullwatch.posture.model.snapshot import InputState, Scope, Snapshot, Version, parse_version
from hullwatch.posture.parts import Part, kind_of
from hullwatch.posture.readers.documents import Document
from hullwatch.posture.readers.snapshot import build
from hullwatch.posture.standards import POD_SECURITY, controls_of

Say = Callable[[str], None]

#: Names of inputs in one line.
_NAMED = 3
_PERMISSION = re.compile(r"no (\w[\w-]*:\w+) permission")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Which controls, by the rules of which version of Kubernetes."""

    standard: str = ""
    kubernetes_version: str = ""
    only: Collection[str] = ()

    @property
    def version(self) -> Version | None:
        """``None`` for the cluster's own. Raises :class:`~hullwatch.errors.UserError` for no version."""
        try:
            return parse_version(self.kubernetes_version) if self.kubernetes_version else None
        except ValueError as error:
            raise UserError(str(error)) from error

    @property
    def level(self) -> str:
        return POD_SECURITY.get(self.standard, "")

    def controls(self, about: Callable[[str], bool], version: Version | None = None) -> list[Control]:
        """The controls whose subjects are listed by an input that is ``about`` what is read."""
        chosen = [
            item
            for item in controls_of(self.standard, self.version or version)
            if (not self.only or item.id in self.only) and any(map(about, item.subject.INPUTS))
        ]
        if not chosen:
            raise UserError("none of these controls is about what is to be read")
        return chosen


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts, and in a line each what was refused or did not answer."""

    results: list[Result]
    unread: list[str]


def _tell_calls(who: Caller, say: Say) -> None:
    """Say every call to AWS that is made from now on."""

    def called(model: OperationModel, **_: object) -> None:
        say(f"{model.service_model.service_name} {model.name}")

    who.session.events.register("before-call", called)


def check_account(question: Question, who: Caller) -> Checked:
    """Everything that AWS tells of an account in one Region; not what is inside its clusters."""
    return _check_part(Part(kind="account"), lambda name: ":" in name, question, who)


def check_cluster(name: str, question: Question, who: Caller) -> Checked:
    """One EKS cluster: what AWS tells of it, and what its own API does."""
    part = Part(kind="cluster", cluster=name)
    return _check_part(part, lambda name: kind_of(name) == "cluster", question, who)


def _check_part(part: Part, about: Callable[[str], bool], question: Question, who: Caller) -> Checked:
    controls = question.controls(about)
    with progress("reading") as say:
        _tell_calls(who, say)
        reading = _reading(part, controls, who, say)
        snapshot = reading.snapshot(kubernetes_version=question.version, level=question.level)
    unread = list(_unread(reading.inputs, str(reading.obstacle or "")))
    if not reading.read and unread:
        raise UserError(f"nothing could be read: {'; '.join(unread)}")
    return _judged(snapshot, question, about, unread)


def _reading(part: Part, controls: list[Control], who: Caller, say: Say) -> PartReading:
    try:
        reading = PartReading(
            who.client,
            who.session,
            part,
            controls,
            account=who.account,
            region=who.region,
            now=datetime.now(UTC),
            told=say,
        )
    except (ClientError, BotoCoreError) as error:
        raise UserError(f"cannot describe cluster {part.cluster}: {error}") from error
    if reading.is_gone:
        raise UserError(f"there is no EKS cluster {part.cluster} in account {who.account}, {who.region}")
    return reading


def check_kubeconfig(file: Path, context: str, question: Question) -> Checked:
    """One cluster that a kubeconfig leads to: what its own API tells."""

    def about(name: str) -> bool:
        return ":" not in name and kind_of(name) == "cluster"

    controls = question.controls(about)
    kubeconfig = Kubeconfig(file, context)
    # A credential plug-in may talk to a person: nothing else is shown meanwhile.
    api = kubeconfig.connect()
    survey = ClusterSurvey(api, inputs(controls))
    # There is no ECS in a cluster: what runs there is no matter of this check.
    elsewhere = dict.fromkeys(
        (name for name in inputs(controls) if kind_of(name) == "ecs"), InputState("absent", "of ECS")
    )
    read = 0
    with progress("reading") as say:

        def documents() -> Iterator[Document]:
            nonlocal read
            for document in survey.documents():
                read += 1
                say(document["kind"])
                yield document

        snapshot = build(
            documents(),
            scope=Scope(cluster=kubeconfig.cluster),
            inputs=ChainMap(elsewhere, survey.inputs),
            now=datetime.now(UTC),
            kubernetes_version=question.version or _version_of(api),
            level=question.level,
        )
    stands = str(survey.obstacle or "")
    if stands and not read:
        raise UserError(stands)
    return _judged(snapshot, question, about, list(_unread(survey.inputs, stands)))


def _version_of(api: KubernetesApi) -> Version | None:
    """The cluster's version; ``None`` where it does not say, and then the newest rules hold."""
    try:
        return parse_version(api.version())
    except ValueError:
        return None
    except HullwatchError as error:
        found = obstacle(error)
        if found.reason in ("permission", "service"):
            return None
        raise UserError(str(found)) from error


def _judged(
    snapshot: Snapshot, question: Question, about: Callable[[str], bool], unread: list[str]
) -> Checked:
    # Only now is it known by the rules of which version.
    controls = question.controls(about, snapshot.kubernetes_version)
    with progress("judging"):
        return Checked(results=list(evaluate(snapshot, controls, severity_of)), unread=unread)


def _unread(states: Mapping[str, InputState], whole: str) -> Iterator[str]:
    """One line for each thing that stood in the way. ``whole``: what keeps all of a cluster from us."""
    if whole:
        yield whole
    by_reason: dict[str, list[str]] = {}
    for name, state in sorted(states.items()):
        of_cluster = ":" not in name
        # AWS's lists are cut on purpose; that of a cluster only breaks off.
        lost = state.status in ("forbidden", "unavailable") or (of_cluster and state.status == "partial")
        if lost and not (whole and of_cluster):
            by_reason.setdefault(state.detail, []).append(name)
    permissions = sorted({found[1] for reason in by_reason if (found := _PERMISSION.fullmatch(reason))})
    if permissions:
        yield f"permission is missing for {', '.join(permissions)}"
    for reason, names in by_reason.items():
        if not _PERMISSION.fullmatch(reason):
            named = reason.startswith(f"{names[0]}: ")
            yield reason if named else f"{listed(names, _NAMED)}: {reason}"
