"""A small template by hand: a push runs through every kind of resource that hullwatch's stacks use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CODE = (Path(__file__).parent / "handlers.py").read_text()


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def arn(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def function(handler: str, *, timeout: int = 10, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": handler,
            "Code": {"ZipFile": CODE},
            "Handler": f"index.{handler}",
            "Runtime": "python3.14",
            "Role": arn("Role"),
            "Timeout": timeout,
            **properties,
        },
    }


def queue(dead_letters: str | None = None, receives: int = 3) -> dict[str, Any]:
    properties: dict[str, Any] = {"VisibilityTimeout": 60}
    if dead_letters:
        properties["RedrivePolicy"] = {"deadLetterTargetArn": arn(dead_letters), "maxReceiveCount": receives}
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def variables(**values: Any) -> dict[str, Any]:
    return {"Variables": values}


ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


def template(resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
    """The template's text. Every function and state machine has the role ``Role``."""
    resources = {"Role": ROLE, **resources}
    shown = {name: {"Value": value} for name, value in (outputs or {}).items()}
    return json.dumps({"Resources": resources, "Outputs": shown} if shown else {"Resources": resources})


PIPELINE = template(
    {
        "Dead": queue(),
        "Intake": queue("Dead", receives=2),
        "Pushes": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.ecr"],
                    "detail-type": ["ECR Image Action"],
                    "detail": {"action-type": ["PUSH"], "result": ["SUCCESS"]},
                },
                "Targets": [{"Id": "intake", "Arn": arn("Intake")}],
            },
        },
        "IntakeFunction": function("intake", Environment=variables(STATE_MACHINE=ref("Scan"))),
        "IntakeMapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": arn("Intake"),
                "FunctionName": ref("IntakeFunction"),
                "BatchSize": 5,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
        "Scan": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": arn("Role"),
                "DefinitionString": {
                    "Fn::Sub": json.dumps(
                        {
                            "StartAt": "Assess",
                            "States": {
                                "Assess": {
                                    "Type": "Task",
                                    "Resource": "arn:aws:states:::lambda:invoke",
                                    "Parameters": {
                                        "FunctionName": "${AssessFunction.Arn}",
                                        "Payload.$": "$",
                                    },
                                    "Retry": [{"ErrorEquals": ["TransientError"], "IntervalSeconds": 2}],
                                    "End": True,
                                }
                            },
                        }
                    )
                },
            },
        },
        "AssessFunction": function("assess", Environment=variables(TABLE=ref("Table"))),
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            },
        },
        "PublishFunction": function("publish", Environment=variables(ACCOUNT=ref("AWS::AccountId"))),
        "PublishMapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
                "FunctionName": arn("PublishFunction"),
                "StartingPosition": "TRIM_HORIZON",
                "FilterCriteria": {
                    "Filters": [
                        {"Pattern": json.dumps({"dynamodb": {"NewImage": {"state": {"S": ["OPEN"]}}}})}
                    ]
                },
            },
        },
        "Hub": {"Type": "AWS::SecurityHub::Hub"},
    },
    {"Dead": ref("Dead"), "Scan": ref("Scan"), "Table": ref("Table"), "Intake": ref("Intake")},
)
