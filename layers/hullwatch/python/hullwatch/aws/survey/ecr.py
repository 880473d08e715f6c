"""Amazon ECR: repositories with their policies, the registry, images."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading, several, trimmed

INPUTS = frozenset(
    {
        "ecr:DescribeRepositories",
        "ecr:GetRepositoryPolicy",
        "ecr:GetLifecyclePolicy",
        "ecr:BatchGetRepositoryScanningConfiguration",
        "ecr:GetRegistryPolicy",
        "ecr:GetRegistryScanningConfiguration",
        "ecr:GetSigningConfiguration",
        "ecr:DescribePullThroughCacheRules",
        "ecr:DescribeRepositoryCreationTemplates",
        "ecr:DescribeImages",
        "ecr:DescribeImageSigningStatus",
    }
)
ACTIONS = tuple(sorted(INPUTS))

#: The error code that means "there is none".
_NONE = {
    "ecr:GetRepositoryPolicy": "RepositoryPolicyNotFoundException",
    "ecr:GetLifecyclePolicy": "LifecyclePolicyNotFoundException",
    "ecr:GetRegistryPolicy": "RegistryPolicyNotFoundException",
    "ecr:GetSigningConfiguration": "SigningConfigurationNotFoundException",
}
#: The repository was deleted since it was listed.
_GONE = ("RepositoryNotFoundException",)
_IMAGE_FIELDS = (
    "registryId",
    "repositoryName",
    "imageDigest",
    "imageTags",
    "imagePushedAt",
    "lastRecordedPullTime",
    "imageStatus",
)
_NAMES_AT_ONCE = 25


def documents(
    reading: Reading, named: Named, account: str, repositories: Collection[str] | None = None
) -> Iterator[Document]:
    """The registry of an account and all that it holds, or only these ``repositories`` of it.

    Of ``named`` it reads the digests that run (their signing status is asked for) and adds keys.
    """
    reading.begin(*INPUTS)
    yield from _registry(reading, account)
    if not reading.wants("ecr:DescribeRepositories", "ecr:DescribeImages"):
        return
    name = "ecr:DescribeRepositories"
    with reading.input(name):
        for described in _described(reading, repositories):
            for item in described:
                if key := item.get("encryptionConfiguration", {}).get("kmsKey"):
                    named.keys.add(key)
            yield {"repositories": described}
            names = [item["repositoryName"] for item in described]
            yield from _policies(reading, names)
            yield from _scan_frequencies(reading, names)
            for each in names:
                yield from _images(reading, named, each)
    reading.follows("ecr:DescribeImages", name)
    reading.follows("ecr:DescribeImageSigningStatus", "ecr:DescribeImages")


def _described(reading: Reading, repositories: Collection[str] | None) -> Iterator[list[Document]]:
    # One by one: of several names, one that is gone would cost the others.
    each = [{}] if repositories is None else [{"repositoryNames": [name]} for name in sorted(repositories)]
    for chosen in each:
        for page in reading.pages("ecr:DescribeRepositories", _GONE, **chosen):
            yield page["repositories"]


def _registry(reading: Reading, account: str) -> Iterator[Document]:
    # Joined by the registry's id, which the "not found" of these reads does not say.
    subject = {"registryId": account}
    for action in (
        "ecr:GetRegistryScanningConfiguration",
        "ecr:GetRegistryPolicy",
        "ecr:GetSigningConfiguration",
    ):
        if reading.wants(action):
            none = [_NONE[action]] if action in _NONE else []
            yield from reading.further(action, account, none, subject=subject)
    for action, key in (
        ("ecr:DescribePullThroughCacheRules", "pullThroughCacheRules"),
        ("ecr:DescribeRepositoryCreationTemplates", "repositoryCreationTemplates"),
    ):
        if reading.wants(action):
            with reading.input(action):
                for page in reading.pages(action):
                    yield {key: page[key]}


def _policies(reading: Reading, names: list[str]) -> Iterator[Document]:
    for action in ("ecr:GetRepositoryPolicy", "ecr:GetLifecyclePolicy"):
        if not reading.wants(action):
            continue
        for name in names:
            subject = {"repositoryName": name}
            yield from reading.further(
                action, name, [_NONE[action], *_GONE], subject=subject, repositoryName=name
            )


def _scan_frequencies(reading: Reading, names: list[str]) -> Iterator[Document]:
    action = "ecr:BatchGetRepositoryScanningConfiguration"
    for some in several(names, _NAMES_AT_ONCE) if reading.wants(action) else ():
        with reading.input(action):
            answer = reading.call(action, _GONE, repositoryNames=some) or {}
            yield {"scanningConfigurations": answer.get("scanningConfigurations", [])}
            reading.failures(action, answer)


def _images(reading: Reading, named: Named, repository: str) -> Iterator[Document]:
    action, signing = "ecr:DescribeImages", "ecr:DescribeImageSigningStatus"
    if not reading.wants(action):
        return
    running = []
    with reading.input(action):
        # Without a filter, archived images are left out.
        pages = reading.pages(
            action, _GONE, repositoryName=repository, filter={"imageStatus": "ANY"}, maxResults=1000
        )
        for page in pages:
            images = trimmed(page["imageDetails"], *_IMAGE_FIELDS)
            running += [item["imageDigest"] for item in images if item["imageDigest"] in named.digests]
            yield {"imageDetails": images}
    if not reading.wants(signing):
        return
    with reading.input(signing):
        for digest in running:
            answer = reading.call(
                signing,
                (*_GONE, "ImageNotFoundException"),
                repositoryName=repository,
                imageId={"imageDigest": digest},
            )
            if answer:
                yield answer
