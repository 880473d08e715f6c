"""What an IAM role may do, as far as taking over the account goes.

Evaluation follows the IAM user guide ("Policy evaluation logic"): a Deny wins, an Allow is needed, and a
permissions boundary has to allow as well. A conditional Deny may not hold, so it takes nothing away; a
conditional Allow may hold, so it gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from hullwatch.posture.model.account import IamPolicy, IamRole
from hullwatch.posture.model.eks import PodIdentity
from hullwatch.posture.model.kubernetes import ServiceAccount, Workload
from hullwatch.posture.model.snapshot import Snapshot

IRSA = "eks.amazonaws.com/role-arn"

#: Actions that, held together on every resource, lead to administrator rights.
_ESCALATIONS: tuple[tuple[str, ...], ...] = (
    ("iam:CreatePolicyVersion",),
    ("iam:SetDefaultPolicyVersion",),
    ("iam:CreateAccessKey",),
    ("iam:CreateLoginProfile",),
    ("iam:UpdateLoginProfile",),
    ("iam:AttachUserPolicy",),
    ("iam:AttachGroupPolicy",),
    ("iam:AttachRolePolicy",),
    ("iam:PutUserPolicy",),
    ("iam:PutGroupPolicy",),
    ("iam:PutRolePolicy",),
    ("iam:AddUserToGroup",),
    ("iam:UpdateAssumeRolePolicy", "sts:AssumeRole"),
    ("sts:AssumeRole",),
    ("lambda:UpdateFunctionCode",),
    ("ssm:SendCommand",),
    ("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"),
    ("iam:PassRole", "lambda:CreateFunction", "lambda:CreateEventSourceMapping"),
    ("iam:PassRole", "ec2:RunInstances"),
    ("iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
    ("iam:PassRole", "cloudformation:CreateStack"),
    ("iam:PassRole", "glue:CreateDevEndpoint"),
    ("iam:PassRole", "glue:CreateJob", "glue:StartJobRun"),
    ("iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"),
    ("iam:PassRole", "datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition"),
    ("iam:PassRole", "sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl"),
    ("iam:PassRole", "states:CreateStateMachine", "states:StartExecution"),
    ("eks:CreateAccessEntry", "eks:AssociateAccessPolicy"),
)
#: AWS's own policies whose documents need not be read to know.
_POWERFUL_POLICIES = frozenset({"AdministratorAccess", "PowerUserAccess", "IAMFullAccess"})


class Escalation(msgspec.Struct, frozen=True):
    """One way to administrator rights, in words."""

    how: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with its elements as lists."""

    allow: bool
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    not_principal: bool = False
    conditions: dict[str, Any] = {}

    def matches(self, action: str) -> bool:
        """Whether it speaks of an action, on any resource."""
        action = action.lower()
        if self.not_actions:
            return not any(fnmatchcase(action, item.lower()) for item in self.not_actions)
        return any(fnmatchcase(action, item.lower()) for item in self.actions)

    @property
    def everywhere(self) -> bool:
        """Whether it is about every resource, or every role."""
        if self.not_resources:
            return True
        return any(item == "*" or item.endswith((":role/*", ":*:*", "::*:*")) for item in self.resources)


def statements(document: Any) -> list[Statement]:
    """The statements of a policy document; what is none is left out."""
    listed = document.get("Statement", []) if isinstance(document, dict) else []
    items = listed if isinstance(listed, list) else [listed]
    return [
        Statement(
            allow=item.get("Effect") == "Allow",
            actions=_texts(item.get("Action")),
            not_actions=_texts(item.get("NotAction")),
            resources=_texts(item.get("Resource")),
            not_resources=_texts(item.get("NotResource")),
            principals=tuple(principals(item.get("Principal"))),
            not_principal="NotPrincipal" in item,
            conditions=item["Condition"] if isinstance(item.get("Condition"), dict) else {},
        )
        for item in items
        if isinstance(item, dict)
    ]


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def principals(value: Any) -> Iterator[str]:
    """Every principal of a ``Principal`` element: ARNs bare, others as ``service:NAME``."""
    if value == "*":
        yield "*"
    elif isinstance(value, dict):
        for kind, names in value.items():
            prefix = "" if kind == "AWS" else f"{str(kind).lower()}:"
            yield from (prefix + name for name in _texts(names))


