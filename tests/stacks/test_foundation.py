from __future__ import annotations

import json

from tests.stacks.assembly import Assembly


def test_table(assembly: Assembly) -> None:
    (table,) = assembly.resources("AWS::DynamoDB::Table")
    properties = table.properties
    assert properties["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in properties["GlobalSecondaryIndexes"]
    } == {"scans": ["g1pk", "g1sk"], "board": ["g3pk", "g3sk"]}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEEnabled"] is True


def test_evidence_is_private_encrypted_and_versioned(assembly: Assembly) -> None:
    (bucket,) = assembly.resources("AWS::S3::Bucket")
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in bucket.properties
    # What is current is never removed by age, but for the answers to questions.
    for rule in bucket.properties["LifecycleConfiguration"]["Rules"]:
        assert rule["Status"] == "Enabled"
        assert ("ExpirationInDays" in rule) == (rule.get("Prefix") == "answers/")
    (policy,) = assembly.resources("AWS::S3::BucketPolicy")
    text = json.dumps(policy.properties)
    assert '"aws:SecureTransport": "false"' in text
    assert "s3:TlsVersion" in text


def test_data_outlives_its_stack_unless_told_otherwise(assembly: Assembly, strict: Assembly) -> None:
    for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
        (kept,), (removed,) = assembly.resources(kind), strict.resources(kind)
        assert (kept.attributes["DeletionPolicy"], removed.attributes["DeletionPolicy"]) == (
            "Retain",
            "Delete",
        )
    (kept,), (removed,) = (found.resources("AWS::DynamoDB::Table")[0:1] for found in (assembly, strict))
    assert kept.properties["DeletionProtectionEnabled"] is True
    assert removed.properties["DeletionProtectionEnabled"] is False


def test_names_begin_with_the_prefix(assembly: Assembly, strict: Assembly) -> None:
    for found, prefix in ((assembly, "hullwatch"), (strict, "acme-scan")):
        assert set(found.templates) == {
            f"{prefix}-{stack}"
            for stack in ("foundation", "scan", "advisories", "posture", "findings", "questions")
        }
        (bus,) = found.resources("AWS::Events::EventBus")
        assert bus.properties["Name"] == prefix
        for kind, key in (
            ("AWS::Lambda::Function", "FunctionName"),
            ("AWS::StepFunctions::StateMachine", "StateMachineName"),
        ):
            names = [resource.properties[key] for resource in found.resources(kind)]
            assert names
            assert all(name.startswith(f"{prefix}-") for name in names)


def test_a_customer_key_encrypts_everything_at_rest(assembly: Assembly, strict: Assembly) -> None:
    assert not assembly.resources("AWS::KMS::Key")
    (key,) = strict.resources("AWS::KMS::Key")
    assert key.properties["EnableKeyRotation"] is True
    uses = {
        "AWS::DynamoDB::Table": "SSESpecification",
        "AWS::S3::Bucket": "BucketEncryption",
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
        "AWS::Logs::LogGroup": "KmsKeyId",
    }
    for kind, name in uses.items():
        resources = strict.resources(kind)
        assert resources
        assert all(key.name in json.dumps(resource.properties[name]) for resource in resources), kind
    services = {
        json.dumps(statement["Principal"]["Service"])
        for statement in key.properties["KeyPolicy"]["Statement"]
        if "Service" in statement["Principal"]
    }
    # Whoever writes without a role of ours has the key's own permission.
    for service in ("events.amazonaws.com", "cloudwatch.amazonaws.com", "logs."):
        assert any(service in found for found in services), service


def test_alarms_reach_the_topic_and_its_subscriber(strict: Assembly) -> None:
    (topic,) = strict.resources("AWS::SNS::Topic")
    alarms = strict.resources("AWS::CloudWatch::Alarm")
    assert alarms
    assert all(topic.name in json.dumps(alarm.properties["AlarmActions"]) for alarm in alarms)
    (subscription,) = strict.resources("AWS::SNS::Subscription")
    assert subscription.properties["Endpoint"] == "security@example.com"
