"""Which controls a standard asks for, and checking documents against one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from hullwatch.errors import UserError
from hullwatch.posture import controls as _controls  # noqa: F401  importing it fills CONTROLS
from hullwatch.posture.analysis.pod_security import Level, controls_at
from hullwatch.posture.catalogue import Entry, catalogue, severity_of
from hullwatch.posture.engine import CONTROLS, Control, Result, evaluate
from hullwatch.posture.model.snapshot import NO_SCOPE, PARTIAL, Scope, Version, parse_version
from hullwatch.posture.parameters import DEFAULTS, Parameters
from hullwatch.posture.readers.documents import Document
from hullwatch.posture.readers.snapshot import build

POD_SECURITY: dict[str, Level] = {"pss-baseline": "baseline", "pss-restricted": "restricted"}
#: Standard → the key of the catalogue's references that holds its numbers.
REFERENCES: dict[str, str] = {
    "cis-eks": "cis_eks_1.8",
    "cis-docker": "cis_docker_1.6",
    "nsa-cisa": "nsa_cisa",
    "nist-800-53": "nist_800_53",
    "nist-800-190": "nist_800_190",
    "security-hub": "security_hub",
}
STANDARDS: tuple[str, ...] = (*POD_SECURITY, *REFERENCES)


def entries_of(standard: str = "", version: Version | None = None) -> list[Entry]:
    """The catalogue's entries that a standard asks for, all without one.

    ``version`` decides what belongs to a level of the Pod Security Standards; without it the newest rules
    hold. Raises :class:`~hullwatch.errors.UserError` for a standard that is not known.
    """
    if not standard:
        return list(catalogue().values())
    if level := POD_SECURITY.get(standard):
        wanted = set(controls_at(level, version or parse_version("")))
        return [entry for entry in catalogue().values() if entry.id in wanted]
    if key := REFERENCES.get(standard):
        return [entry for entry in catalogue().values() if key in entry.references]
    raise UserError(f"unknown standard {standard!r}: one of {', '.join(STANDARDS)}")


def controls_of(standard: str = "", version: Version | None = None) -> list[Control]:
    """The implemented controls of a standard."""
    wanted = {entry.id for entry in entries_of(standard, version) if entry.status == "implemented"}
    order = {control_id: place for place, control_id in enumerate(catalogue())}
    chosen = [item for item in CONTROLS.values() if item.id in wanted]
    return sorted(chosen, key=lambda item: order[item.id])


def check_documents(
    documents: Iterable[Document],
    standard: str = "",
    kubernetes_version: str = "",
    *,
    only: Collection[str] = (),
    scope: Scope = NO_SCOPE,
    parameters: Parameters = DEFAULTS,
    now: datetime | None = None,
) -> list[Result]:
    """Judges manifests, task definitions and answers of AWS by the controls of a standard.

    Documents are taken for a part of the whole: a control that needs more than them is NOT_AVAILABLE, unless
    they already break it. ``kubernetes_version`` is ``1.34`` or ``latest``; empty means that of the EKS
    cluster among the documents, else the newest rules. ``only``: ids of controls, all of the standard's
    without any.

    Raises :class:`~hullwatch.errors.UserError` for a standard or a version that is not known.
    """
    try:
        version = parse_version(kubernetes_version) if kubernetes_version else None
    except ValueError as error:
        raise UserError(str(error)) from error
    snapshot = build(
        documents,
        scope=scope,
        kubernetes_default=PARTIAL,
        kubernetes_version=version,
        level=POD_SECURITY.get(standard, ""),
        now=now or datetime.now(UTC),
        parameters=parameters,
    )
    controls = [
        item for item in controls_of(standard, snapshot.kubernetes_version) if not only or item.id in only
    ]
    return list(evaluate(snapshot, controls, severity_of))


def as_json(result: Result) -> dict[str, Any]:
    """A result in the shape of ``hullwatch check --format json``."""
    return {
        "control": result.control,
        "resource": str(result.resource),
        "verdict": result.verdict,
        "reason": result.reason,
        "violations": [{"path": item.path, "value": item.value} for item in result.violations],
    }