def demands(operator: str) -> bool:
    """Whether a condition operator holds only when the key is there and has one of the values.

    ``ForAllValues`` and ``…IfExists`` hold when the key is missing, ``…Not…`` when the value is another.
    """
    return not ("Not" in operator or operator.startswith("ForAllValues") or operator.endswith("IfExists"))


def condition_values(conditions: dict[str, Any], key: str) -> list[tuple[str, str]]:
    """``(operator, value)`` for a condition key, whose case does not matter."""
    return [
        (operator, value)
        for operator, block in conditions.items()
        if isinstance(block, dict)
        for name, values in block.items()
        if name.lower() == key.lower()
        for value in _texts(values)
    ]


def allows(policies: Iterable[IamPolicy], action: str) -> bool:
    """Whether policies allow an action on every resource. An unread document allows nothing."""
    allowed = False
    for policy in policies:
        for item in statements(policy.document):
            if item.matches(action) and item.everywhere:
                if item.allow:
                    allowed = True
                elif not item.conditions:
                    return False
    return allowed


def role_allows(role: IamRole, action: str) -> bool:
    """Whether a role may do something on every resource, its boundary considered."""
    if role.boundary is not None and not allows([role.boundary], action):
        return False
    return allows(role.policies, action)


def escalations(role: IamRole) -> Iterator[Escalation | str]:
    """Every way from a role to administrator rights; a text for what could not be judged."""
    unread = [policy for policy in role.policies if policy.document is None]
    if role.boundary is not None and role.boundary.document is None:
        yield f"the permissions boundary {role.boundary.name} was not read"
        return
    if role_allows(role, "iam:*"):
        yield Escalation("* on *" if role_allows(role, "*") else "iam:* on *")
        return
    for actions in _ESCALATIONS:
        if all(role_allows(role, action) for action in actions):
            yield Escalation(" + ".join(actions))
    for policy in unread:
        if policy.name in _POWERFUL_POLICIES and role.boundary is None:
            yield Escalation(f"policy {policy.name}")
        elif ":iam::aws:policy/" not in policy.arn or policy.name in _POWERFUL_POLICIES:
            yield f"the policy {policy.name} was not read"


def roles(snapshot: Snapshot) -> dict[str, IamRole]:
    """Roles by ARN."""
    return snapshot.once(_roles)


def _roles(snapshot: Snapshot) -> dict[str, IamRole]:
    return {role.arn: role for role in snapshot.of(IamRole)}


def role_of(workload: Workload, snapshot: Snapshot) -> tuple[str, str]:
    """Where a workload gets an IAM role from, and which: pod identity wins over the IRSA annotation."""
    key = (workload.namespace, workload.service_account)
    identity, annotated = snapshot.once(_identities)
    if arn := identity.get(key):
        return "podIdentityAssociation.roleArn", arn
    return f"serviceAccount.metadata.annotations[{IRSA}]", annotated.get(key, "")


Identities = dict[tuple[str, str], str]


def _identities(snapshot: Snapshot) -> tuple[Identities, Identities]:
    cluster = snapshot.scope.cluster
    identity = {
        (item.namespace, item.service_account): item.role_arn
        for item in snapshot.of(PodIdentity)
        if cluster in ("", item.cluster_name)
    }
    annotated = {
        (item.namespace, item.name): arn
        for item in snapshot.of(ServiceAccount)
        if (arn := item.meta.annotations.get(IRSA))
    }
    return identity, annotated
