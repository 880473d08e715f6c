"""Deployment: nothing a template declares is silently missing, and stacks see each other's exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contract.template import arn, function, queue, ref, template
from local_aws.cloud import LocalCloud
from local_aws.resources import INERT, UnsupportedResource


def test_a_resource_type_that_nobody_knows_fails_the_deployment(cloud: LocalCloud) -> None:
    with pytest.raises(UnsupportedResource, match="AWS::Neptune::DBCluster"):
        cloud.create_stack("unknown", template({"Graph": {"Type": "AWS::Neptune::DBCluster"}}))


def test_inert_resources_are_recorded(cloud: LocalCloud) -> None:
    resources: dict[str, Any] = {
        f"R{number}": {"Type": kind, "Properties": {"Mark": number}}
        for number, kind in enumerate(sorted(INERT))
    }

    cloud.create_stack("inert", template(resources, {"Arn": arn("R1")}))

    assert {(kind, properties["Mark"]) for kind, _, properties in cloud.resources.inert} == {
        (kind, number) for number, kind in enumerate(sorted(INERT))
    }


def test_an_insight_is_known_to_the_hub(cloud: LocalCloud) -> None:
    insight = {
        "Type": "AWS::SecurityHub::Insight",
        "Properties": {
            "Name": "critical",
            "GroupByAttribute": "ResourceId",
            "Filters": {"SeverityLabel": [{"Comparison": "EQUALS", "Value": "CRITICAL"}]},
        },
    }
    outputs = cloud.create_stack(
        "insights",
        template({"Hub": {"Type": "AWS::SecurityHub::Hub"}, "Insight": insight}, {"Insight": arn("Insight")}),
    )

    (found,) = cloud.client("securityhub").get_insights()["Insights"]
    assert (found["InsightArn"], found["Name"]) == (outputs["Insight"], "critical")


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """What ``cdk synth`` writes, by hand: two stacks, the first listed depending on the second."""
    code = tmp_path / "asset.code"
    code.mkdir()
    (code / "handler.py").write_text(
        "import os, lib\n"
        "def handler(event, context):\n"
        "    return {'queue': os.environ['QUEUE'], 'lib': lib.NAME}\n"
    )
    layer = tmp_path / "asset.layer" / "python"
    layer.mkdir(parents=True)
    (layer / "lib.py").write_text("NAME = 'from the layer'\n")
    bucket = "cdk-assets-${AWS::AccountId}-${AWS::Region}"

    def asset(path: str) -> dict[str, Any]:
        destination = {"bucketName": bucket, "objectKey": f"{path}.zip"}
        return {"source": {"path": path, "packaging": "zip"}, "destinations": {"here": destination}}

    files = {"code": asset("asset.code"), "layer": asset("asset.layer")}
    (tmp_path / "app.assets.json").write_text(json.dumps({"files": files}))

    def content(key: str) -> dict[str, Any]:
        return {"S3Bucket": {"Fn::Sub": bucket}, "S3Key": key}

    app = {
        "Layer": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": content("asset.layer.zip")}},
        "Function": function(
            "app",
            Code=content("asset.code.zip"),
            Handler="handler.handler",
            Layers=[ref("Layer")],
            Architectures=["arm64"],
            Environment={"Variables": {"QUEUE": {"Fn::ImportValue": "queue-name"}}},
        ),
    }
    (tmp_path / "app.template.json").write_text(template(app))
    base = json.loads(template({"Queue": queue()}, {"Name": {"Fn::GetAtt": ["Queue", "QueueName"]}}))
    base["Outputs"]["Name"]["Export"] = {"Name": "queue-name"}
    base["Parameters"] = {
        "BootstrapVersion": {
            "Type": "AWS::SSM::Parameter::Value<String>",
            "Default": "/cdk-bootstrap/hnb659fds/version",
        }
    }
    (tmp_path / "base.template.json").write_text(json.dumps(base))
    artifacts = {
        "app.assets": {"type": "cdk:asset-manifest", "properties": {"file": "app.assets.json"}},
        "app": {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": "app.template.json"},
            "dependencies": ["base", "app.assets"],
        },
        "base": {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": "base.template.json", "stackName": "the-base"},
        },
        "tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return tmp_path


def test_an_assembly_is_deployed_in_order_with_its_assets(cloud: LocalCloud, assembly: Path) -> None:
    outputs = cloud.deploy(assembly)

    assert list(outputs) == ["the-base", "app"]
    answer = json.load(cloud.client("lambda").invoke(FunctionName="app")["Payload"])
    assert answer == {"queue": outputs["the-base"]["Name"], "lib": "from the layer"}
    configuration = cloud.client("lambda").get_function_configuration(FunctionName="app")
    assert configuration["Architectures"] == ["arm64"]


def test_deploying_again_updates(cloud: LocalCloud, assembly: Path) -> None:
    cloud.deploy(assembly)
    assert json.load(cloud.client("lambda").invoke(FunctionName="app")["Payload"])["lib"] == "from the layer"
    app = json.loads((assembly / "app.template.json").read_text())
    app["Resources"]["Function"]["Properties"]["Environment"]["Variables"]["QUEUE"] = "changed"
    (assembly / "app.template.json").write_text(json.dumps(app))

    cloud.deploy(assembly)

    assert json.load(cloud.client("lambda").invoke(FunctionName="app")["Payload"])["queue"] == "changed"
