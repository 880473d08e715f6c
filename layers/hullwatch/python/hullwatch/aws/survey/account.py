"""What the account as a whole has: keys, secrets, parameters, GuardDuty, Inspector, and who ran tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading, several, trimmed

CALLER, KEY, ROTATION = "sts:GetCallerIdentity", "kms:DescribeKey", "kms:GetKeyRotationStatus"
SECRET, PARAMETERS = "secretsmanager:DescribeSecret", "ssm:GetParameters"
DETECTOR, COVERAGE = "guardduty:GetDetector", "guardduty:ListCoverage"
INSPECTOR, RUN_TASK = "inspector2:BatchGetAccountStatus", "cloudtrail:RunTask"

INPUTS = frozenset({CALLER, KEY, ROTATION, SECRET, PARAMETERS, DETECTOR, COVERAGE, INSPECTOR, RUN_TASK})
#: Parameters and secrets are listed, which never tells their values; the parameters that are read are
#: public ones of AWS.
ACTIONS = (
    "cloudtrail:LookupEvents",
    "guardduty:GetDetector",
    "guardduty:ListCoverage",
    "guardduty:ListDetectors",
    "inspector2:BatchGetAccountStatus",
    "kms:DescribeKey",
    "kms:GetKeyRotationStatus",
    "secretsmanager:ListSecrets",
    "ssm:DescribeParameters",
    "ssm:GetParameters",
)
_KEY_FIELDS = ("Arn", "KeyState", "KeyManager")
_SECRET_FIELDS = ("ARN", "Name", "RotationEnabled", "RotationRules", "LastRotatedDate")
_EVENTS = ("RunTask", "StartTask")
#: Looking up events is slow (two calls a second, fifty events each): so many pages of each kind, no more.
_EVENT_PAGES = 20
_RELEASE = (
    "/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{architecture}/standard/recommended/"
    "release_version"
)
_PARAMETERS_LISTED, _PARAMETERS_READ = 50, 10


def documents(reading: Reading, named: Named) -> Iterator[Document]:
    """What does not depend on Region or part, and the keys and parameters of ``named``."""
    reading.begin(*INPUTS)
    yield from _keys(reading, named)
    yield from _secrets(reading)
    yield from _parameters(reading, named)
    yield from _guardduty(reading)
    if reading.wants(INSPECTOR):
        with reading.input(INSPECTOR):
            if answer := reading.call(INSPECTOR):
                yield {"accounts": answer["accounts"]}


def tasks_run(reading: Reading, named: Named, since: datetime, until: datetime) -> Iterator[Document]:
    """CloudTrail's records of tasks that were run with overrides, stripped to what a control looks at."""
    if not reading.wants(RUN_TASK):
        return
    for event in _EVENTS:
        with reading.input(RUN_TASK):
            pages = reading.pages(
                "cloudtrail:LookupEvents",
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": event}],
                StartTime=since,
                EndTime=until,
            )
            for page in islice(pages, _EVENT_PAGES):
                for item in page["Events"]:
                    if found := _run_task(item.get("CloudTrailEvent", ""), event):
                        role = found["requestParameters"]["overrides"].get("taskRoleArn")
                        named.roles |= {role} if role else set()
                        yield found
            if next(pages, None) is not None:
                reading.cut(RUN_TASK, f"only the newest {_EVENT_PAGES * 50} events were looked at")


def period(now: datetime) -> tuple[datetime, datetime]:
    """From when to when runs of tasks are looked up: a day, and as long as CloudTrail may be late."""
    return now - timedelta(days=1, minutes=15), now


def _run_task(record: str, event: str) -> Document | None:
    try:
        value = json.loads(record)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("errorCode"):
        return None
    request = value.get("requestParameters") or {}
    overrides = request.get("overrides")
    if not overrides:
        return None
    return {
        "eventName": event,
        "userIdentity": {"arn": (value.get("userIdentity") or {}).get("arn", "")},
        "requestParameters": {"taskDefinition": request.get("taskDefinition", ""), "overrides": overrides},
    }


