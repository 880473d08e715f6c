from __future__ import annotations

import json
from typing import get_args

from hullwatch.findings.finding import FindingKind
from tests.stacks.assembly import Assembly, listed


def test_insights_show_active_findings_of_ours_only(assembly: Assembly) -> None:
    insights = assembly.resources("AWS::SecurityHub::Insight")
    assert len(insights) == 5
    for insight in insights:
        filters = insight.properties["Filters"]
        assert filters["RecordState"] == [{"Comparison": "EQUALS", "Value": "ACTIVE"}]
        assert filters["GeneratorId"][0]["Value"].startswith("hullwatch/")
        # Security Hub takes at most ten attributes.
        assert len(filters) <= 10
        assert insight.properties["Name"].startswith("hullwatch: ")


def test_unscannable_images_are_found_by_the_generator_that_reports_them(assembly: Assembly) -> None:
    assert "unscannable" in get_args(FindingKind)
    filters = {
        insight.properties["Filters"]["GeneratorId"][0]["Value"]
        for insight in assembly.resources("AWS::SecurityHub::Insight")
    }
    assert filters == {"hullwatch/", "hullwatch/unscannable-image"}


def test_what_still_waits_is_sent_every_quarter_of_an_hour(assembly: Assembly) -> None:
    (schedule,) = (
        schedule.properties
        for schedule in assembly.resources("AWS::Scheduler::Schedule")
        if schedule.stack.endswith("-findings")
    )
    assert schedule["ScheduleExpression"] == "rate(15 minutes)"
    assert schedule["Target"]["Arn"] == {"Fn::GetAtt": [assembly.function("publish_findings").name, "Arn"]}
    queries = [
        json.dumps(statement)
        for statement in assembly.allowed("publish_findings")
        if listed(statement["Action"]) == ["dynamodb:Query"]
    ]
    assert len(queries) == 1
    assert "/index/scans" in queries[0]
    assert '"dynamodb:LeadingKeys": ["OUTBOX#*"]' in queries[0]


def test_the_hub_is_managed_only_when_asked(assembly: Assembly, strict: Assembly) -> None:
    assert not assembly.resources("AWS::SecurityHub::Hub")
    (hub,) = strict.resources("AWS::SecurityHub::Hub")
    for insight in strict.resources("AWS::SecurityHub::Insight"):
        assert hub.name in json.dumps(insight.attributes["DependsOn"])
