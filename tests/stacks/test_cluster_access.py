from __future__ import annotations

from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from stacks.constructs.cluster_access import ClusterAccess


def test_each_cluster_gets_one_entry_with_our_group_and_no_policy() -> None:
    stack = Stack(App(), "stack")
    role = iam.Role(stack, "Survey", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    ClusterAccess(stack, "Clusters", role=role, clusters=["shop", "back-office_2"])
    template = Template.from_stack(stack)
    entries = [entry["Properties"] for entry in template.find_resources("AWS::EKS::AccessEntry").values()]
    role_arn = {"Fn::GetAtt": [stack.get_logical_id(role.node.default_child), "Arn"]}
    assert sorted(entries, key=lambda entry: entry["ClusterName"]) == [
        {
            "ClusterName": name,
            "KubernetesGroups": ["hullwatch:readers"],
            "PrincipalArn": role_arn,
            "Type": "STANDARD",
        }
        for name in ("back-office_2", "shop")
    ]
