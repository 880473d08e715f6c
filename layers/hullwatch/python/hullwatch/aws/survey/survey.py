"""One survey of an account and Region: the documents that a snapshot is built from, and what runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

from hullwatch.aws.survey import account as whole_account
from hullwatch.aws.survey import ec2, ecr, ecs, eks, functions, iam, logs
from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading
from hullwatch.aws.survey.running import EcsRunning
from hullwatch.aws.survey.task_definitions import Nothing, TaskDefinitions
from hullwatch.images.reference import parse_ecr_host
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.model.running import Running
from hullwatch.posture.model.snapshot import InputState
from hullwatch.posture.parts import Part, kind_of

#: Every input that a survey can read.
READABLE: frozenset[str] = frozenset().union(
    *(module.INPUTS for module in (whole_account, ec2, ecr, ecs, eks, functions, iam, logs))
)

#: Inputs that no control needs by name and that make verdicts finer, by the input they go with.
GOES_WITH: dict[str, tuple[str, ...]] = {
    "ecr:DescribeRepositories": (
        "ecr:GetSigningConfiguration",
        "ecr:BatchGetRepositoryScanningConfiguration",
        "kms:DescribeKey",
    ),
    "ecr:GetRegistryScanningConfiguration": ("inspector2:BatchGetAccountStatus",),
    "ecs:DescribeTaskDefinition": ("ecs:ListAccountSettings",),
    "ecs:DescribeContainerInstances": ("ec2:DescribeImages",),
    "eks:DescribeNodegroup": (
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeImages",
        "ssm:GetParameters",
    ),
    "guardduty:GetDetector": ("guardduty:ListCoverage",),
    # The roles and secrets in use are those that task definitions and pods name.
    "iam:GetAccountAuthorizationDetails": (
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeServices",
        "eks:DescribePodIdentityAssociation",
    ),
    "kms:DescribeKey": ("kms:GetKeyRotationStatus",),
    "lambda:GetFunction": ("lambda:ListFunctionUrlConfigs",),
    "logs:DescribeLogGroups": ("logs:DescribeSubscriptionFilters", "logs:DescribeMetricFilters"),
    "pods": ("eks:DescribeFargateProfile",),
    "secretsmanager:DescribeSecret": ("ecs:DescribeTaskDefinition",),
    "services": ("elasticloadbalancing:DescribeLoadBalancers", "ec2:DescribeSecurityGroups"),
    "sts:GetCallerIdentity": ("ecs:DescribeClusters", "ecs:DescribeServices"),
}

#: IAM actions that reading a part takes, by what is read. ``sts:GetCallerIdentity`` needs no permission.
PERMISSIONS: dict[str, tuple[str, ...]] = {
    "account": whole_account.ACTIONS,
    "ec2": ec2.ACTIONS,
    "ecr": ecr.ACTIONS,
    "ecs": ecs.ACTIONS,
    "eks": eks.ACTIONS,
    "functions": functions.ACTIONS,
    "iam": iam.ACTIONS,
    "logs": logs.ACTIONS,
}


def with_companions(wanted: Collection[str], part: Part | None = None) -> frozenset[str]:
    """The inputs and all that go with them, without what another part than ``part`` reads."""
    found = set(wanted)
    ahead = list(wanted)
    while ahead:
        news = {name for name in GOES_WITH.get(ahead.pop(), ()) if _within(name, part)} - found
        found |= news
        ahead += news
    return frozenset(found)


def _within(name: str, part: Part | None) -> bool:
    # What belongs to the account is read for the sake of any part.
    return part is None or part.kind == "account" or kind_of(name) in ("account", part.kind)


class AccountSurvey:
    """Reads the inputs ``wanted`` of one account and Region, once.

    Args:
        client: makes a client of that Region by boto3's service name; retrying is its business.
        wanted: inputs as :func:`hullwatch.posture.engine.inputs` names them; those that AWS does not answer
            (Kubernetes resources, images) are left to others. ``lambda:GetFunction`` asks for functions.
        account, region: whose registry it is.
        now: the time of the survey.
        part: reads of ECR, ECS and EKS only what this names. Its inputs are then said to be read when the
            part was. A part other than the registry and the account reads the repositories that its
            workloads use.
        kept: task definitions read before.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        wanted: frozenset[str],
        *,
        account: str,
        region: str,
        now: datetime,
        part: Part | None = None,
        kept: TaskDefinitions | None = None,
    ) -> None:
        self._reading = Reading(client, with_companions(wanted, part))
        self._named = Named()
        self._account = account
        self._region = region
        self._now = now
        self._part = part
        self._kept = Nothing() if kept is None else kept
        self._ecs = EcsRunning()

    @property
    def inputs(self) -> dict[str, InputState]:
        """How each input was read: filled while :meth:`documents` goes on, and always the same object."""
        return self._reading.inputs

    def documents(self) -> Iterator[Document]:
        """Every answer as JSON has it, page by page; never raises for what AWS says."""
        reading, named, part = self._reading, self._named, self._part
        # What a later answer is asked for by, an earlier one names.
        if reading.wants(*ecs.INPUTS):
            own = part if part and part.kind == "ecs" else Part(kind="ecs")
            yield from ecs.documents(reading, named, self._kept, self._ecs, own)
        if reading.wants(*eks.INPUTS):
            yield from eks.documents(reading, named, part.cluster if part and part.kind == "cluster" else "")
        if reading.wants(*ecr.INPUTS):
            yield from ecr.documents(reading, named, self._account, self._repositories())
        yield from whole_account.tasks_run(reading, named, *whole_account.period(self._now))
        yield from whole_account.documents(reading, named)
        yield from ec2.documents(reading, named)
        yield from iam.documents(reading, named)
        yield from logs.documents(reading, named)

    def uses(self, image: str, digest: str = "") -> None:
        """Say, before :meth:`documents`, that a workload of elsewhere has an image, and which one it runs."""
        self._named.images.add(image)
        self._named.digests |= {digest} - {""}

    def _repositories(self) -> set[str] | None:
        """The repositories to read; ``None`` for all."""
        part = self._part
        if part is None or part.kind in ("account", "ecr"):
            return {part.name} if part and part.name else None
        found: set[str] = set()
        for reference in map(parse_reference, self._named.images):
            ecr_host = parse_ecr_host(reference.host)
            if ecr_host and (ecr_host.account, ecr_host.region) == (self._account, self._region):
                found.add(reference.repository)
        return found

    def running(self) -> Iterator[Running]:
        """What runs: of ECS once :meth:`documents` is through, and functions when they are wanted."""
        public = ec2.public_target_groups(self._reading, self._named.target_groups)
        yield from self._ecs.records(public)
        yield from functions.running(self._reading)
