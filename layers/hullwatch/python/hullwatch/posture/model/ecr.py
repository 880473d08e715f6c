"""Amazon ECR: repositories, the registry and its rules, images."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from hullwatch.posture.model.aws import Wire
from hullwatch.posture.model.snapshot import Resource


class ScanningFlag(Wire, frozen=True, kw_only=True):
    scan_on_push: bool = False


class TagFilter(Wire, frozen=True, kw_only=True):
    filter: str = ""
    filter_type: str = ""


class RepositoryEncryption(Wire, frozen=True, kw_only=True):
    encryption_type: str = "AES256"
    kms_key: str = ""


class Repository(Wire, frozen=True, kw_only=True):
    """``DescribeRepositories``, with its policies joined."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecr:DescribeRepositories",)
    READS: ClassVar[dict[str, str]] = {
        "policy": "ecr:GetRepositoryPolicy",
        "lifecycle": "ecr:GetLifecyclePolicy",
    }
    repository_name: str
    repository_arn: str = ""
    registry_id: str = ""
    image_tag_mutability: str = "MUTABLE"
    image_tag_mutability_exclusion_filters: tuple[TagFilter, ...] = ()
    encryption_configuration: RepositoryEncryption = RepositoryEncryption()
    image_scanning_configuration: ScanningFlag = ScanningFlag()
    policy: dict[str, Any] | None = None
    lifecycle: dict[str, Any] | None = None
    #: From ``BatchGetRepositoryScanningConfiguration``: ``MANUAL``, ``SCAN_ON_PUSH``, ``CONTINUOUS_SCAN``.
    scan_frequency: str = ""
    unread: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(kind="Repository", name=self.repository_name, arn=self.repository_arn)


class RepositoryFilter(Wire, frozen=True, kw_only=True):
    filter: str = ""
    filter_type: str = ""


class ScanRule(Wire, frozen=True, kw_only=True):
    scan_frequency: str = ""
    repository_filters: tuple[RepositoryFilter, ...] = ()


class SigningRule(Wire, frozen=True, kw_only=True):
    signing_profile_arn: str = ""
    repository_filters: tuple[RepositoryFilter, ...] = ()


class PullThroughRule(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("ecr:DescribePullThroughCacheRules",)
    ecr_repository_prefix: str
    upstream_registry_url: str = ""

    @property
    def resource(self) -> Resource:
        return Resource(kind="PullThroughCacheRule", name=self.ecr_repository_prefix)


class CreationTemplate(Wire, frozen=True, kw_only=True):
    prefix: str
    applied_for: tuple[str, ...] = ()
    image_tag_mutability: str = "MUTABLE"


class Registry(Wire, frozen=True, kw_only=True):
    """The private registry of an account and Region."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecr:GetRegistryScanningConfiguration",)
    READS: ClassVar[dict[str, str]] = {
        "scan_type": "ecr:GetRegistryScanningConfiguration",
        "signing_rules": "ecr:GetSigningConfiguration",
        "policy": "ecr:GetRegistryPolicy",
    }
    registry_id: str = ""
    scan_type: str = "BASIC"
    scan_rules: tuple[ScanRule, ...] = ()
    signing_rules: tuple[SigningRule, ...] = ()
    policy: dict[str, Any] | None = None
    unread: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(kind="Registry", name=self.registry_id)


class ImageDetail(Wire, frozen=True, kw_only=True):
    """``DescribeImages``. Times are ISO 8601 or epoch seconds, as the client gave them."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecr:DescribeImages",)
    repository_name: str
    image_digest: str
    registry_id: str = ""
    image_tags: tuple[str, ...] = ()
    image_pushed_at: str | float = ""
    last_recorded_pull_time: str | float = ""
    image_status: str = "ACTIVE"
    #: ``DescribeImageSigningStatus`` or a signature among the referrers; ``None`` when nobody looked.
    signed: bool | None = None
    #: Vulnerabilities known for it, when the caller joined them.
    vulnerabilities: int | None = None

    @property
    def resource(self) -> Resource:
        return Resource(kind="Image", name=f"{self.repository_name}@{self.image_digest}")
