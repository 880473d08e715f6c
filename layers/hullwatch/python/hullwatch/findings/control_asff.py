"""Findings about the configuration in the AWS Security Finding Format, with the ``Compliance`` of a control.

Sources: the API reference of ``AwsSecurityFinding``, ``Compliance`` and ``Resource``, and the user guide's
*Resources* and *ProductFields*. What no resource type of Security Hub is made for is ``Other``: its ARN is
that of the cluster, followed by kind, namespace and name, and the cluster itself comes second, so that a
filter finds all that is said about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from hullwatch.findings.asff import MAX_REGION, PARTITIONS, frame, present
from hullwatch.findings.control import Breach, ControlFinding, Outcome
from hullwatch.findings.wording import MAX_DESCRIPTION, MAX_REMEDIATION, MAX_TITLE, plain
from hullwatch.posture.engine import Severity
from hullwatch.posture.requirements import STANDARDS

_MAX_REQUIREMENTS = 32
_MAX_ID = 512
_MAX_FIELD = 500
#: Violations that the description names; ``Compliance.StatusReasons`` has all that the finding keeps.
_DESCRIBED = 4

_LABELS: dict[Severity, str] = {
    "critical": "CRITICAL",
    "high": "HIGH",
    "medium": "MEDIUM",
    "low": "LOW",
    "info": "INFORMATIONAL",
}
_CRITICALITY: dict[Severity, int] = {"critical": 90, "high": 70, "medium": 40, "low": 10, "info": 0}

#: Open findings of each kind, and how they ended: the values of ``Compliance.Status``, and our reason codes.
_OPEN = {"control": "FAILED", "unread": "NOT_AVAILABLE"}
_ENDED: dict[Outcome, tuple[str, str]] = {
    "fixed": ("PASSED", "FIXED"),
    "gone": ("NOT_AVAILABLE", "RESOURCE_GONE"),
    "not-applicable": ("NOT_AVAILABLE", "NOT_APPLICABLE"),
    "withdrawn": ("NOT_AVAILABLE", "NOT_CHECKED"),
    # It still fails; somebody answers for it.
    "accepted": ("FAILED", "RISK_ACCEPTED"),
}

#: Security Hub's types of our kinds, and the field of their details that holds a name.
_TYPES = {
    "Repository": ("AwsEcrRepository", "RepositoryName"),
    "TaskDefinition": ("AwsEcsTaskDefinition", "Family"),
    "EcsService": ("AwsEcsService", "ServiceName"),
    "EcsCluster": ("AwsEcsCluster", "ClusterName"),
    "EksCluster": ("AwsEksCluster", "Name"),
    "IamRole": ("AwsIamRole", "RoleName"),
    "Secret": ("AwsSecretsManagerSecret", "Name"),
    "Vpc": ("AwsEc2Vpc", ""),
}
#: Their ARNs from the service on, for what reaches us without one.
_PATHS = {
    "TaskDefinition": "ecs:task-definition/{name}",
    "EcsService": "ecs:service/{namespace}/{name}",
    "Vpc": "ec2:vpc/{name}",
}

#: A digest of a repository of ECR, with the registry's host or, for the account's own, without one.
_ECR_IMAGE = re.compile(
    r"(?:(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/|(?![^/]*\.[^/]*/))"
    r"(?P<repository>[a-z0-9._/-]+)(?::[\w.-]+)?@(?P<digest>sha256:[0-9a-f]{64})"
)

#: Type, id and details of a resource.
_Named = tuple[str, str, dict[str, Any]]


def control_to_asff(
    finding: ControlFinding, *, account: str, region: str, partition: str = "aws"
) -> dict[str, Any]:
    """One ``AwsSecurityFinding`` for the default product of an account and Region.

    ``account`` and ``region`` are those of the Security Hub that gets it. The finding must have its times,
    which :func:`~hullwatch.findings.diff_controls.diff_controls` gives it.
    """
    generator = f"control/{finding.control}" if finding.kind == "control" else "unread-configuration"
    return {
        **frame(finding, account=account, region=region, partition=partition),
        "GeneratorId": f"hullwatch/{generator}",
        "Title": plain(_title(finding), MAX_TITLE),
        "Description": _description(finding),
        "Remediation": {"Recommendation": {"Text": plain(finding.fix, MAX_REMEDIATION)}},
        "ProductFields": _product_fields(finding),
        "Resources": _resources(finding, partition),
        "Compliance": _compliance(finding),
        "FindingProviderFields": {
            "Severity": {"Label": _LABELS[finding.severity], "Original": finding.severity},
            "Types": _types(finding),
            "Confidence": 100,
            "Criticality": _CRITICALITY[finding.severity],
        },
    }


def _title(finding: ControlFinding) -> str:
    if finding.kind == "unread":
        return finding.title
    cluster = finding.scope.cluster
    place = f" in cluster {cluster}" if cluster and finding.resource.name != cluster else ""
    return f"{finding.title}: {plain(str(finding.resource), 120)}{place}"


def _description(finding: ControlFinding) -> str:
    text = ""
    for sentence in _sentences(finding):
        longer = f"{text} {plain(sentence, 480)}".lstrip()
        if len(longer) <= MAX_DESCRIPTION:
            text = longer
    return text


def _sentences(finding: ControlFinding) -> Iterable[str]:
    if finding.state == "RESOLVED":
        yield f"Resolved: {finding.because or 'fixed'}."
    yield finding.why
    described = finding.breaches[:_DESCRIBED]
    if described:
        more = finding.violations - len(described)
        rest = f"; and {more} more" if more > 0 else ""
        yield f"Found: {'; '.join(_said(breach) for breach in described)}{rest}."
    if finding.evidence:
        others = finding.witnesses - len(finding.evidence)
        yield f"Seen in {', '.join(finding.evidence)}{f' and {others} more' if others > 0 else ''}."


def _said(breach: Breach) -> str:
    value = f" is {breach.value}" if breach.value else ""
    return f"{breach.path}{value}{f' ({breach.message})' if breach.message else ''}"


def _compliance(finding: ControlFinding) -> dict[str, Any]:
    if finding.state == "RESOLVED":
        status, code = _ENDED[finding.outcome]
        reasons = [{"ReasonCode": code, "Description": finding.because or finding.outcome}]
    else:
        status = _OPEN[finding.kind]
        code = "VIOLATION" if finding.kind == "control" else "NOT_READ"
        reasons = [{"ReasonCode": code, "Description": _said(breach)} for breach in finding.breaches]
    return present(
        Status=status,
        SecurityControlId=finding.control if finding.kind == "control" else "",
        RelatedRequirements=list(finding.requirements[:_MAX_REQUIREMENTS]),
        AssociatedStandards=[{"StandardsId": standard} for standard in finding.standards],
        StatusReasons=reasons,
    )


def _types(finding: ControlFinding) -> list[str]:
    """A classifier for each standard; the taxonomy's namespace alone where none asks for the control."""
    titles = [standard.title for standard in STANDARDS.values() if standard.id in finding.standards]
    checks = "Software and Configuration Checks"
    return [f"{checks}/Industry and Regulatory Standards/{title}" for title in titles] or [checks]


