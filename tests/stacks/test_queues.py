from __future__ import annotations

import json

from hullwatch.aws.change_events import CALLS
from tests.stacks.assembly import Assembly, Resource


def test_every_dead_letter_queue_raises_the_alarm_at_one_message(assembly: Assembly) -> None:
    queues = {queue.name: queue for queue in assembly.resources("AWS::SQS::Queue")}
    dead = {name for name, queue in queues.items() if "RedrivePolicy" not in queue.properties}
    assert len(dead) == 6
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]: alarm.properties
        for alarm in assembly.resources("AWS::CloudWatch::Alarm")
        for dimension in alarm.properties.get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    }
    assert set(watched) == dead
    for properties in watched.values():
        assert properties["MetricName"] == "ApproximateNumberOfMessagesVisible"
        assert (properties["Threshold"], properties["EvaluationPeriods"]) == (1, 1)
        assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_queues_are_encrypted_and_refuse_plain_http(assembly: Assembly) -> None:
    policies = json.dumps([policy.properties for policy in assembly.resources("AWS::SQS::QueuePolicy")])
    for queue in assembly.resources("AWS::SQS::Queue"):
        assert queue.properties["SqsManagedSseEnabled"] is True
        assert f'"Queues": [{{"Ref": "{queue.name}"}}]' in policies
    assert policies.count('"aws:SecureTransport": "false"') == len(assembly.resources("AWS::SQS::Queue"))


def test_ecr_events_reach_the_intake_queue(assembly: Assembly) -> None:
    rules = [rule for rule in assembly.resources("AWS::Events::Rule") if rule.stack == "hullwatch-scan"]
    patterns = {rule.properties["EventPattern"]["detail-type"][0]: rule for rule in rules}
    assert set(patterns) == {
        "ECR Image Action",
        "ECR Pull Through Cache Action",
        "ECR Replication Action",
    }
    intake = work_queue(assembly, "hullwatch-scan")
    dead = intake.properties["RedrivePolicy"]["deadLetterTargetArn"]
    for rule in rules:
        assert rule.properties["EventPattern"]["source"] == ["aws.ecr"]
        # A push need not name a tag.
        assert "image-tag" not in rule.properties["EventPattern"]["detail"]
        (target,) = rule.properties["Targets"]
        assert target["Arn"] == {"Fn::GetAtt": [intake.name, "Arn"]}
        assert target["DeadLetterConfig"] == {"Arn": dead}
    detail = patterns["ECR Image Action"].properties["EventPattern"]["detail"]
    assert detail == {"action-type": ["PUSH", "DELETE", "UPDATE_STORAGE_CLASS"], "result": ["SUCCESS"]}


def test_a_message_is_not_seen_twice_while_it_is_worked_on(assembly: Assembly) -> None:
    for stack, function in (("hullwatch-scan", "intake"), ("hullwatch-posture", "take_changes")):
        timeout = assembly.function(function).properties["Timeout"]
        # Six times the function's timeout, as Lambda's guide for queues asks.
        assert work_queue(assembly, stack).properties["VisibilityTimeout"] >= 6 * timeout


def test_sources_report_what_failed_item_by_item(assembly: Assembly) -> None:
    mappings = assembly.resources("AWS::Lambda::EventSourceMapping")
    by_item = [mapping for mapping in mappings if mapping.stack != "hullwatch-posture"]
    assert len(by_item) == 2
    for mapping in by_item:
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    # Changes are gathered: one survey for a whole batch, or none.
    (changes,) = (mapping for mapping in mappings if mapping.stack == "hullwatch-posture")
    assert changes.properties["MaximumBatchingWindowInSeconds"] == 20
    assert changes.properties["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_changes_reach_the_queue_of_changes(assembly: Assembly) -> None:
    rules = [rule for rule in assembly.resources("AWS::Events::Rule") if rule.stack == "hullwatch-posture"]
    changes = work_queue(assembly, "hullwatch-posture")
    dead = changes.properties["RedrivePolicy"]["deadLetterTargetArn"]
    followed = {}
    for rule in rules:
        pattern = rule.properties["EventPattern"]
        (target,) = rule.properties["Targets"]
        assert target["Arn"] == {"Fn::GetAtt": [changes.name, "Arn"]}
        assert target["DeadLetterConfig"] == {"Arn": dead}
        if pattern["detail-type"] == ["AWS API Call via CloudTrail"]:
            assert pattern["detail"]["errorCode"] == [{"exists": False}]
            (source,) = pattern["detail"]["eventSource"]
            assert pattern["source"] == [f"aws.{source.partition('.')[0]}"]
            followed[source] = tuple(pattern["detail"]["eventName"])
    assert followed == CALLS
    assert len(rules) == len(CALLS) + 1


def work_queue(assembly: Assembly, stack: str) -> Resource:
    """The queue of a stack that has a dead-letter queue."""
    (found,) = (
        queue
        for queue in assembly.resources("AWS::SQS::Queue")
        if "RedrivePolicy" in queue.properties and queue.stack == stack
    )
    return found


def test_the_publisher_follows_only_what_is_to_be_sent(assembly: Assembly) -> None:
    (stream,) = (
        mapping.properties
        for mapping in assembly.resources("AWS::Lambda::EventSourceMapping")
        if "StartingPosition" in mapping.properties
    )
    (pattern,) = stream["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "dynamodb": {"NewImage": {"outbox": {"S": ["PENDING", "EVENT"]}}}
    }
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["MaximumRetryAttempts"] == 10
    assert "OnFailure" in stream["DestinationConfig"]
    # Two publishers at four calls a second stay below the ten that Security Hub allows.
    assert assembly.function("publish_findings").properties["ReservedConcurrentExecutions"] == 2


def test_pulls_of_ours_move_no_pull_time(assembly: Assembly) -> None:
    excluded = {
        exclusion.properties["PrincipalArn"]["Fn::GetAtt"][0]
        for exclusion in assembly.resources("AWS::ECR::PullTimeUpdateExclusion")
    }
    pulling = {
        function.properties["Role"]["Fn::GetAtt"][0]
        for function in assembly.resources("AWS::Lambda::Function")
        if any(
            action in json.dumps(list(assembly.statements(function.properties["Role"]["Fn::GetAtt"][0])))
            for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
        )
    }
    assert excluded == pulling
