"""What the models of AWS resources share.

Fields have the names of the APIs. A type whose describe call does not tell everything has ``READS``: field →
the further read that fills it, one call per resource (``ecr:GetLifecyclePolicy``). Its ``unread`` says why
the answer of such a read is missing; a read that gave "there is none" is not, the field is then empty.
"""

from __future__ import annotations

import msgspec

Tags = dict[str, str]


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of what ECR, ECS and EKS answer: camel case, unknown fields left out."""


class Upper(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Base of what EC2, IAM, KMS and the other services with capitals answer."""


def short(arn: str) -> str:
    """The last part of an ARN: ``arn:aws:ecs:…:cluster/prod`` gives ``prod``."""
    return arn.rpartition("/")[2]


def family_of(task_definition: str) -> str:
    """``family`` of ``family``, ``family:revision`` or an ARN."""
    return short(task_definition).partition(":")[0]
