"""Functions of the contract tests, deployed as inline code: standard library only, below 4 KB."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

seen = set()


class TransientError(Exception):
    pass


def call(service, target, body, path="/"):
    region = os.environ["AWS_REGION"]
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential=x/20260101/{region}/{service}/aws4_request",
        "Content-Type": "application/x-amz-json-1.0" if target else "application/json",
    }
    if target:
        headers["X-Amz-Target"] = target
    url = os.environ["AWS_ENDPOINT_URL"] + path
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def intake(event, context):
    failures = []
    for record in event["Records"]:
        detail = json.loads(record["body"])["detail"]
        if "poison" in detail.get("image-tag", ""):
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        body = {
            "stateMachineArn": os.environ["STATE_MACHINE"],
            "name": detail["image-digest"].removeprefix("sha256:"),
            "input": json.dumps(detail),
        }
        try:
            call("states", "AWSStepFunctions.StartExecution", body)
        except urllib.error.HTTPError as error:
            if "ExecutionAlreadyExists" not in error.read().decode():
                raise
    return {"batchItemFailures": failures}


def assess(event, context):
    if event.get("image-tag") == "flaky" and event["image-digest"] not in seen:
        seen.add(event["image-digest"])
        raise TransientError("once")
    item = {"pk": {"S": event["image-digest"]}, "state": {"S": "OPEN"}}
    return call("dynamodb", "DynamoDB_20120810.PutItem", {"TableName": os.environ["TABLE"], "Item": item})


def publish(event, context):
    findings = []
    for record in event["Records"]:
        digest = record["dynamodb"]["NewImage"]["pk"]["S"]
        account, region = os.environ["ACCOUNT"], os.environ["AWS_REGION"]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        findings.append(
            {
                "SchemaVersion": "2018-10-08",
                "Id": digest,
                "ProductArn": f"arn:aws:securityhub:{region}:{account}:product/{account}/default",
                "GeneratorId": "contract",
                "AwsAccountId": account,
                "CreatedAt": now,
                "UpdatedAt": now,
                "Title": "title",
                "Description": "description",
                "Resources": [{"Type": "Other", "Id": digest}],
                "FindingProviderFields": {"Severity": {"Label": "HIGH"}},
            }
        )
    return call("securityhub", None, {"Findings": findings}, "/findings/import")


def probe(event, context):
    print("probing", json.dumps(event), file=sys.stderr)
    match event.get("do"):
        case "raise":
            raise TransientError("as asked")
        case "sleep":
            time.sleep(event["seconds"])
        case "exit":
            os._exit(7)
        case "import":
            __import__(event["module"])
    return {
        "event": event,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "request": context.aws_request_id,
        "environment": dict(os.environ),
        "path": sys.path,
        "pid": os.getpid(),
    }
