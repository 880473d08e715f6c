"""CloudWatch Logs: the log groups that containers and clusters write to, and who reads the audit logs."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading, trimmed

GROUPS = "logs:DescribeLogGroups"
_FILTERS = {
    "logs:DescribeSubscriptionFilters": "subscriptionFilters",
    "logs:DescribeMetricFilters": "metricFilters",
}
INPUTS = frozenset({GROUPS, *_FILTERS})
ACTIONS = tuple(sorted(INPUTS))
_FIELDS = ("logGroupName", "retentionInDays", "kmsKeyId")


def documents(reading: Reading, named: Named) -> Iterator[Document]:
    """The groups of ``named``, one call for each: an account may have a hundred thousand others."""
    reading.begin(*INPUTS)
    for group in sorted(named.log_groups) if reading.wants(GROUPS) else ():
        found: list[Document] = []
        with reading.input(GROUPS):
            # Sorted by name, so the group itself comes before what only begins like it.
            answer = reading.call(GROUPS, logGroupNamePrefix=group, limit=1) or {}
            found = [item for item in answer.get("logGroups", ()) if item.get("logGroupName") == group]
            yield {"logGroups": trimmed(found, *_FIELDS)}
        if found and group in named.audit_log_groups:
            yield from _readers(reading, group)


def _readers(reading: Reading, group: str) -> Iterator[Document]:
    """Both kinds of filter or nothing: one of them alone does not say that nobody reads the group."""
    documents = []
    for action, key in _FILTERS.items():
        if not reading.wants(action):
            return
        with reading.input(action):
            pages = reading.pages(action, ("ResourceNotFoundException",), logGroupName=group)
            found = [item for page in pages for item in trimmed(page[key], "filterName")]
            named = [{**item, "logGroupName": group} for item in found]
            documents.append({key: named, "logGroupName": group})
    if len(documents) == len(_FILTERS):
        yield from documents
