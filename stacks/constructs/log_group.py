"""Log groups, with the retention and the key that the configuration names."""

from __future__ import annotations

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.foundation import FoundationStack


def log_group(scope: Construct, foundation: FoundationStack, name: str) -> logs.LogGroup:
    """The log group ``name``. Logs go with their stack: evidence is in the table and the bucket."""
    group = logs.LogGroup(
        scope,
        "Logs",
        log_group_name=name,
        encryption_key=foundation.key,
        removal_policy=RemovalPolicy.DESTROY,
    )
    # The construct takes only names such as ONE_WEEK; the resource takes the number.
    resource = cast("logs.CfnLogGroup", group.node.default_child)
    resource.retention_in_days = foundation.settings.security.log_retention_days
    return group
