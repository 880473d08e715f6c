"""ECR: who may pull and push, what is scanned and signed, what can be overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from hullwatch.posture.analysis.iam import Statement, condition_values, demands, statements
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.analysis.times import days_between
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import InspectorStatus, KmsKey
from hullwatch.posture.model.ec2 import Subnet, VpcEndpoint
from hullwatch.posture.model.ecr import (
    CreationTemplate,
    ImageDetail,
    PullThroughRule,
    Registry,
    Repository,
    RepositoryFilter,
)
from hullwatch.posture.model.eks import VpcOfContainers
from hullwatch.posture.model.image import ImageUse, RunningImage
from hullwatch.posture.model.snapshot import Snapshot

_WRITES = (
    "ecr:PutImage",
    "ecr:InitiateLayerUpload",
    "ecr:BatchDeleteImage",
    "ecr:DeleteRepository",
    "ecr:SetRepositoryPolicy",
    "ecr:PutLifecyclePolicy",
    "ecr:PutImageTagMutability",
)
_REGISTRY_WRITES = ("ecr:ReplicateImage", "ecr:CreateRepository", "ecr:BatchImportUpstreamImage")
#: Condition keys that tie a statement to somebody known.
_NARROWING = (
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceVpc",
    "aws:SourceVpce",
)
_ACCOUNT = re.compile(r"^(?:arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:)?(\d{12})(?::|$)")


def matches(filters: Iterable[RepositoryFilter], repository: str) -> bool:
    """Whether a registry rule covers a repository: ``*`` is a wildcard, a plain filter matches any part."""
    return any(
        fnmatchcase(repository, item.filter) if "*" in item.filter else item.filter in repository
        for item in filters
    )


def account_of(principal: str) -> str:
    """The account in a principal: an ARN or a bare number; empty for services and anonymous ids."""
    found = _ACCOUNT.match(principal)
    return found[1] if found else ""


def narrowed(statement: Statement) -> bool:
    """Whether a condition ties a statement to a known organisation, account or network."""
    for key in _NARROWING:
        named = [
            value for operator, value in condition_values(statement.conditions, key) if demands(operator)
        ]
        if named and not any(value.startswith("*") or "::*" in value for value in named):
            return True
    return False


def trusted_accounts(snapshot: Snapshot, own: str) -> frozenset[str]:
    """The own account and those the organisation named."""
    return frozenset({own, snapshot.scope.account, *snapshot.parameters.trusted_accounts}) - {""}


def _to_everyone(document: Any) -> Iterator[tuple[int, Statement]]:
    for index, statement in enumerate(statements(document)):
        anyone = "*" in statement.principals or statement.not_principal
        if statement.allow and anyone and not narrowed(statement):
            yield index, statement


def _may(statement: Statement, actions: Iterable[str]) -> bool:
    return any(statement.matches(action) for action in actions)


def _foreigners(
    document: Any, own: frozenset[str], organization: str
) -> Iterator[tuple[int, Statement, str]]:
    for index, statement in enumerate(statements(document)):
        same = organization and any(
            value == organization for _, value in condition_values(statement.conditions, "aws:PrincipalOrgID")
        )
        for principal in statement.principals if statement.allow and not same else ():
            if (account := account_of(principal)) and account not in own:
                yield index, statement, principal


@control("ecr.repo.policy-public", Repository, needs=("ecr:GetRepositoryPolicy",))
def public_policy(repository: Repository, _: Snapshot) -> Iterator[Outcome]:
    for index, statement in _to_everyone(repository.policy):
        severity: Severity = "critical" if _may(statement, _WRITES) else "high"
        yield Violation(path=f"policyText.Statement[{index}].Principal", value="*", severity=severity)


@control("ecr.repo.policy-cross-account", Repository, needs=("ecr:GetRepositoryPolicy",))
def cross_account_policy(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    own = trusted_accounts(snapshot, repository.registry_id)
    for index, statement, who in _foreigners(repository.policy, own, snapshot.parameters.organization):
        severity: Severity = "high" if _may(statement, _WRITES) else "medium"
        yield Violation(path=f"policyText.Statement[{index}].Principal", value=who, severity=severity)


@control("ecr.registry.policy-permissive", Registry, needs=("ecr:GetRegistryPolicy",))
def registry_policy(registry: Registry, snapshot: Snapshot) -> Iterator[Outcome]:
    for index, statement in _to_everyone(registry.policy):
        if _may(statement, _REGISTRY_WRITES):
            yield Violation(path=f"policyText.Statement[{index}].Principal", value="*", severity="critical")
    own = trusted_accounts(snapshot, registry.registry_id)
    for index, statement, who in _foreigners(registry.policy, own, snapshot.parameters.organization):
        if _may(statement, _REGISTRY_WRITES):
            yield Violation(path=f"policyText.Statement[{index}].Principal", value=who)


def scan_frequency(repository: Repository, snapshot: Snapshot) -> str:
    """How a repository is scanned in effect; a registry's rules win over the repository's own flag."""
    if repository.scan_frequency:
        return repository.scan_frequency
    registries = snapshot.of(Registry)
    rules = [rule for registry in registries for rule in registry.scan_rules]
    if rules:
        found = {
            rule.scan_frequency
            for rule in rules
            if matches(rule.repository_filters, repository.repository_name)
        }
        return "CONTINUOUS_SCAN" if "CONTINUOUS_SCAN" in found else next(iter(sorted(found)), "MANUAL")
    return "SCAN_ON_PUSH" if repository.image_scanning_configuration.scan_on_push else "MANUAL"


@control("ecr.scan.off", Repository, needs=("ecr:GetRegistryScanningConfiguration",))
def scan_off(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    frequency = scan_frequency(repository, snapshot)
    if frequency == "MANUAL":
        yield Violation(path="scanFrequency", value=frequency)


@control("ecr.scan.basic-only", Repository, needs=("ecr:GetRegistryScanningConfiguration",))
def basic_scan_only(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    continuous = scan_frequency(repository, snapshot) == "CONTINUOUS_SCAN"
    inspector = any(item.ecr == "ENABLED" for item in snapshot.of(InspectorStatus))
    if runs(repository, snapshot) and not (continuous and (inspector or not snapshot.of(InspectorStatus))):
        yield Violation(path="scanFrequency", value=scan_frequency(repository, snapshot))


def in_use(snapshot: Snapshot) -> dict[str, list[ImageUse]]:
    """Image references in use, by repository name as ECR has it."""
    return snapshot.once(_in_use)


def _in_use(snapshot: Snapshot) -> dict[str, list[ImageUse]]:
    found: dict[str, list[ImageUse]] = {}
    for use in snapshot.of(ImageUse):
        reference = parse_reference(use.image)
        if reference.account:
            found.setdefault(reference.repository, []).append(use)
    return found


def runs(repository: Repository, snapshot: Snapshot) -> bool:
    """Whether anything uses an image of a repository."""
    return repository.repository_name in in_use(snapshot)


@control("ecr.repo.tags-mutable", Repository)
def mutable_tags(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    setting = repository.image_tag_mutability
    if setting in ("MUTABLE", "MUTABLE_WITH_EXCLUSION"):
        yield Violation(path="imageTagMutability", value=setting)
    elif setting == "IMMUTABLE_WITH_EXCLUSION":
        uses = in_use(snapshot).get(repository.repository_name, ())
        deployed = {parse_reference(use.image).tag for use in uses}
        for index, item in enumerate(repository.image_tag_mutability_exclusion_filters):
            tags = sorted(tag for tag in deployed if tag and fnmatchcase(tag, item.filter))
            if tags:
                path = f"imageTagMutabilityExclusionFilters[{index}].filter"
                yield Violation(path=path, value=item.filter, message=f"covers {tags[0]}", severity="low")


@control("ecr.signing.no-rule", Repository)
def no_signing_rule(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    registries = snapshot.of(Registry)
    reasons = [
        item.unread[read]
        for item in registries
        for read in item.unread
        if read == "ecr:GetSigningConfiguration"
    ]
    if not registries or reasons:
        yield Unknown(f"ecr:GetSigningConfiguration: {reasons[0] if reasons else 'not read'}")
        return
    rules = [rule for registry in registries for rule in registry.signing_rules]
    covered = any(matches(rule.repository_filters, repository.repository_name) for rule in rules)
    running = snapshot.once(_running_digests)
    details = snapshot.once(_images).get(repository.repository_name, ())
    signed = any(detail.signed for detail in details if detail.image_digest in running)
    if not covered and not signed:
        yield Violation(path="signingConfiguration.rules")


def _running_digests(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(item.digest for item in snapshot.of(RunningImage))


def _images(snapshot: Snapshot) -> dict[str, list[ImageDetail]]:
    found: dict[str, list[ImageDetail]] = {}
    for detail in snapshot.of(ImageDetail):
        found.setdefault(detail.repository_name, []).append(detail)
    return found


@control("ecr.lifecycle.missing", Repository, needs=("ecr:GetLifecyclePolicy",))
def no_lifecycle(repository: Repository, _: Snapshot) -> Iterator[Outcome]:
    if not repository.lifecycle or not repository.lifecycle.get("rules"):
        yield Violation(path="lifecyclePolicyText")


@control("ecr.encryption.cmk", Repository)
def not_customer_key(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    encryption = repository.encryption_configuration
    managed = {key.arn for key in snapshot.of(KmsKey) if key.key_manager == "AWS"}
    if encryption.encryption_type == "AES256":
        yield Violation(path="encryptionConfiguration.encryptionType", value="AES256")
    elif (
        not encryption.kms_key
        or encryption.kms_key in managed
        or encryption.kms_key.endswith("alias/aws/ecr")
    ):
        yield Violation(path="encryptionConfiguration.kmsKey", value=encryption.kms_key or None)


@control("ecr.pullthrough.template", PullThroughRule, needs=("ecr:DescribeRepositoryCreationTemplates",))
def pull_through_template(rule: PullThroughRule, snapshot: Snapshot) -> Iterator[Outcome]:
    templates = [item for item in snapshot.of(CreationTemplate) if "PULL_THROUGH_CACHE" in item.applied_for]
    covering = [
        item
        for item in templates
        if item.prefix == "ROOT" or rule.ecr_repository_prefix.startswith(item.prefix)
    ]
    if not covering:
        yield Violation(path="repositoryCreationTemplates", message="no template covers the prefix")
        return
    best = max(covering, key=lambda item: -1 if item.prefix == "ROOT" else len(item.prefix))
    if best.image_tag_mutability.startswith("MUTABLE"):
        path = f"repositoryCreationTemplates[{best.prefix}].imageTagMutability"
        yield Violation(path=path, value=best.image_tag_mutability)


@control("ecr.image.stale", Repository, needs=("ecr:DescribeImages", "pods", "ecs:DescribeTasks"))
def stale_images(repository: Repository, snapshot: Snapshot) -> Iterator[Outcome]:
    running = snapshot.once(_running_digests)
    stale = []
    for detail in snapshot.once(_images).get(repository.repository_name, ()):
        idle = days_between(detail.last_recorded_pull_time or detail.image_pushed_at, snapshot.now)
        old = idle is not None and idle > snapshot.parameters.unused_image_days
        if old and detail.image_digest not in running:
            stale.append(detail.image_digest)
    if stale:
        yield Violation(path="imageDetails", value=sorted(stale))


@control("ecr.network.no-vpce", VpcOfContainers, needs=("ec2:DescribeVpcEndpoints", "ec2:DescribeSubnets"))
def no_endpoints(vpc: VpcOfContainers, snapshot: Snapshot) -> Iterator[Outcome]:
    present = {
        item.service_name.split(".", 3)[-1]
        for item in snapshot.of(VpcEndpoint)
        if item.vpc_id == vpc.vpc_id and item.state.lower() == "available"
    }
    missing = [name for name in ("ecr.api", "ecr.dkr", "s3") if name not in present]
    private = any(
        item.vpc_id == vpc.vpc_id and not item.map_public_ip_on_launch for item in snapshot.of(Subnet)
    )
    if missing and private:
        yield Violation(path="vpcEndpoints", value=missing, message=f"used by {', '.join(vpc.used_by)}")