def _product_fields(finding: ControlFinding) -> dict[str, str]:
    """Facts to filter by. Names are ours; ``aws/`` is reserved."""
    fields = {
        "Control": finding.control,
        "Cluster": finding.scope.cluster,
        "Kind": finding.resource.kind,
        "Namespace": finding.resource.namespace,
        "Name": finding.resource.name,
        "Priority": finding.priority if finding.kind == "control" else "",
        "Violations": str(finding.violations),
        "Evidence": ", ".join(finding.evidence),
        "Witnesses": str(finding.witnesses) if finding.witnesses else "",
        "Outcome": finding.outcome,
    }
    return present(**{f"hullwatch/{name}": plain(value, _MAX_FIELD) for name, value in fields.items()})


def _resources(finding: ControlFinding, partition: str) -> list[dict[str, Any]]:
    scope = finding.scope
    return [
        present(
            Type=type_,
            Id=plain(identifier, _MAX_ID),
            Partition=partition if partition in PARTITIONS else "",
            Region=scope.region if len(scope.region) <= MAX_REGION else "",
            Details=details,
        )
        for type_, identifier, details in _named(finding, partition)
    ]


def _named(finding: ControlFinding, partition: str) -> list[_Named]:
    """The resources of a finding as Security Hub calls them, the one it is about first."""
    scope, resource = finding.scope, finding.resource
    cluster = _arn(finding, partition, f"eks:cluster/{scope.cluster}")
    the_cluster: _Named = (
        "AwsEksCluster",
        cluster,
        {"AwsEksCluster": present(Name=plain(scope.cluster, _MAX_FIELD), Arn=cluster)},
    )
    type_, field = _TYPES.get(resource.kind, ("", ""))
    path = _PATHS.get(resource.kind, "").format(namespace=resource.namespace, name=resource.name)
    if resource.kind == "Account":
        return [("AwsAccount", f"AWS::::Account:{scope.account}", {})]
    if resource.kind == "Cluster" and scope.cluster:
        return [the_cluster]
    if resource.kind == "Image":
        return [_image(finding, partition)]
    if type_ and (arn := resource.arn or (_arn(finding, partition, path) if path else "")):
        return [(type_, arn, {type_: {field: resource.name}} if field else {})]
    other = {"Other": _other(finding)}
    if scope.cluster and not resource.arn:
        return [("Other", f"{cluster}/{resource}", other), the_cluster]
    return [("Other", resource.arn or f"{scope.account}/{scope.region}/{resource}", other)]


def _arn(finding: ControlFinding, partition: str, rest: str) -> str:
    """``rest`` is the service, a colon and the resource's own part."""
    service, _, path = rest.partition(":")
    return f"arn:{partition}:{service}:{finding.scope.region}:{finding.scope.account}:{path}"


def _image(finding: ControlFinding, partition: str) -> _Named:
    name = finding.resource.name
    if found := _ECR_IMAGE.fullmatch(name):
        account = found["account"] or finding.scope.account
        region = found["region"] or finding.scope.region
        repository = f"arn:{partition}:ecr:{region}:{account}:repository/{found['repository']}"
        return "AwsEcrContainerImage", f"{repository}/{found['digest']}", {}
    return "Container", name, {"Container": {"ImageId": name.rpartition("@")[2]}}


def _other(finding: ControlFinding) -> dict[str, str]:
    resource = finding.resource
    return present(
        cluster=finding.scope.cluster,
        namespace=resource.namespace,
        kind=resource.kind,
        name=resource.name,
    )
