"""Permissions on the shared table and bucket, by the items and keys that a function works on."""

from __future__ import annotations

from collections.abc import Sequence

from stacks.constructs.acknowledgements import acknowledge
from stacks.constructs.function import Function
from stacks.foundation import FoundationStack

_READ_ITEMS = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"]
_WRITE_ITEMS = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"]


def allow_items(
    function: Function, foundation: FoundationStack, *, read: Sequence[str] = (), write: Sequence[str] = ()
) -> None:
    """Let a function read, or read and write, the items whose partition key begins with one of these words.

    ``dynamodb:LeadingKeys`` is compared with every partition key of a request, so a batch with one foreign
    item is refused whole.
    """
    for words, actions in ((read, _READ_ITEMS), (write, _READ_ITEMS + _WRITE_ITEMS)):
        if words:
            function.allow(actions, [foundation.table.table_arn], _keys(words))


def allow_index(function: Function, foundation: FoundationStack, index: str, words: Sequence[str]) -> None:
    """Let a function query a secondary index, where its partition key begins with one of these words."""
    function.allow(["dynamodb:Query"], [f"{foundation.table.table_arn}/index/{index}"], _keys(words))


def _keys(words: Sequence[str]) -> dict[str, dict[str, object]]:
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{word}*" for word in words]},
        # A request without keys would pass the first condition.
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def allow_evidence(
    function: Function, foundation: FoundationStack, *, read: Sequence[str] = (), write: Sequence[str] = ()
) -> None:
    """Let a function read or write objects below these prefixes of the evidence bucket."""
    bucket = foundation.evidence
    for prefixes, actions in ((read, ["s3:GetObject"]), (write, ["s3:PutObject", "s3:AbortMultipartUpload"])):
        for prefix in prefixes:
            function.allow(actions, [bucket.arn_for_objects(f"{prefix}/*")])
            acknowledge(
                function.role,
                f"AwsSolutions-IAM5[Resource::{foundation.evidence_export}/{prefix}/*]",
                f"One object per digest below {prefix}/; the function works on any of them.",
            )
    if read:
        # Without it, S3 answers 403 instead of 404 for a key that does not exist.
        function.allow(["s3:ListBucket"], [bucket.bucket_arn])


def allow_images(function: Function, foundation: FoundationStack, actions: Sequence[str]) -> None:
    """Let a function read images in the repositories that the configuration includes."""
    for pattern in foundation.settings.repositories():
        resource = foundation.format_arn(service="ecr", resource="repository", resource_name=pattern)
        function.allow([f"ecr:{action}" for action in actions], [resource])
        if "*" in pattern:
            acknowledge(
                function.role,
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ecr:<AWS::Region>:<AWS::AccountId>:"
                f"repository/{pattern}]",
                "Repositories come and go; the configuration's patterns say which are scanned.",
            )
