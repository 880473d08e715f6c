"""IAM, KMS, logs, GuardDuty, Secrets Manager and the account as a whole."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from hullwatch.posture.model.aws import Upper, Wire, short
from hullwatch.posture.model.snapshot import Resource


class IamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with its document; ``document`` is ``None`` when nobody could read it."""

    name: str = ""
    arn: str = ""
    document: dict[str, Any] | None = None


class IamRole(msgspec.Struct, frozen=True, kw_only=True):
    """``GetAccountAuthorizationDetails``: a role with its trust, policies and boundary joined."""

    INPUTS: ClassVar[tuple[str, ...]] = ("iam:GetAccountAuthorizationDetails",)
    arn: str
    name: str = ""
    trust: dict[str, Any] = {}
    policies: tuple[IamPolicy, ...] = ()
    boundary: IamPolicy | None = None

    @property
    def resource(self) -> Resource:
        return Resource(kind="IamRole", name=self.name or short(self.arn), arn=self.arn)


class KmsKey(Upper, frozen=True, kw_only=True):
    """``DescribeKey`` with ``GetKeyRotationStatus`` joined; ``rotation`` is ``None`` when it was not read."""

    arn: str
    key_state: str = "Enabled"
    key_manager: str = "CUSTOMER"
    rotation: bool | None = None


class LogGroup(Wire, frozen=True, kw_only=True):
    """``DescribeLogGroups`` with its subscription and metric filters counted."""

    log_group_name: str
    retention_in_days: int | None = None
    kms_key_id: str = ""
    consumers: int | None = None


class DetectorFeature(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    enabled: bool = False
    #: Names of its additional configurations that are enabled.
    additional: tuple[str, ...] = ()


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """``GetDetector``; an account without one has ``features`` empty."""

    INPUTS: ClassVar[tuple[str, ...]] = ("guardduty:GetDetector",)
    features: tuple[DetectorFeature, ...] = ()

    def enabled(self, name: str, additional: str = "") -> bool:
        """Whether a feature, or one of its additional configurations, is on."""
        return any(
            feature.enabled and (not additional or additional in feature.additional)
            for feature in self.features
            if feature.name == name
        )


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``ListCoverage``: an EKS or ECS cluster by name."""

    cluster: str
    kind: str = ""
    status: str = ""
    issue: str = ""


class SsmParameter(Upper, frozen=True, kw_only=True):
    name: str
    type: str = ""
    value: str = ""


class AwsSecret(Upper, frozen=True, kw_only=True):
    """``DescribeSecret``. Times are ISO 8601 or epoch seconds."""

    INPUTS: ClassVar[tuple[str, ...]] = ("secretsmanager:DescribeSecret",)
    arn: str = msgspec.field(name="ARN")
    name: str = ""
    rotation_enabled: bool = False
    last_rotated_date: str | float = ""
    rotation_days: int | None = None

    @property
    def resource(self) -> Resource:
        return Resource(kind="Secret", name=self.name or self.arn, arn=self.arn)


class LoadBalancer(Upper, frozen=True, kw_only=True):
    dns_name: str = msgspec.field(name="DNSName", default="")
    scheme: str = ""
    security_groups: tuple[str, ...] = ()


class InspectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    ecr: str = ""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account and Region as a whole."""

    INPUTS: ClassVar[tuple[str, ...]] = ("sts:GetCallerIdentity",)
    id: str
    region: str = ""

    @property
    def resource(self) -> Resource:
        return Resource(kind="Account", name=self.id)
