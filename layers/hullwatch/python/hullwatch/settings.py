"""What a running hullwatch is told: the deployment's names, and the settings that change what it does.

The stacks write it into a function's environment variables, the handlers read it back: both sides use the
classes here, so that a name can be wrong on neither. The file that people edit is larger and is checked when
the stacks are synthesised (``stacks/settings.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Literal

import msgspec

from hullwatch.errors import ConfigurationError

#: Where the layer of accepted risks has them: a package without code, and its one file.
EXCEPTIONS_PACKAGE = "hullwatch_exceptions"
EXCEPTIONS_FILE = "exceptions.json"


class TrackRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tags that make one lineage: ``repository:tag`` matched with shell wildcards, and the lineage's name."""

    match: str
    name: str


class FindingSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What findings look like, and which of them Security Hub gets."""

    group_by: Literal["package", "vulnerability"] = "package"
    #: The EPSS probability from which on a vulnerability counts as likely to be exploited. Half means *more
    #: likely than not*, beside *known to be exploited*; a programme that can afford more work takes 0.1.
    epss_threshold: float = 0.5
    #: The lowest priority that Security Hub gets. The table keeps all of them.
    minimum_priority: Literal["P1", "P2", "P3", "P4"] = "P4"
    security_hub: bool = True


class AcceptedRisk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A failed control that somebody answers for until a date. Patterns have shell wildcards.

    ``resource`` is matched with ``Kind/namespace/name``, without what does not apply; ``cluster`` with the
    cluster's name, which is empty for what belongs to the account.
    """

    control: str
    resource: str
    reason: str
    owner: str
    #: The last day it holds, in UTC.
    until: date
    cluster: str = "*"

    def accepts(self, control: str, resource: str, cluster: str) -> bool:
        """Whether it is about this control on this resource, whatever the date."""
        return (
            fnmatchcase(control, self.control)
            and fnmatchcase(resource, self.resource)
            and fnmatchcase(cluster, self.cluster)
        )

    def __str__(self) -> str:
        return f"{self.owner} until {self.until.isoformat()}: {self.reason}"


def accepted_risks() -> tuple[AcceptedRisk, ...]:
    """The accepted risks that this function was deployed with; none where it has no layer of them.

    They have a layer of their own, because a function's variables hold 4 KB, and people's reasons are long.

    Raises:
        ConfigurationError: the layer's file does not fit.
    """
    try:
        text = files(EXCEPTIONS_PACKAGE).joinpath(EXCEPTIONS_FILE).read_bytes()
    except ModuleNotFoundError:
        return ()
    try:
        return msgspec.json.decode(text, type=tuple[AcceptedRisk, ...])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{EXCEPTIONS_FILE}: {error}") from error


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The part of the configuration that handlers act on. Patterns are ``repository:tag`` with ``*?[]``."""

    include: tuple[str, ...] = ("*:*",)
    exclude: tuple[str, ...] = ()
    #: The first rule that matches decides; without one, the default of the tracks applies.
    tracks: tuple[TrackRule, ...] = ()
    findings: FindingSettings = FindingSettings()
    #: Base address that feeds are read from instead of their publishers; empty for the publishers.
    mirror: str = ""

    def covers(self, repository: str, tag: str = "") -> bool:
        """Whether images of this name are scanned: it is included and not excluded.

        An image without a tag is judged as ``repository:``, which ``repository:*`` takes in and ``*:pr-*``
        does not leave out.
        """
        name = f"{repository}:{tag}"
        return _any_match(name, self.include) and not _any_match(name, self.exclude)


def _any_match(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment that a function belongs to, as its environment variables tell it."""

    account: str
    table: str
    bucket: str
    bus: str
    #: Lambda sets the Region itself (``AWS_REGION``), so the stacks leave it out.
    region: str = ""
    partition: str = "aws"
    intake_queue_url: str = ""
    scan_state_machine_arn: str = ""
    survey_state_machine_arn: str = ""
    settings: Settings = Settings()

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """The environment of this process.

        Raises:
            ConfigurationError: a required variable is missing, or ``HULLWATCH_SETTINGS`` does not fit.
        """
        try:
            settings = msgspec.json.decode(variables.get("HULLWATCH_SETTINGS") or "{}", type=Settings)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"HULLWATCH_SETTINGS: {error}") from error
        values = {field: variables.get(name, "") for field, name in _VARIABLES.items()}
        for field in ("account", "table", "bucket", "bus"):
            if not values[field]:
                raise ConfigurationError(f"the environment variable {_VARIABLES[field]} is not set")
        values["partition"] = values["partition"] or "aws"
        return cls(region=variables.get("AWS_REGION", ""), settings=settings, **values)

    def variables(self) -> dict[str, str]:
        """The environment variables that :meth:`read` turns back into this."""
        named = {name: getattr(self, field) for field, name in _VARIABLES.items() if getattr(self, field)}
        return {**named, "HULLWATCH_SETTINGS": msgspec.json.encode(self.settings).decode()}


_VARIABLES = {
    "account": "HULLWATCH_ACCOUNT",
    "partition": "HULLWATCH_PARTITION",
    "table": "HULLWATCH_TABLE",
    "bucket": "HULLWATCH_BUCKET",
    "bus": "HULLWATCH_BUS",
    "intake_queue_url": "HULLWATCH_INTAKE_QUEUE_URL",
    "scan_state_machine_arn": "HULLWATCH_SCAN_STATE_MACHINE_ARN",
    "survey_state_machine_arn": "HULLWATCH_SURVEY_STATE_MACHINE_ARN",
}