def _keys(reading: Reading, named: Named) -> Iterator[Document]:
    for key in sorted(named.keys) if reading.wants(KEY) else ():
        with reading.input(KEY):
            answer = reading.call(KEY, ("NotFoundException",), KeyId=key)
            if answer is None:
                yield {"notFound": {"operation": KEY, "keyId": key}}
                continue
            (found,) = trimmed([answer["KeyMetadata"]], *_KEY_FIELDS)
            yield {"KeyMetadata": found}
            if reading.wants(ROTATION) and found.get("KeyManager") != "AWS":
                yield from _rotation(reading, found["Arn"])


def _rotation(reading: Reading, key: str) -> Iterator[Document]:
    with reading.input(ROTATION):
        # Keys that cannot rotate by themselves (imported, asymmetric, being deleted) have no answer.
        rotation = reading.call(
            ROTATION,
            ("UnsupportedOperationException", "KMSInvalidStateException", "NotFoundException"),
            KeyId=key,
        )
        if rotation:
            yield {"KeyRotationEnabled": rotation["KeyRotationEnabled"], "KeyId": key}


def _secrets(reading: Reading) -> Iterator[Document]:
    if reading.wants(SECRET):
        with reading.input(SECRET):
            for page in reading.pages("secretsmanager:ListSecrets", MaxResults=100):
                yield from trimmed(page["SecretList"], *_SECRET_FIELDS)


def _parameters(reading: Reading, named: Named) -> Iterator[Document]:
    if not reading.wants(PARAMETERS):
        return
    with reading.input(PARAMETERS):
        # The ARN of a parameter does not say whether its name begins with a slash.
        both = [form for name in sorted(named.parameters) for form in _forms(name)]
        for some in several(both, _PARAMETERS_LISTED):
            chosen = [{"Key": "Name", "Option": "Equals", "Values": some}]
            for page in reading.pages("ssm:DescribeParameters", ParameterFilters=chosen):
                yield {"Parameters": trimmed(page["Parameters"], "Name", "Type")}
        releases = [
            _RELEASE.format(version=version, architecture=architecture)
            for version, architecture in sorted(named.node_releases)
        ]
        for some in several(releases, _PARAMETERS_READ):
            if answer := reading.call(PARAMETERS, Names=some):
                yield {"Parameters": trimmed(answer["Parameters"], "Name", "Type", "Value")}


def _forms(name: str) -> list[str]:
    bare = name.lstrip("/")
    # A name with levels must begin with a slash, one without may.
    return [f"/{bare}"] if "/" in bare else [f"/{bare}", bare]


def _guardduty(reading: Reading) -> Iterator[Document]:
    if not reading.wants(DETECTOR, COVERAGE):
        return
    detectors: list[str] = []
    with reading.input(DETECTOR):
        for page in reading.pages("guardduty:ListDetectors"):
            detectors += page["DetectorIds"]
    for detector in detectors:
        with reading.input(DETECTOR):
            if answer := reading.call(DETECTOR, DetectorId=detector):
                yield {"Features": answer.get("Features", []), "Status": answer["Status"]}
        if reading.wants(COVERAGE):
            yield from _coverage(reading, detector)


def _coverage(reading: Reading, detector: str) -> Iterator[Document]:
    criteria = [
        {"CriterionKey": "RESOURCE_TYPE", "FilterCondition": {"Equals": ["EKS", "ECS"]}},
        {"CriterionKey": "COVERAGE_STATUS", "FilterCondition": {"Equals": ["UNHEALTHY"]}},
    ]
    with reading.input(COVERAGE):
        pages = reading.pages(COVERAGE, DetectorId=detector, FilterCriteria={"FilterCriterion": criteria})
        for page in pages:
            yield {"Resources": page["Resources"]}
