"""The configuration file: what people may set, checked before anything is synthesised.

``config/schema.json`` is generated from here for editors: ``python -m stacks.settings > config/schema.json``.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from hullwatch.advisories.feeds import FEEDS, OPT_IN
from hullwatch.errors import ConfigurationError
from hullwatch.settings import AcceptedRisk as RuntimeRisk
from hullwatch.settings import Settings as RuntimeSettings

#: CloudWatch Logs accepts these periods and no others (PutRetentionPolicy, ``retentionInDays``).
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]

#: A function's variables may take 4 KB in all (Lambda quotas); this is what the rest leaves for the settings.
_RUNTIME_SETTINGS_BYTES = 3000

#: ``repository:tag`` in the characters of ECR's names, with ``*``, ``?`` and ``[...]``.
Pattern = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._/*?\[\]!-]+:[a-zA-Z0-9._*?\[\]!-]*$", max_length=400)]


def _known_feed(name: str) -> str:
    if name not in FEEDS:
        raise ValueError(f"no feed is called {name!r}; there are {', '.join(FEEDS)}")
    return name


FeedName = Annotated[str, AfterValidator(_known_feed), Field(json_schema_extra={"enum": list(FEEDS)})]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Scan(_Section):
    """Which images are scanned."""

    include: tuple[Pattern, ...] = ("*:*",)
    """Images to scan, as `repository:tag` with shell wildcards."""
    exclude: tuple[Pattern, ...] = ()
    """Images to leave out, in the same form; wins over `include`."""


class Track(_Section):
    """Tags that follow each other: findings belong to the track, not to the image."""

    match: Pattern
    """Images of the track, as `repository:tag` with shell wildcards."""
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._*-]+$", max_length=128)]
    """The track's name within its repository."""


class Findings(_Section):
    """What Security Hub gets."""

    security_hub: bool = True
    """Send findings to Security Hub. The table keeps them either way."""
    group_by: Literal["package", "vulnerability"] = "package"
    """One finding per package to upgrade, or one per vulnerability."""
    minimum_priority: Literal["P1", "P2", "P3", "P4"] = "P4"
    """The lowest priority that is sent; P4 sends all."""
    manage_hub: bool = False
    """Enable Security Hub in this account and Region. Leave it off where an organisation does that."""


class Advisories(_Section):
    """Where advisories come from, and how often."""

    feeds: Annotated[tuple[FeedName, ...], Field(min_length=1)] = tuple(
        name for name in FEEDS if name not in OPT_IN
    )
    """The feeds to read, by name."""
    refresh: Annotated[str, Field(pattern=r"^(rate|cron)\([^)]+\)$")] = "rate(6 hours)"
    """When feeds are read, as an EventBridge Scheduler expression."""
    mirror: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = None
    """Read all feeds below this address instead of from their publishers."""


class AcceptedRisk(_Section):
    """A failed control that somebody answers for until a date: it opens no finding."""

    control: Annotated[str, Field(min_length=1, max_length=128)]
    """Controls by id, with shell wildcards."""
    resource: Annotated[str, Field(min_length=1, max_length=600)]
    """Resources as `Kind/namespace/name`, without what does not apply, with shell wildcards."""
    cluster: Annotated[str, Field(min_length=1, max_length=100)] = "*"
    """EKS clusters by name, with shell wildcards. What is in none has an empty name, which `*` fits too."""
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    """Why the risk is accepted."""
    owner: Annotated[str, Field(min_length=1, max_length=100)]
    """Who answers for it."""
    until: date
    """The last day on which it holds (UTC). Afterwards the finding opens again."""


