"""Accepting a cdk-nag finding, on the smallest construct that it is about, with the reason."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one rule for one construct.

    ``rule`` is the id that cdk-nag prints, without its pack: ``AwsSolutions-IAM5[Resource::*]``. An id that
    matches nothing changes nothing, so a finding that appears later is not hidden by it.
    """
    pack = rule.partition("-")[0]
    Validations.of(construct).acknowledge(Acknowledgment(id=f"{pack}::{rule}", reason=reason))
