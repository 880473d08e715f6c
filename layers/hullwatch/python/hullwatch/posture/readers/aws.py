"""Answers of AWS APIs, as the command line prints them, to the model.

An answer is recognised by its top-level keys. Answers that lack the name of what they are about get it beside
them, under the request's key (``clusterName``, ``repositoryName``, ``SecretId``), as a collector stores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from hullwatch.posture.model import account, ec2, ecr, ecs, eks
from hullwatch.posture.model.aws import short
from hullwatch.posture.model.image import BuiltImage
from hullwatch.posture.model.kubernetes import HostFile
from hullwatch.posture.model.snapshot import READ, Resource, Unreadable
from hullwatch.posture.readers.answers import FURTHER_READS, Answers, policy_document
from hullwatch.posture.readers.documents import Document, at, mapping, mappings, text

#: Takes a document that holds its answer.
Reader = Callable[[Document, Answers], None]


def is_answer(document: Document) -> bool:
    """Whether a document looks like an answer that is read here, or a bare task definition."""
    return next(_answers_in(document), "") != ""


def _answers_in(document: Document) -> Iterator[str]:
    """The keys under which a document holds answers. Words that others use too need a second mark."""
    for key in document.keys() & READERS.keys():
        value, marks = document[key], MARKS.get(key)
        items = [value] if key in ONE_OBJECT else mappings(value)
        marked = marks is None or any(isinstance(item, dict) and marks & item.keys() for item in items)
        if marked or value == []:
            yield key


def read(documents: Iterable[Document]) -> Answers:
    """Everything that the answers say. An answer that does not fit its schema is recorded, not raised."""
    answers = Answers()
    for document in documents:
        for key in sorted(_answers_in(document)):
            reader = READERS[key]
            try:
                reader(document, answers)
            except Exception as error:  # one answer must not cost the others
                # What would have been joined stays unread, so that nothing passes for the lack of it.
                resource = Resource(kind="Answer", name=key)
                answers.unreadable.append(Unreadable(resource=resource, reason=str(error), subject=Answers))
            if read_key := INPUTS.get(key):
                answers.inputs[read_key] = READ
    return answers


def _each(key: str, kind: type[Any]) -> Reader:
    """A reader for an answer that is a list of objects, or one object, under ``key``."""
    return lambda document, answers: answers.add_each(document[key], kind)


def _repository_policy(document: Document, answers: Answers) -> None:
    policy = policy_document(document["policyText"])
    if "repositoryName" in document:
        answers.join("Repository", text(document["repositoryName"]), policy=policy)
    else:
        answers.join("Registry", text(document.get("registryId", "")), policy=policy)


def _lifecycle(document: Document, answers: Answers) -> None:
    policy = policy_document(document["lifecyclePolicyText"])
    answers.join("Repository", text(document.get("repositoryName", "")), lifecycle=policy)


def _no_policy(document: Document, answers: Answers) -> None:
    """``RepositoryPolicyNotFoundException`` and its like: read, and there is none."""
    item = mapping(document, "notFound")
    if item.get("operation") == "kms:DescribeKey":
        answers.join("KmsKey", text(item.get("keyId", "")), key_state="does not exist")
    name = text(item.get("repositoryName", item.get("registryId", "")))
    empty: dict[str, tuple[str, str, Any]] = {
        "ecr:GetRepositoryPolicy": ("Repository", "policy", None),
        "ecr:GetLifecyclePolicy": ("Repository", "lifecycle", None),
        "ecr:GetRegistryPolicy": ("Registry", "policy", None),
        "ecr:GetSigningConfiguration": ("Registry", "signing_rules", ()),
    }
    if found := empty.get(text(item.get("operation", ""))):
        kind, field, value = found
        answers.join(kind, name, **{field: value})


def _refused(document: Document, answers: Answers) -> None:
    """A further read of one resource that was refused: ``{refused: {operation, name, reason}}``."""
    item = mapping(document, "refused")
    operation, name = text(item.get("operation", "")), text(item.get("name", ""))
    for kind, reads in FURTHER_READS.items():
        if operation in reads.values():
            unread = answers.joined(kind, name).get("unread", {})
            answers.join(kind, name, unread={**unread, operation: text(item.get("reason", "refused"))})


def _scan_configuration(document: Document, answers: Answers) -> None:
    value = mapping(document, "scanningConfiguration")
    if "rules" in value or "scanType" in value:
        rules = msgspec.convert(value.get("rules", []), tuple[ecr.ScanRule, ...])
        answers.join(
            "Registry",
            text(document.get("registryId", "")),
            scan_type=text(value.get("scanType", "BASIC")),
            scan_rules=rules,
        )


def _scan_frequencies(document: Document, answers: Answers) -> None:
    for item in mappings(document["scanningConfigurations"]):
        frequency = text(item.get("scanFrequency", ""))
        answers.join("Repository", text(item.get("repositoryName", "")), scan_frequency=frequency)


def _signing(document: Document, answers: Answers) -> None:
    rules = msgspec.convert(at(document, "signingConfiguration", "rules") or [], tuple[ecr.SigningRule, ...])
    answers.join("Registry", text(document.get("registryId", "")), signing_rules=rules)


def _signing_status(document: Document, answers: Answers) -> None:
    digest = text(at(document, "imageId", "imageDigest") or "")
    statuses = [text(item.get("status", "")) for item in mappings(document["signingStatuses"])]
    answers.join("ImageDetail", digest, signed="COMPLETE" in statuses)


def _task_definition(document: Document, answers: Answers) -> None:
    value = mapping(document, "taskDefinition")
    answers.add_each([{**value, "tags": document.get("tags", value.get("tags", []))}], ecs.TaskDefinition)


def _bare_task_definition(document: Document, answers: Answers) -> None:
    """What ``register-task-definition --cli-input-json`` takes."""
    answers.add_each([document], ecs.TaskDefinition)


def _run_task(document: Document, answers: Answers) -> None:
    if document.get("eventName") not in ("RunTask", "StartTask"):
        return
    request = mapping(document, "requestParameters")
    answers.add(
        ecs.RunTaskEvent(
            event_name=text(document["eventName"]),
            principal=text(at(document, "userIdentity", "arn") or ""),
            task_definition=text(request.get("taskDefinition", "")),
            overrides=msgspec.convert(mapping(request, "overrides"), ecs.Overrides, strict=False),
        )
    )


def _access_policies(document: Document, answers: Answers) -> None:
    policies = msgspec.convert(
        document["associatedAccessPolicies"], tuple[eks.AccessPolicy, ...], strict=False
    )
    answers.join("AccessEntry", text(document.get("principalArn", "")), policies=policies)


def _identity_provider(document: Document, answers: Answers) -> None:
    answers.add_each([at(document, "identityProviderConfig", "oidc")], eks.IdentityProvider)


def _instances(document: Document, answers: Answers) -> None:
    for reservation in mappings(document["Reservations"]):
        answers.add_each(reservation.get("Instances", []), ec2.Instance)


def _iam(document: Document, answers: Answers) -> None:
    documents: dict[str, Any] = {}
    for item in mappings(document.get("Policies")):
        for version in mappings(item.get("PolicyVersionList")):
            if version.get("IsDefaultVersion"):
                documents[text(item.get("Arn", ""))] = policy_document(version.get("Document", {}))
    for item in mappings(document["RoleDetailList"]):
        inline = [
            account.IamPolicy(
                name=text(policy.get("PolicyName", "")), document=policy_document(policy["PolicyDocument"])
            )
            for policy in mappings(item.get("RolePolicyList"))
        ]
        attached = [
            _attached(text(policy.get("PolicyArn", "")), documents)
            for policy in mappings(item.get("AttachedManagedPolicies"))
        ]
        boundary = at(item, "PermissionsBoundary", "PermissionsBoundaryArn")
        answers.add(
            account.IamRole(
                arn=text(item.get("Arn", "")),
                name=text(item.get("RoleName", "")),
                trust=policy_document(item.get("AssumeRolePolicyDocument", {})),
                policies=(*inline, *attached),
                boundary=_attached(text(boundary), documents) if boundary else None,
            )
        )


def _attached(arn: str, documents: dict[str, Any]) -> account.IamPolicy:
    return account.IamPolicy(name=short(arn), arn=arn, document=documents.get(arn))


def _kms_key(document: Document, answers: Answers) -> None:
    value = mapping(document, "KeyMetadata")
    answers.join(
        "KmsKey",
        text(value.get("Arn", "")),
        key_state=text(value.get("KeyState", "Enabled")),
        key_manager=text(value.get("KeyManager", "CUSTOMER")),
    )


def _kms_rotation(document: Document, answers: Answers) -> None:
    answers.join("KmsKey", text(document.get("KeyId", "")), rotation=bool(document["KeyRotationEnabled"]))


def _log_filters(key: str) -> Reader:
    def reader(document: Document, answers: Answers) -> None:
        names = [text(item.get("logGroupName", "")) for item in mappings(document[key])]
        asked = text(document.get("logGroupName", ""))
        for name in {*names, asked} - {""}:
            before = answers.joined("LogGroup", name).get("consumers", 0)
            answers.join("LogGroup", name, consumers=before + names.count(name))

    return reader


def _detector(document: Document, answers: Answers) -> None:
    features = [
        account.DetectorFeature(
            name=text(item.get("Name", "")),
            enabled=item.get("Status") == "ENABLED",
            additional=tuple(
                text(extra.get("Name", ""))
                for extra in mappings(item.get("AdditionalConfiguration"))
                if extra.get("Status") == "ENABLED"
            ),
        )
        for item in mappings(document["Features"])
    ]
    on = text(document.get("Status", "ENABLED")) == "ENABLED"
    answers.add(account.Detector(features=tuple(features) if on else ()))


def _coverage(document: Document, answers: Answers) -> None:
    for item in mappings(document["Resources"]):
        details = mapping(item, "ResourceDetails")
        name = at(details, "EksClusterDetails", "ClusterName") or at(
            details, "EcsClusterDetails", "ClusterName"
        )
        if name:
            answers.add(
                account.Coverage(
                    cluster=text(name),
                    kind=text(details.get("ResourceType", "")),
                    status=text(item.get("CoverageStatus", "")),
                    issue=text(item.get("Issue", "")),
                )
            )


def _inspector(document: Document, answers: Answers) -> None:
    for item in mappings(document["accounts"]):
        answers.add(account.InspectorStatus(ecr=text(at(item, "resourceState", "ecr", "status") or "")))


def _secret(document: Document, answers: Answers) -> None:
    days = at(document, "RotationRules", "AutomaticallyAfterDays")
    answers.add_each([{**document, "RotationDays": days} if days else document], account.AwsSecret)


def _built_images(document: Document, answers: Answers) -> None:
    for item in mappings(document["builtImages"]):
        answers.add(msgspec.convert(item, BuiltImage, strict=False))


def _host_files(document: Document, answers: Answers) -> None:
    for item in mappings(document["hostFiles"]):
        answers.add(msgspec.convert(item, HostFile))


READERS: dict[str, Reader] = {
    "repositories": _each("repositories", ecr.Repository),
    "policyText": _repository_policy,
    "lifecyclePolicyText": _lifecycle,
    "notFound": _no_policy,
    "refused": _refused,
    "scanningConfiguration": _scan_configuration,
    "scanningConfigurations": _scan_frequencies,
    "signingConfiguration": _signing,
    "signingStatuses": _signing_status,
    "pullThroughCacheRules": _each("pullThroughCacheRules", ecr.PullThroughRule),
    "repositoryCreationTemplates": _each("repositoryCreationTemplates", ecr.CreationTemplate),
    "imageDetails": _each("imageDetails", ecr.ImageDetail),
    "taskDefinition": _task_definition,
    "containerDefinitions": _bare_task_definition,
    "services": _each("services", ecs.EcsService),
    "clusters": _each("clusters", ecs.EcsCluster),
    "tasks": _each("tasks", ecs.EcsTask),
    "taskSets": _each("taskSets", ecs.TaskSet),
    "containerInstances": _each("containerInstances", ecs.ContainerInstance),
    "capacityProviders": _each("capacityProviders", ecs.CapacityProvider),
    "settings": _each("settings", ecs.EcsAccountSetting),
    "eventName": _run_task,
    "cluster": _each("cluster", eks.EksCluster),
    "clusterVersions": _each("clusterVersions", eks.ClusterVersion),
    "nodegroup": _each("nodegroup", eks.Nodegroup),
    "addon": _each("addon", eks.Addon),
    "addons": _each("addons", eks.AddonInfo),
    "accessEntry": _each("accessEntry", eks.AccessEntry),
    "associatedAccessPolicies": _access_policies,
    "association": _each("association", eks.PodIdentity),
    "fargateProfile": _each("fargateProfile", eks.FargateProfile),
    "insight": _each("insight", eks.Insight),
    "insights": _each("insights", eks.Insight),
    "identityProviderConfig": _identity_provider,
    "SecurityGroups": _each("SecurityGroups", ec2.SecurityGroup),
    "LaunchTemplateVersions": _each("LaunchTemplateVersions", ec2.LaunchTemplateVersion),
    "Reservations": _instances,
    "Subnets": _each("Subnets", ec2.Subnet),
    "VpcEndpoints": _each("VpcEndpoints", ec2.VpcEndpoint),
    "Images": _each("Images", ec2.MachineImage),
    "Volumes": _each("Volumes", ec2.EbsVolume),
    "EbsEncryptionByDefault": lambda document, answers: answers.add_each([document], ec2.EbsDefault),
    "RoleDetailList": _iam,
    "KeyMetadata": _kms_key,
    "KeyRotationEnabled": _kms_rotation,
    "logGroups": _each("logGroups", account.LogGroup),
    "subscriptionFilters": _log_filters("subscriptionFilters"),
    "metricFilters": _log_filters("metricFilters"),
    "Features": _detector,
    "Resources": _coverage,
    "accounts": _inspector,
    "Parameters": _each("Parameters", account.SsmParameter),
    "ARN": _secret,
    "LoadBalancers": _each("LoadBalancers", account.LoadBalancer),
    "hostFiles": _host_files,
    "builtImages": _built_images,
}

#: Keys that files of other tools use as well → fields, one of which an item of an answer has.
MARKS: dict[str, frozenset[str]] = {
    "repositories": frozenset({"repositoryName"}),
    "taskDefinition": frozenset({"family", "containerDefinitions"}),
    "services": frozenset({"serviceName", "serviceArn"}),
    "clusters": frozenset({"clusterName", "clusterArn"}),
    "tasks": frozenset({"taskArn"}),
    "settings": frozenset({"principalArn", "value"}),
    "cluster": frozenset({"arn", "resourcesVpcConfig", "accessConfig", "encryptionConfig"}),
    "addon": frozenset({"addonName"}),
    "addons": frozenset({"addonName"}),
    "association": frozenset({"associationArn", "roleArn"}),
    "insight": frozenset({"insightStatus"}),
    "insights": frozenset({"insightStatus"}),
    "Images": frozenset({"ImageId"}),
    "Volumes": frozenset({"VolumeId"}),
    "Subnets": frozenset({"SubnetId"}),
    "Resources": frozenset({"ResourceDetails", "CoverageStatus"}),
    "Parameters": frozenset({"Name"}),
    "Features": frozenset({"Name"}),
    "accounts": frozenset({"resourceState"}),
}

#: Of these, the keys that hold one object; the others hold a list.
ONE_OBJECT = frozenset({"taskDefinition", "cluster", "addon", "association", "insight"})

#: The input an answer is, by its top-level key.
INPUTS: dict[str, str] = {
    "repositories": "ecr:DescribeRepositories",
    "scanningConfiguration": "ecr:GetRegistryScanningConfiguration",
    "pullThroughCacheRules": "ecr:DescribePullThroughCacheRules",
    "repositoryCreationTemplates": "ecr:DescribeRepositoryCreationTemplates",
    "imageDetails": "ecr:DescribeImages",
    "signingStatuses": "ecr:DescribeImageSigningStatus",
    "taskDefinition": "ecs:DescribeTaskDefinition",
    "containerDefinitions": "ecs:DescribeTaskDefinition",
    "services": "ecs:DescribeServices",
    "clusters": "ecs:DescribeClusters",
    "tasks": "ecs:DescribeTasks",
    "taskSets": "ecs:DescribeTaskSets",
    "eventName": "cloudtrail:RunTask",
    "ARN": "secretsmanager:DescribeSecret",
    "containerInstances": "ecs:DescribeContainerInstances",
    "capacityProviders": "ecs:DescribeCapacityProviders",
    "settings": "ecs:ListAccountSettings",
    "cluster": "eks:DescribeCluster",
    "clusterVersions": "eks:DescribeClusterVersions",
    "nodegroup": "eks:DescribeNodegroup",
    "addon": "eks:DescribeAddon",
    "addons": "eks:DescribeAddonVersions",
    "accessEntry": "eks:DescribeAccessEntry",
    "association": "eks:DescribePodIdentityAssociation",
    "fargateProfile": "eks:DescribeFargateProfile",
    "insight": "eks:ListInsights",
    "insights": "eks:ListInsights",
    "identityProviderConfig": "eks:DescribeIdentityProviderConfig",
    "SecurityGroups": "ec2:DescribeSecurityGroups",
    "LaunchTemplateVersions": "ec2:DescribeLaunchTemplateVersions",
    "Reservations": "ec2:DescribeInstances",
    "Subnets": "ec2:DescribeSubnets",
    "VpcEndpoints": "ec2:DescribeVpcEndpoints",
    "Images": "ec2:DescribeImages",
    "Volumes": "ec2:DescribeVolumes",
    "EbsEncryptionByDefault": "ec2:GetEbsEncryptionByDefault",
    "RoleDetailList": "iam:GetAccountAuthorizationDetails",
    "KeyMetadata": "kms:DescribeKey",
    "logGroups": "logs:DescribeLogGroups",
    "Features": "guardduty:GetDetector",
    "Resources": "guardduty:ListCoverage",
    "accounts": "inspector2:BatchGetAccountStatus",
    "Parameters": "ssm:GetParameters",
    "builtImages": "images",
    "LoadBalancers": "elasticloadbalancing:DescribeLoadBalancers",
}