class Network(_Section):
    """Functions run outside a VPC unless subnets are named. Set both keys or neither."""

    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")], ...] = ()
    """Private subnets with a way to ECR, S3, DynamoDB and the other services."""
    security_groups: tuple[Annotated[str, Field(pattern=r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$")], ...] = ()
    """Security groups of the functions' network interfaces."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Network:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("subnets and security_groups go together")
        return self


class Cluster(_Section):
    """An EKS cluster that needs something of its own."""

    name: Annotated[str, Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")]
    """The cluster's name."""
    access: bool = False
    """Give hullwatch its access entry in this cluster; what it may read there is up to the manifest."""
    network: Network = Network()
    """Where its private endpoint is reached from. Leave it out for a public endpoint."""


class Posture(_Section):
    """Configuration and running workloads."""

    enabled: bool = True
    """Check ECR, ECS, EKS and what runs there."""
    schedule: Annotated[str, Field(pattern=r"^(rate|cron)\([^)]+\)$")] = "rate(1 day)"
    """When everything is surveyed, as an EventBridge Scheduler expression. Changes are followed at once."""
    clusters: tuple[Cluster, ...] = ()
    """Clusters that are reached from a VPC, or get an access entry. All clusters are surveyed either way."""
    exceptions: Annotated[tuple[AcceptedRisk, ...], Field(max_length=1000)] = ()
    """Accepted risks, each with an owner, a reason and an end."""

    @model_validator(mode="after")
    def _once(self) -> Posture:
        names = [cluster.name for cluster in self.clusters]
        if len(set(names)) < len(names):
            raise ValueError("a cluster is named twice")
        return self


class Security(_Section):
    """Encryption, boundaries and what is kept."""

    customer_key: bool = False
    """Encrypt with a KMS key of this account instead of with the services' own keys."""
    permissions_boundary: str | None = None
    """Name of the managed policy that bounds every role."""
    name_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")] = "hullwatch"
    """Every stack, function and workflow is named with it, so that two deployments can live side by side."""
    removal: Literal["retain", "destroy"] = "retain"
    """Whether the table, the bucket and the key stay when their stack is deleted."""
    log_retention_days: RetentionDays = 90
    """How long logs are kept."""


class Alarms(_Section):
    """Who hears of trouble. Every alarm goes to one SNS topic."""

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """Subscribe this address to the topic."""


class Settings(_Section):
    """hullwatch's configuration."""

    model_config = ConfigDict(title="hullwatch configuration")

    version: Literal[1] = 1
    """Version of this file's form."""
    scan: Scan = Scan()
    tracks: tuple[Track, ...] = ()
    """Rules for tag lineages; the first that matches decides. Without one, numbers, dates and commit ids in a
    tag are wildcards: `v1.4.2` belongs to `v*`."""
    findings: Findings = Findings()
    advisories: Advisories = Advisories()
    posture: Posture = Posture()
    network: Network = Network()
    security: Security = Security()
    alarms: Alarms = Alarms()

    @model_validator(mode="after")
    def _fits_the_environment(self) -> Settings:
        size = len(msgspec.json.encode(self.runtime()))
        if size > _RUNTIME_SETTINGS_BYTES:
            raise ValueError(
                f"patterns and rules take {size} bytes, and functions have room for {_RUNTIME_SETTINGS_BYTES}"
            )
        return self

    def runtime(self) -> RuntimeSettings:
        """The part that handlers act on."""
        return msgspec.convert(
            {
                **self.scan.model_dump(),
                "tracks": [track.model_dump() for track in self.tracks],
                "findings": self.findings.model_dump(exclude={"manage_hub"}),
                "mirror": self.advisories.mirror or "",
            },
            type=RuntimeSettings,
        )

    def accepted_risks(self) -> tuple[RuntimeRisk, ...]:
        """The accepted risks as the surveying function gets them."""
        return tuple(msgspec.convert(risk.model_dump(), type=RuntimeRisk) for risk in self.posture.exceptions)

    def repositories(self) -> list[str]:
        """What `scan.include` says of repositories, in the wildcards that IAM knows (``*`` and ``?``)."""
        return sorted(
            {re.sub(r"\[[^\]]*\]", "?", pattern.rpartition(":")[0]) for pattern in self.scan.include}
        )


def read(path: Path) -> Settings:
    """The settings of a YAML file; an empty file means the defaults.

    Raises:
        ConfigurationError: one line that names the file, the key and what is wrong with it.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: cannot be read: {reason}") from error
    try:
        return Settings.model_validate(document if document is not None else {})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_explained(error)}") from error


def _explained(error: ValidationError) -> str:
    """The first problem in one line: where it is, and what it is."""
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            message = "no such setting"
        case "string_pattern_mismatch":
            message = f"{problem['input']!r} does not fit {problem['ctx']['pattern']}"
        case _:
            message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def schema() -> str:
    """JSON Schema of the configuration file, for editors."""
    return json.dumps(Settings.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
