"""Results of controls as tests write them down: short, with an id that depends on what it must depend on."""

from __future__ import annotations

from typing import Any

from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.coverage import Covered
from hullwatch.posture.engine import Result, Verdict, Violation, result_id
from hullwatch.posture.model.snapshot import READ, InputState, Resource, Scope, Snapshot
from hullwatch.posture.parts import Part

CLUSTER = Scope(account="111122223333", region="eu-west-1", cluster="shop")
ACCOUNT = Scope(account="111122223333", region="eu-west-1")
SHOP = Part(kind="cluster", cluster="shop")
THE_ACCOUNT = Part(kind="account")
PRIVILEGED = "k8s.pod.privileged"
API = Resource(kind="Deployment", namespace="shop", name="api")


def result(
    verdict: Verdict = "FAILED",
    control: str = PRIVILEGED,
    resource: Resource = API,
    *,
    scope: Scope = CLUSTER,
    path: str = "spec.containers[0].securityContext.privileged",
    value: Any = True,
    **fields: Any,
) -> Result:
    failed = verdict == "FAILED"
    defaults: dict[str, Any] = {
        "severity": severity_of(control),
        "violations": (Violation(path=path, value=value),) if failed else (),
    }
    return Result(
        id=result_id(control, Snapshot(scope=scope), resource),
        control=control,
        resource=resource,
        verdict=verdict,
        **defaults | fields,
    )


def covered(*controls: str, part: Part = SHOP, **inputs: InputState) -> Covered:
    """An evaluation that listed the objects of these controls; ``pods=...`` says how an input was read."""
    scope = CLUSTER if part.kind == "cluster" else ACCOUNT
    return Covered(part=part, scope=scope, controls=frozenset(controls), inputs=inputs or {"pods": READ})
