"""The survey against answers that botocore's models accept: what is read, and what a refusal costs."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from hullwatch.aws.evidence import Evidence
from hullwatch.aws.survey.survey import GOES_WITH, PERMISSIONS, READABLE, AccountSurvey
from hullwatch.aws.survey.task_definitions import StoredTaskDefinitions
from hullwatch.posture.engine import inputs as inputs_of
from hullwatch.posture.model import account as accounts
from hullwatch.posture.model import ec2, ecr, ecs, eks
from hullwatch.posture.model.running import Running
from hullwatch.posture.model.snapshot import Scope, Snapshot
from hullwatch.posture.parts import Part
from hullwatch.posture.readers.snapshot import build
from hullwatch.posture.standards import controls_of
from tests.fakes.recorded_account import Answer, RecordedAccount, refusal

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "eu-central-1"
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
EKS = f"arn:aws:eks:{REGION}:{ACCOUNT}"
IAM = f"arn:aws:iam::{ACCOUNT}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1111"
BALANCING = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
DIGEST, OTHER_DIGEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64
CLUSTER, SERVICE = f"{ECS}:cluster/prod", f"{ECS}:service/prod/web"
#: Everything the controls want of AWS, and functions.
EVERYTHING = frozenset(
    {name for name in inputs_of(controls_of()) if ":" in name} | {"lambda:GetFunction", "pods", "services"}
)


def revision(family: str, number: int) -> str:
    return f"{ECS}:task-definition/{family}:{number}"


def definition(taskDefinition: str, include: list[str]) -> dict[str, Any]:
    family, _, number = taskDefinition.rpartition("/")[2].partition(":")
    return {
        "taskDefinition": {
            "taskDefinitionArn": taskDefinition,
            "family": family,
            "revision": int(number),
            "taskRoleArn": f"{IAM}:role/{family}",
            "registeredAt": NOW,
            "containerDefinitions": [
                {
                    "name": "main",
                    "image": f"{REGISTRY}/shop:1",
                    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/shop"}},
                    "secrets": [
                        {"name": "A", "valueFrom": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/shop/token"},
                        {"name": "B", "valueFrom": "plain"},
                    ],
                }
            ],
        },
        "tags": [{"key": "team", "value": "shop"}],
    }


def service(name: str, **more: Any) -> dict[str, Any]:
    return {
        "serviceName": name,
        "serviceArn": f"{ECS}:service/prod/{name}",
        "clusterArn": CLUSTER,
        "status": "ACTIVE",
        "taskDefinition": revision(name, 2),
        "events": [{"id": "1", "message": "steady"}],
        "createdAt": NOW,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "ENABLED",
            }
        },
        "loadBalancers": [{"targetGroupArn": f"{BALANCING}:targetgroup/web/1", "containerPort": 80}],
        "taskSets": [{"id": "ecs-svc/1", "serviceArn": f"{ECS}:service/prod/{name}"}],
        **more,
    }


def task(name: str, family: str = "web", number: int = 1, group: str = "service:web") -> dict[str, Any]:
    return {
        "taskArn": f"{ECS}:task/prod/{name}",
        "clusterArn": CLUSTER,
        "taskDefinitionArn": revision(family, number),
        "group": group,
        "containers": [{"name": "main", "image": f"{REGISTRY}/shop:1", "imageDigest": DIGEST}],
    }


ROLE = {
    "RoleName": "web",
    "Arn": f"{IAM}:role/web",
    "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D",
    "AttachedManagedPolicies": [{"PolicyName": "read", "PolicyArn": f"{IAM}:policy/read"}],
    "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D"}],
}
IRSA_ROLE = {
    "RoleName": "irsa",
    "Arn": f"{IAM}:role/irsa",
    "AssumeRolePolicyDocument": '{"Statement":[{"Principal":{"Federated":"x/oidc.eks.y"}}]}',
    "AttachedManagedPolicies": [{"PolicyName": "read", "PolicyArn": f"{IAM}:policy/read"}],
}
IDLE_ROLE = {**ROLE, "RoleName": "idle", "Arn": f"{IAM}:role/idle"}


def policy(name: str) -> dict[str, Any]:
    return {
        "PolicyName": name,
        "Arn": f"{IAM}:policy/{name}",
        "PolicyVersionList": [
            {"VersionId": "v1", "IsDefaultVersion": False, "Document": '{"Statement":[{"Effect":"Allow"}]}'},
            {"VersionId": "v2", "IsDefaultVersion": True, "Document": '{"Statement":[]}'},
        ],
    }


def authorization_details(Filter: list[str], **_: Any) -> dict[str, Any]:
    if Filter == ["Role"]:
        return {"RoleDetailList": [ROLE, IRSA_ROLE, IDLE_ROLE], "IsTruncated": False}
    return {"Policies": [policy("read"), policy("unused")], "IsTruncated": False}


def run_task(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    record = {
        "eventName": "RunTask",
        "userIdentity": {"arn": f"{IAM}:user/{name}"},
        "requestParameters": {"taskDefinition": "web:2", "overrides": overrides, "launchType": "FARGATE"},
    }
    return {"EventId": name, "CloudTrailEvent": json.dumps(record)}


ANSWERS: dict[str, Answer] = {
    "ecs:ListClusters": {"clusterArns": [CLUSTER]},
    "ecs:DescribeClusters": {"clusters": [{"clusterName": "prod", "clusterArn": CLUSTER}], "failures": []},
    "ecs:ListServices": {"serviceArns": [SERVICE]},
    "ecs:DescribeServices": {"services": [service("web")], "failures": []},
    "ecs:ListTasks": {"taskArns": [f"{ECS}:task/prod/1", f"{ECS}:task/prod/2"]},
    "ecs:DescribeTasks": {"tasks": [task("1"), task("2")], "failures": []},
    "ecs:ListContainerInstances": {"containerInstanceArns": [f"{ECS}:container-instance/prod/1"]},
    "ecs:DescribeContainerInstances": {
        "containerInstances": [
            {
                "containerInstanceArn": f"{ECS}:container-instance/prod/1",
                "ec2InstanceId": "i-1",
                "attributes": [{"name": "ecs.ami-id", "value": "ami-ecs"}],
            }
        ]
    },
    "ecs:ListTaskDefinitions": {
        "taskDefinitionArns": [revision("web", 3), revision("web", 2), revision("batch", 7)]
    },
    "ecs:DescribeTaskDefinition": definition,
    "ecs:ListAccountSettings": {"settings": [{"name": "defaultLogDriverMode", "value": "blocking"}]},
    "ecs:DescribeCapacityProviders": [
        {"capacityProviders": [{"name": "FARGATE"}]},
        {"capacityProviders": [{"name": "own"}]},
    ],
    "ecr:DescribeRepositories": {
        "repositories": [
            {
                "repositoryName": "shop",
                "registryId": ACCOUNT,
                "createdAt": NOW,
                "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": KEY},
            }
        ]
    },
    "ecr:GetRepositoryPolicy": {"repositoryName": "shop", "policyText": '{"Statement": []}'},
    "ecr:GetLifecyclePolicy": {
        "repositoryName": "shop",
        "lifecyclePolicyText": json.dumps({"rules": [{"description": "x" * 100}]}),
    },
    "ecr:GetRegistryPolicy": {"registryId": ACCOUNT, "policyText": '{"Statement": []}'},
    "ecr:GetRegistryScanningConfiguration": {
        "registryId": ACCOUNT,
        "scanningConfiguration": {"scanType": "ENHANCED", "rules": []},
    },
    "ecr:GetSigningConfiguration": {"registryId": ACCOUNT, "signingConfiguration": {"rules": []}},
    "ecr:BatchGetRepositoryScanningConfiguration": {
        "scanningConfigurations": [{"repositoryName": "shop", "scanFrequency": "CONTINUOUS_SCAN"}]
    },
    "ecr:DescribeImages": {
        "imageDetails": [
            {"repositoryName": "shop", "imageDigest": digest, "imagePushedAt": NOW}
            for digest in (DIGEST, OTHER_DIGEST)
        ]
    },
    "ecr:DescribeImageSigningStatus": {
        "repositoryName": "shop",
        "imageId": {"imageDigest": DIGEST},
        "signingStatuses": [
            {"signingProfileArn": f"arn:aws:signer:{REGION}:{ACCOUNT}:/p/x", "status": "COMPLETE"}
        ],
    },
    "eks:ListClusters": {"clusters": ["main"]},
    "eks:DescribeCluster": {
        "cluster": {
            "name": "main",
            "arn": f"{EKS}:cluster/main",
            "createdAt": NOW,
            "resourcesVpcConfig": {"vpcId": "vpc-1", "clusterSecurityGroupId": "sg-2"},
            "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": KEY}}],
        }
    },
    "eks:DescribeClusterVersions": [
        {"clusterVersions": [{"clusterVersion": "1.33", "endOfStandardSupportDate": NOW}]},
        {"clusterVersions": [{"clusterVersion": "1.34", "endOfStandardSupportDate": NOW}]},
    ],
    "eks:ListNodegroups": {"nodegroups": ["nodes"]},
    "eks:DescribeNodegroup": {
        "nodegroup": {
            "nodegroupName": "nodes",
            "clusterName": "main",
            "version": "1.34",
            "amiType": "AL2023_ARM_64_STANDARD",
            "nodeRole": f"{IAM}:role/nodes",
            "launchTemplate": {"id": "lt-1", "version": "4"},
        }
    },
    "eks:ListAddons": {"addons": ["vpc-cni"]},
    "eks:DescribeAddon": {"addon": {"addonName": "vpc-cni", "clusterName": "main"}},
    "eks:DescribeAddonVersions": [
        {"addons": [{"addonName": "vpc-cni", "addonVersions": [{"addonVersion": "v1"}]}]},
        {"addons": [{"addonName": "vpc-cni", "addonVersions": [{"addonVersion": "v2"}]}]},
    ],
    "eks:ListAccessEntries": {"accessEntries": [f"{IAM}:role/admin"]},
    "eks:DescribeAccessEntry": {
        "accessEntry": {"principalArn": f"{IAM}:role/admin", "clusterName": "main", "type": "STANDARD"}
    },
    "eks:ListAssociatedAccessPolicies": [
        {"associatedAccessPolicies": [{"policyArn": "arn:aws:eks::aws:cluster-access-policy/One"}]},
        {"associatedAccessPolicies": [{"policyArn": "arn:aws:eks::aws:cluster-access-policy/Two"}]},
    ],
    "eks:ListPodIdentityAssociations": {"associations": [{"associationId": "a-1"}]},
    "eks:DescribePodIdentityAssociation": {
        "association": {
            "clusterName": "main",
            "namespace": "shop",
            "serviceAccount": "web",
            "roleArn": f"{IAM}:role/web",
            "associationArn": f"{EKS}:podidentityassociation/main/a-1",
        }
    },
    "eks:ListFargateProfiles": {"fargateProfileNames": ["serverless"]},
    "eks:DescribeFargateProfile": {"fargateProfile": {"fargateProfileName": "serverless"}},
    "eks:ListInsights": {"insights": [{"id": "1", "name": "Deprecated APIs"}]},
    "eks:ListIdentityProviderConfigs": {"identityProviderConfigs": [{"type": "oidc", "name": "corp"}]},
    "eks:DescribeIdentityProviderConfig": {
        "identityProviderConfig": {"oidc": {"identityProviderConfigName": "corp", "clusterName": "main"}}
    },
    "ec2:DescribeInstances": {
        "Reservations": [
            {
                "Instances": [
                    {
                        "InstanceId": "i-1",
                        "SecurityGroups": [{"GroupId": "sg-3"}],
                        "Tags": [{"Key": "eks:cluster-name", "Value": "main"}],
                        "MetadataOptions": {"HttpTokens": "required"},
                    }
                ]
            }
        ]
    },
    "ec2:DescribeLaunchTemplateVersions": {
        "LaunchTemplateVersions": [
            {
                "LaunchTemplateId": "lt-1",
                "VersionNumber": 4,
                "LaunchTemplateData": {"ImageId": "ami-eks", "UserData": "c2VjcmV0"},
            }
        ]
    },
    "ec2:DescribeSecurityGroups": {"SecurityGroups": [{"GroupId": "sg-1"}]},
    "ec2:DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1"}]},
    "ec2:DescribeVpcEndpoints": {"VpcEndpoints": [{"VpcId": "vpc-1", "ServiceName": "s3"}]},
    "ec2:DescribeImages": {"Images": [{"ImageId": "ami-ecs", "CreationDate": "2026-01-01T00:00:00Z"}]},
    "ec2:DescribeVolumes": {"Volumes": [{"VolumeId": "vol-1", "Encrypted": True, "CreateTime": NOW}]},
    "ec2:GetEbsEncryptionByDefault": {"EbsEncryptionByDefault": True},
    "elasticloadbalancing:DescribeTargetGroups": {
        "TargetGroups": [
            {
                "TargetGroupArn": f"{BALANCING}:targetgroup/web/1",
                "LoadBalancerArns": [f"{BALANCING}:loadbalancer/app/web/1"],
            }
        ]
    },
    "elasticloadbalancing:DescribeLoadBalancers": {
        "LoadBalancers": [
            {
                "LoadBalancerArn": f"{BALANCING}:loadbalancer/app/web/1",
                "DNSName": "web.example",
                "Scheme": "internet-facing",
            }
        ]
    },
    "iam:GetAccountAuthorizationDetails": authorization_details,
    "kms:DescribeKey": {"KeyMetadata": {"KeyId": "1111", "Arn": KEY, "KeyState": "Enabled"}},
    "kms:GetKeyRotationStatus": {"KeyRotationEnabled": False},
    "logs:DescribeLogGroups": lambda logGroupNamePrefix, limit: {
        "logGroups": [{"logGroupName": logGroupNamePrefix, "retentionInDays": 30}]
    },
    "logs:DescribeSubscriptionFilters": {"subscriptionFilters": [{"filterName": "one"}]},
    "guardduty:ListDetectors": {"DetectorIds": ["d-1"]},
    "guardduty:GetDetector": {
        "ServiceRole": "r",
        "Status": "ENABLED",
        "Features": [{"Name": "EKS_AUDIT_LOGS", "Status": "ENABLED"}],
    },
    "guardduty:ListCoverage": {
        "Resources": [
            {
                "CoverageStatus": "UNHEALTHY",
                "Issue": "no agent",
                "ResourceDetails": {
                    "ResourceType": "EKS",
                    "EksClusterDetails": {"ClusterName": "main"},
                },
            }
        ]
    },
    "inspector2:BatchGetAccountStatus": {
        "accounts": [
            {
                "accountId": ACCOUNT,
                "state": {"status": "ENABLED", "errorCode": "ALREADY_ENABLED", "errorMessage": "-"},
                "resourceState": {
                    "ec2": {"status": "DISABLED", "errorCode": "ALREADY_ENABLED", "errorMessage": "-"},
                    "ecr": {"status": "ENABLED", "errorCode": "ALREADY_ENABLED", "errorMessage": "-"},
                },
            }
        ]
    },
    "secretsmanager:ListSecrets": {
        "SecretList": [
            {
                "ARN": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:db-AbCdEf",
                "Name": "db",
                "RotationEnabled": True,
                "LastRotatedDate": NOW,
                "RotationRules": {"AutomaticallyAfterDays": 30},
            }
        ]
    },
    "ssm:DescribeParameters": {"Parameters": [{"Name": "/shop/token", "Type": "SecureString"}]},
    "ssm:GetParameters": lambda Names: {
        "Parameters": [{"Name": name, "Value": "1.34.1-1"} for name in Names]
    },
    "cloudtrail:LookupEvents": {
        "Events": [
            run_task("risky", {"taskRoleArn": f"{IAM}:role/idle", "containerOverrides": []}),
            run_task("plain", {}),
            {"EventId": "3", "CloudTrailEvent": "not json"},
        ]
    },
    "lambda:ListFunctions": {
        "Functions": [
            {"FunctionName": "resize", "PackageType": "Image"},
            {"FunctionName": "zipped", "PackageType": "Zip"},
        ]
    },
    "lambda:GetFunction": {
        "Configuration": {"FunctionName": "resize", "Role": f"{IAM}:role/resize"},
        "Code": {"ImageUri": f"{REGISTRY}/fn:1", "ResolvedImageUri": f"{REGISTRY}/fn@{OTHER_DIGEST}"},
    },
    "lambda:ListFunctionUrlConfigs": {
        "FunctionUrlConfigs": [
            {
                "FunctionUrl": "https://resize.example/" + "x" * 30,
                "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:resize",
                "CreationTime": "2026-01-01T00:00:00Z",
                "LastModifiedTime": "2026-01-01T00:00:00Z",
                "AuthType": "NONE",
            }
        ]
    },
}


def account(**changes: Answer) -> RecordedAccount:
    """The account above; ``changes`` are keyed ``ecs_ListTasks``."""
    changed = {key.replace("_", ":", 1): value for key, value in changes.items()}
    return RecordedAccount({**copy.deepcopy(ANSWERS), **changed})


def survey_of(cloud: RecordedAccount, wanted: frozenset[str] = EVERYTHING, **more: Any) -> AccountSurvey:
    return AccountSurvey(cloud.client, wanted, account=ACCOUNT, region=REGION, now=NOW, **more)


def snapshot_of(survey: AccountSurvey) -> Snapshot:
    scope = Scope(account=ACCOUNT, region=REGION)
    return build(survey.documents(), scope=scope, inputs=survey.inputs, now=NOW)


def read(cloud: RecordedAccount, wanted: frozenset[str] = EVERYTHING, **more: Any) -> Snapshot:
    return snapshot_of(survey_of(cloud, wanted, **more))


# --- What is wanted, what can be read, what it takes --------------------------------------------------------


def test_every_input_that_controls_want_of_aws_can_be_read_and_nothing_else_is() -> None:
    wanted = {name for name in inputs_of(controls_of()) if ":" in name}
    finer = {name for names in GOES_WITH.values() for name in names}

    assert wanted - READABLE == set()
    assert READABLE - wanted - finer == {"lambda:GetFunction"}
    assert finer - READABLE == set()


def test_everything_is_read_and_each_call_is_permitted_and_each_permission_used() -> None:
    cloud = account()
    survey = survey_of(cloud)
    snapshot = snapshot_of(survey)
    list(survey.running())

    assert {name: state for name, state in survey.inputs.items() if state.status != "read"} == {}
    assert survey.inputs.keys() >= READABLE
    assert snapshot.unreadable == ()
    assert cloud.called == {action for actions in PERMISSIONS.values() for action in actions}


@pytest.mark.parametrize("action", sorted({name for names in PERMISSIONS.values() for name in names}))
def test_a_refusal_costs_what_it_refuses_and_says_which_permission_is_missing(action: str) -> None:
    cloud = account()
    cloud.refuse(action)
    survey = survey_of(cloud)
    documents = list(survey.documents())
    list(survey.running())

    lost = {name for name, state in survey.inputs.items() if not state.usable}
    assert lost
    for name in lost:
        assert survey.inputs[name].status == "forbidden"
        assert survey.inputs[name].detail == f"no {action} permission"
    assert documents
    services = {name.partition(":")[0] for name in lost}
    assert len(services) == 1, f"{action} cost {lost}"


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerException"])
def test_what_still_fails_after_retries_is_unavailable(code: str) -> None:
    cloud = account()
    cloud.refuse("ecs:DescribeServices", code)
    snapshot = read(cloud)

    assert snapshot.inputs["ecs:DescribeServices"].status == "unavailable"
    assert code in snapshot.inputs["ecs:DescribeServices"].detail
    assert snapshot.inputs["ecs:DescribeTasks"].status == "read"
    # Which revisions run is not known without the services.
    assert snapshot.inputs["ecs:DescribeTaskDefinition"].status == "unavailable"
    assert snapshot.of(ecs.TaskDefinition)


def test_only_what_is_wanted_is_asked_for() -> None:
    cloud = account()
    read(cloud, frozenset({"ecr:GetLifecyclePolicy", "ecr:DescribePullThroughCacheRules"}))
    assert cloud.called == {"ecr:DescribePullThroughCacheRules"}

    cloud = account()
    read(cloud, frozenset({"ecs:DescribeCapacityProviders"}))
    assert cloud.called == {"ecs:DescribeCapacityProviders"}

    cloud = account()
    read(cloud, frozenset({"ec2:DescribeVolumes", "pods.example"}))
    assert cloud.called == {"ec2:DescribeVolumes"}


def test_what_goes_with_an_input_stays_in_the_part() -> None:
    wanted = frozenset({"eks:DescribeNodegroup", "iam:GetAccountAuthorizationDetails"})
    cloud = account()
    read(cloud, wanted, part=Part(kind="cluster", cluster="main"))
    assert not {action for action in cloud.called if action.startswith(("ecs:", "ecr:"))}
    assert {"ec2:DescribeLaunchTemplateVersions", "eks:ListPodIdentityAssociations"} <= cloud.called

    cloud = account()
    read(cloud, wanted)
    assert "ecs:ListTasks" in cloud.called


# --- ECR ----------------------------------------------------------------------------------------------------


def test_policies_that_are_not_there_are_told_from_those_that_are_refused() -> None:
    repositories = [{"repositoryName": name} for name in ("none", "denied")]

    def get_policy(repositoryName: str) -> dict[str, Any]:
        none = repositoryName == "none"
        raise refusal("RepositoryPolicyNotFoundException" if none else "AccessDeniedException")

    cloud = account(
        ecr_DescribeRepositories=[{"repositories": [item]} for item in repositories],
        ecr_GetRepositoryPolicy=get_policy,
    )
    found = {item.repository_name: item for item in read(cloud).of(ecr.Repository)}

    assert found["none"].unread == {}
    assert found["denied"].unread == {"ecr:GetRepositoryPolicy": "no ecr:GetRepositoryPolicy permission"}


def test_a_registry_without_policy_or_signing_is_read() -> None:
    cloud = account()
    cloud.refuse("ecr:GetRegistryPolicy", "RegistryPolicyNotFoundException")
    cloud.refuse("ecr:GetSigningConfiguration", "SigningConfigurationNotFoundException")
    (registry,) = read(cloud).of(ecr.Registry)

    assert registry.registry_id == ACCOUNT
    assert registry.unread == {}
    assert registry.policy is None
    assert registry.scan_type == "ENHANCED"


def test_signing_status_is_asked_for_what_runs_and_images_in_archive_are_listed() -> None:
    cloud = account()
    snapshot = read(cloud)
    signed = {item.image_digest: item.signed for item in snapshot.of(ecr.ImageDetail)}
    assert signed == {DIGEST: True, OTHER_DIGEST: None}
    assert cloud.requests("ecr:DescribeImages")[0]["filter"] == {"imageStatus": "ANY"}

    cloud = account()
    survey = survey_of(cloud)
    survey.uses("elsewhere/app:v1", OTHER_DIGEST)
    snapshot_of(survey)
    asked = {item["imageId"]["imageDigest"] for item in cloud.requests("ecr:DescribeImageSigningStatus")}
    assert asked == {DIGEST, OTHER_DIGEST}


def test_one_repository_is_read_alone_and_may_be_gone() -> None:
    part = Part(kind="ecr", subject="repository", name="shop")
    cloud = account()
    read(cloud, part=part)
    assert cloud.requests("ecr:DescribeRepositories") == [{"repositoryNames": ["shop"]}]

    cloud.refuse("ecr:DescribeRepositories", "RepositoryNotFoundException")
    snapshot = read(cloud, part=part)
    assert snapshot.inputs["ecr:DescribeRepositories"].status == "read"
    assert snapshot.of(ecr.Repository) == []


# --- ECS ----------------------------------------------------------------------------------------------------


def test_lists_are_paged_and_batches_keep_to_their_limits() -> None:
    names = [f"s{number}" for number in range(23)]
    tasks = [f"{ECS}:task/prod/{number}" for number in range(150)]

    def describe(cluster: str, services: list[str], include: list[str]) -> dict[str, Any]:
        return {"services": [service(arn.rpartition("/")[2]) for arn in services]}

    arns = [f"{ECS}:service/prod/{name}" for name in names]
    cloud = account(
        ecs_ListServices=[{"serviceArns": arns[:12]}, {"serviceArns": arns[12:]}],
        ecs_DescribeServices=describe,
        ecs_ListTasks=[{"taskArns": tasks[:100]}, {"taskArns": tasks[100:]}],
        ecs_DescribeTasks={"tasks": []},
        ecr_DescribeRepositories=[
            {"repositories": [{"repositoryName": f"r{number}"} for number in range(60)]}
        ],
    )
    snapshot = read(cloud)

    assert sorted(item.service_name for item in snapshot.of(ecs.EcsService)) == sorted(names)
    assert [len(item["services"]) for item in cloud.requests("ecs:DescribeServices")] == [10, 10, 3]
    assert [len(item["tasks"]) for item in cloud.requests("ecs:DescribeTasks")] == [100, 50]
    batches = cloud.requests("ecr:BatchGetRepositoryScanningConfiguration")
    assert [len(item["repositoryNames"]) for item in batches] == [25, 25, 10]
    assert len(snapshot.of(ecs.CapacityProvider)) == 2
    assert {item.cluster_version for item in snapshot.of(eks.ClusterVersion)} == {"1.33", "1.34"}


@pytest.mark.parametrize(("reason", "status"), [("MISSING", "read"), ("ACCESS_DENIED", "unavailable")])
def test_what_an_answer_leaves_out_counts_unless_it_is_gone(reason: str, status: str) -> None:
    cloud = account(ecs_DescribeTasks={"tasks": [task("1")], "failures": [{"arn": "x", "reason": reason}]})
    snapshot = read(cloud)
    assert snapshot.inputs["ecs:DescribeTasks"].status == status
    assert len(snapshot.of(ecs.EcsTask)) == 1


def test_revisions_in_use_and_the_newest_of_every_family_are_read_once() -> None:
    class Kept(dict[str, dict[str, Any]]):
        def put(self, arn: str, answer: dict[str, Any]) -> None:
            self[arn] = answer

    cloud, kept = account(), Kept()
    snapshot = read(cloud, kept=kept)
    expected = {revision("web", 1), revision("web", 2), revision("web", 3), revision("batch", 7)}
    assert {item.task_definition_arn for item in snapshot.of(ecs.TaskDefinition)} == expected
    assert {item["taskDefinition"] for item in cloud.requests("ecs:DescribeTaskDefinition")} == expected
    assert all(item.tags == {"team": "shop"} for item in snapshot.of(ecs.TaskDefinition))

    again = account()
    assert len(read(again, kept=kept).of(ecs.TaskDefinition)) == 4
    assert again.requests("ecs:DescribeTaskDefinition") == []


def test_a_revision_that_is_gone_meanwhile_costs_nothing() -> None:
    cloud = account()
    cloud.refuse("ecs:DescribeTaskDefinition", "ClientException")
    snapshot = read(cloud)
    assert snapshot.inputs["ecs:DescribeTaskDefinition"].status == "read"
    assert snapshot.of(ecs.TaskDefinition) == []


def test_one_service_is_read_alone() -> None:
    cloud = account()
    wanted = frozenset({"ecs:DescribeServices", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition"})
    part = Part(kind="ecs", cluster="prod", subject="service", name="web")
    snapshot = read(cloud, wanted, part=part)

    assert cloud.requests("ecs:DescribeServices") == [
        {"cluster": "prod", "services": ["web"], "include": ["TAGS"]}
    ]
    assert cloud.requests("ecs:ListTasks") == [{"cluster": "prod", "serviceName": "web"}]
    assert not cloud.called & {"ecs:ListClusters", "ecs:ListServices"}
    assert {item.revision for item in snapshot.of(ecs.TaskDefinition)} == {1, 2, 3}


def test_of_one_family_every_revision_in_use_and_the_newest_are_read() -> None:
    part = Part(kind="ecs", subject="family", name="web")
    cloud = account(ecs_DescribeServices={"services": [service("web"), service("other")]})
    wanted = frozenset({"ecs:DescribeTaskDefinition"})
    snapshot = read(cloud, wanted, part=part)

    assert cloud.requests("ecs:ListTasks") == [{"cluster": CLUSTER, "family": "web"}]
    assert {(item.family, item.revision) for item in snapshot.of(ecs.TaskDefinition)} == {
        ("web", 1),
        ("web", 2),
        ("web", 3),
    }
    assert [item.service_name for item in snapshot.of(ecs.EcsService)] == ["web"]


def test_a_stored_definition_is_used_until_its_tags_may_be_old() -> None:
    arn, day = revision("web", 1), 86_400
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="evidence")
        evidence = Evidence(client, "evidence")
        StoredTaskDefinitions(evidence, now=0).put(arn, {"taskDefinition": {"family": "web"}})

        keys = [item["Key"] for item in client.list_objects_v2(Bucket="evidence")["Contents"]]
        assert keys == [f"snapshots/task-definitions/{ACCOUNT}/{REGION}/web/1.json.zst"]
        fresh, old = StoredTaskDefinitions(evidence, now=day), StoredTaskDefinitions(evidence, now=8 * day)
        assert fresh.get(arn) == {"taskDefinition": {"family": "web"}}
        assert old.get(arn) is None
        assert fresh.get(revision("web", 2)) is None
        fresh.put("../../advisories", {})
        assert fresh.get("../../advisories") is None
        assert client.list_objects_v2(Bucket="evidence")["KeyCount"] == 1


# --- The rest -----------------------------------------------------------------------------------------------


def test_roles_in_use_come_with_their_permissions_and_all_others_with_their_trust() -> None:
    found = {item.name: item for item in read(account()).of(accounts.IamRole)}

    assert found.keys() == {"web", "irsa", "idle"}
    assert [item.name for item in found["web"].policies] == ["own", "read"]
    assert found["web"].policies[1].document == {"Statement": []}
    assert [item.name for item in found["irsa"].policies] == ["read"]
    # A task was run with this role.
    assert [item.name for item in found["idle"].policies] == ["own", "read"]
    assert {
        item.name: item for item in read(account(cloudtrail_LookupEvents={"Events": []})).of(accounts.IamRole)
    }["idle"].policies == ()


def test_a_policy_that_could_not_be_read_stays_attached() -> None:
    def details(Filter: list[str], **request: Any) -> dict[str, Any]:
        if Filter != ["Role"]:
            raise refusal("Throttling")
        return authorization_details(Filter)

    snapshot = read(account(iam_GetAccountAuthorizationDetails=details))
    web = next(item for item in snapshot.of(accounts.IamRole) if item.name == "web")
    assert [(item.name, item.document) for item in web.policies] == [
        ("own", {"Statement": []}),
        ("read", None),
    ]
    assert snapshot.inputs["iam:GetAccountAuthorizationDetails"].status == "unavailable"


def test_a_cluster_is_read_with_everything_it_names() -> None:
    cloud = account()
    snapshot = read(cloud, part=Part(kind="cluster", cluster="main"))

    assert "eks:ListClusters" not in cloud.called
    (entry,) = snapshot.of(eks.AccessEntry)
    assert [item.policy_arn.rpartition("/")[2] for item in entry.policies] == ["One", "Two"]
    (addon,) = snapshot.of(eks.AddonInfo)
    assert [item.addon_version for item in addon.addon_versions] == ["v1", "v2"]
    (key,) = snapshot.of(accounts.KmsKey)
    assert (key.arn, key.key_state, key.rotation) == (KEY, "Enabled", False)
    groups = {item.log_group_name: item.consumers for item in snapshot.of(accounts.LogGroup)}
    assert groups == {"/aws/eks/main/cluster": 1, "/shop": None}
    asked = cloud.requests("ec2:DescribeSecurityGroups")[0]["Filters"][0]
    assert asked == {"Name": "group-id", "Values": ["sg-1", "sg-2", "sg-3"]}
    assert cloud.requests("ec2:DescribeImages")[0]["Filters"][0]["Values"] == ["ami-ecs", "ami-eks"]
    assert snapshot.of(ec2.LaunchTemplateVersion)[0].launch_template_data.image_id == "ami-eks"


def test_a_key_that_is_gone_is_said_to_be() -> None:
    cloud = account()
    cloud.refuse("kms:DescribeKey", "NotFoundException")
    snapshot = read(cloud)
    assert [(item.arn, item.key_state) for item in snapshot.of(accounts.KmsKey)] == [(KEY, "does not exist")]
    assert snapshot.inputs["kms:DescribeKey"].status == "read"


def test_values_of_secret_parameters_are_not_asked_for() -> None:
    cloud = account()
    snapshot = read(cloud)
    names = {name for item in cloud.requests("ssm:GetParameters") for name in item["Names"]}
    assert all(name.startswith("/aws/service/") for name in names)
    (asked,) = cloud.requests("ssm:DescribeParameters")
    assert asked["ParameterFilters"][0]["Values"] == ["/plain", "plain", "/shop/token"]
    types = {item.name: item.type for item in snapshot.of(accounts.SsmParameter)}
    assert types["/shop/token"] == "SecureString"


def test_user_data_of_launch_templates_is_not_kept() -> None:
    assert "c2VjcmV0" not in json.dumps(list(survey_of(account()).documents()))


def test_runs_of_tasks_are_looked_up_for_a_day_and_only_so_far() -> None:
    cloud = account(cloudtrail_LookupEvents=[{"Events": []}] * 30)
    survey = survey_of(cloud)
    list(survey.documents())
    assert survey.inputs["cloudtrail:RunTask"].status == "partial"
    assert len(cloud.requests("cloudtrail:LookupEvents")) <= 42

    (event, *_) = read(account()).of(ecs.RunTaskEvent)
    assert (event.task_definition, event.overrides.task_role_arn) == ("web:2", f"{IAM}:role/idle")


# --- What runs ----------------------------------------------------------------------------------------------


def test_what_runs_is_told_once_for_all_copies() -> None:
    survey = survey_of(account())
    list(survey.documents())

    assert sorted(survey.running(), key=lambda item: item.kind) == [
        Running(
            digest=DIGEST,
            image=f"{REGISTRY}/shop:1",
            kind="EcsTask",
            cluster="prod",
            workload="web",
            containers=("main",),
            role=f"{IAM}:role/web",
            exposure=("has a public IP address", "reachable from the internet"),
            count=2,
        ),
        Running(
            digest=OTHER_DIGEST,
            image=f"{REGISTRY}/fn:1",
            kind="LambdaFunction",
            workload="resize",
            role=f"{IAM}:role/resize",
            exposure=("reachable from the internet",),
        ),
    ]


def test_an_internal_load_balancer_exposes_nothing_and_an_unknown_one_perhaps() -> None:
    private = service("web", networkConfiguration={})
    balancer = {**ANSWERS["elasticloadbalancing:DescribeLoadBalancers"]["LoadBalancers"][0]}  # type: ignore[index,call-overload]
    cloud = account(
        ecs_DescribeServices={"services": [private]},
        elasticloadbalancing_DescribeLoadBalancers={"LoadBalancers": [{**balancer, "Scheme": "internal"}]},
    )
    survey = survey_of(cloud)
    list(survey.documents())
    assert next(survey.running()).exposure == ()

    cloud.refuse("elasticloadbalancing:DescribeTargetGroups")
    survey = survey_of(cloud)
    list(survey.documents())
    assert next(survey.running()).exposure == ("behind a load balancer that could not be read",)


# --- An account that answers for itself ---------------------------------------------------------------------


def denied(**_: Any) -> Any:
    raise refusal("AccessDeniedException")


def test_an_account_of_its_own_making() -> None:
    with mock_aws():

        def client(name: str) -> Any:
            made = boto3.client(name, region_name=REGION)
            if name == "ecr":
                # The simulation does not know these two.
                made.get_signing_configuration = denied
                made.batch_get_repository_scanning_configuration = denied
            return made

        client("ecr").create_repository(repositoryName="shop", imageTagMutability="IMMUTABLE")
        client("ecs").create_cluster(clusterName="prod")
        for _ in range(2):
            client("ecs").register_task_definition(
                family="web", containerDefinitions=[{"name": "main", "image": "shop:1", "memory": 64}]
            )
        client("ecs").create_service(
            cluster="prod", serviceName="web", taskDefinition="web:1", desiredCount=1
        )
        client("iam").create_role(RoleName="idle", AssumeRolePolicyDocument='{"Statement": []}')
        vpc = client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        client("eks").create_cluster(
            name="main", roleArn=f"{IAM}:role/eks", resourcesVpcConfig={"subnetIds": [subnet]}
        )
        client("secretsmanager").create_secret(Name="db", SecretString="x")
        wanted = frozenset(
            {
                "ecr:DescribeRepositories",
                "ecr:GetRepositoryPolicy",
                "ecr:GetLifecyclePolicy",
                "ecs:DescribeServices",
                "ecs:DescribeTaskDefinition",
                "ecs:DescribeTasks",
                "eks:DescribeCluster",
                "eks:DescribeNodegroup",
                "iam:GetAccountAuthorizationDetails",
                "secretsmanager:DescribeSecret",
            }
        )
        survey = AccountSurvey(client, wanted, account=ACCOUNT, region=REGION, now=NOW)
        snapshot = snapshot_of(survey)

    (repository,) = snapshot.of(ecr.Repository)
    assert (repository.image_tag_mutability, repository.unread) == ("IMMUTABLE", {})
    assert [item.service_name for item in snapshot.of(ecs.EcsService)] == ["web"]
    assert {item.revision for item in snapshot.of(ecs.TaskDefinition)} == {1, 2}
    assert [item.name for item in snapshot.of(eks.EksCluster)] == ["main"]
    assert [item.name for item in snapshot.of(accounts.AwsSecret)] == ["db"]
    assert "idle" in {item.name for item in snapshot.of(accounts.IamRole)}
    assert all(survey.inputs[name].usable for name in wanted), survey.inputs
