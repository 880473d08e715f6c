"""Who gets into EKS clusters, and what their service accounts get in AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from hullwatch.posture.analysis.iam import IRSA, condition_values, demands, roles, statements
from hullwatch.posture.controls.ecr import account_of, narrowed, trusted_accounts
from hullwatch.posture.controls.rbac import Mapping
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import IamRole
from hullwatch.posture.model.aws import short
from hullwatch.posture.model.eks import AccessEntry, PodIdentity
from hullwatch.posture.model.kubernetes import ServiceAccount
from hullwatch.posture.model.snapshot import Resource, Snapshot

_ADMIN_POLICIES: dict[str, Severity] = {
    "AmazonEKSClusterAdminPolicy": "high",
    "AmazonEKSAdminPolicy": "medium",
}
_STEP_UP: dict[Severity, Severity] = {"high": "critical", "medium": "high"}


def not_for_people(entry: AccessEntry, _: Snapshot) -> str:
    """Entries of nodes are made by EKS."""
    return "" if entry.type == "STANDARD" else f"an entry of type {entry.type}"


@control(
    "eks.access.cluster-admin-entry",
    AccessEntry,
    needs=("eks:ListAssociatedAccessPolicies",),
    skip=not_for_people,
)
def cluster_admin_entry(entry: AccessEntry, snapshot: Snapshot) -> Iterator[Outcome]:
    if any(
        fnmatchcase(entry.principal_arn, pattern) for pattern in snapshot.parameters.break_glass_principals
    ):
        return
    for index, policy in enumerate(entry.policies):
        severity = _ADMIN_POLICIES.get(short(policy.policy_arn))
        if severity and policy.access_scope.type == "cluster":
            # A user's keys do not expire, and root cannot be narrowed.
            lasting = ":user/" in entry.principal_arn or entry.principal_arn.endswith(":root")
            severity = _STEP_UP[severity] if lasting else severity
            path = f"associatedAccessPolicies[{index}].policyArn"
            yield Violation(path=path, value=policy.policy_arn, severity=severity)


def _trusts_outsiders(role: IamRole, snapshot: Snapshot) -> str:
    own = trusted_accounts(snapshot, account_of(role.arn))
    for statement in statements(role.trust):
        for principal in statement.principals if statement.allow and not narrowed(statement) else ():
            account = account_of(principal)
            if principal == "*" or (account and account not in own):
                return principal
    return ""


def _stale(arn: str, path: str, snapshot: Snapshot) -> Iterator[Outcome]:
    role = roles(snapshot).get(arn)
    if ":role/" in arn and role is None and account_of(arn) in ("", snapshot.scope.account):
        yield Violation(path=path, value=arn, message="there is no such role", severity="medium")
    elif role is None:
        yield Unknown(f"{arn} is not among the roles that were read")
    elif who := _trusts_outsiders(role, snapshot):
        yield Violation(path=path, value=arn, message=f"may be assumed by {who}")


@control("eks.access.stale-principal", AccessEntry, needs=("iam:GetAccountAuthorizationDetails",))
def stale_entry(entry: AccessEntry, snapshot: Snapshot) -> Iterator[Outcome]:
    yield from _stale(entry.principal_arn, "principalArn", snapshot)


@control("eks.access.stale-principal", Mapping, needs=("iam:GetAccountAuthorizationDetails",))
def stale_mapping(mapping: Mapping, snapshot: Snapshot) -> Iterator[Outcome]:
    if mapping.problem:
        yield Unknown(mapping.problem, "unreadable")
    for entry in mapping.entries:
        yield from _stale(entry.arn, entry.path, snapshot)


@dataclass(frozen=True, slots=True)
class IrsaRole:
    """A role that the OIDC provider of an EKS cluster may hand out."""

    INPUTS: ClassVar[tuple[str, ...]] = ("iam:GetAccountAuthorizationDetails",)
    role: IamRole

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[IrsaRole]:
        """By their trust policies."""
        for role in snapshot.of(IamRole):
            federated = [name for item in statements(role.trust) for name in item.principals]
            if any(name.startswith("federated:") and "oidc.eks." in name for name in federated):
                yield cls(role)

    @property
    def resource(self) -> Resource:
        return self.role.resource


@control("eks.irsa.trust-too-wide", IrsaRole)
def trust_too_wide(irsa: IrsaRole, _: Snapshot) -> Iterator[Outcome]:
    for index, statement in enumerate(statements(irsa.role.trust)):
        for name in statement.principals:
            issuer = name.partition(":oidc-provider/")[2]
            if not (statement.allow and "oidc.eks." in issuer):
                continue
            path = f"AssumeRolePolicyDocument.Statement[{index}].Condition"
            subjects = condition_values(statement.conditions, f"{issuer}:sub")
            wide = [value for operator, value in subjects if not _pinned(operator, value)]
            if wide or not subjects:
                yield Violation(path=f"{path}[{issuer}:sub]", value=wide[0] if wide else None)
            elif not condition_values(statement.conditions, f"{issuer}:aud"):
                yield Violation(path=f"{path}[{issuer}:aud]", severity="medium")


def _pinned(operator: str, value: str) -> bool:
    parts = value.split(":")
    wildcards = "Like" in operator and any(char in value for char in "*?")
    return len(parts) == 4 and not wildcards and demands(operator)


@dataclass(frozen=True, slots=True)
class SharedRole:
    """An IAM role with every service account that gets it."""

    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribePodIdentityAssociation",)
    arn: str
    users: tuple[str, ...]
    untagged: tuple[str, ...]

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[SharedRole]:
        """From associations and annotations."""
        users: dict[str, set[str]] = {}
        untagged: dict[str, set[str]] = {}
        for item in snapshot.of(PodIdentity):
            name = f"{item.cluster_name}/{item.namespace}/{item.service_account}"
            users.setdefault(item.role_arn, set()).add(name)
            if item.disable_session_tags:
                untagged.setdefault(item.role_arn, set()).add(name)
        for account in snapshot.of(ServiceAccount):
            if arn := account.meta.annotations.get(IRSA):
                name = f"{snapshot.scope.cluster}/{account.namespace}/{account.name}"
                users.setdefault(arn, set()).add(name)
        for arn, names in users.items():
            yield cls(arn, tuple(sorted(names)), tuple(sorted(untagged.get(arn, ()))))

    @property
    def resource(self) -> Resource:
        return Resource(kind="IamRole", name=short(self.arn), arn=self.arn)


@control("eks.podidentity.role-shared", SharedRole)
def role_shared(role: SharedRole, _: Snapshot) -> Iterator[Outcome]:
    if len(role.users) > 1:
        yield Violation(path="serviceAccounts", value=list(role.users))
    if role.untagged:
        yield Violation(path="disableSessionTags", value=list(role.untagged), severity="low")
