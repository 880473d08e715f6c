"""The demo: the synthesised stacks in the local AWS, real images pushed, and what came of it."""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hullwatch.advisories.store import DirectorySource
from hullwatch.aws.evidence import Evidence
from hullwatch.aws.shards import PREFIX
from hullwatch.aws.table import unmarshal
from hullwatch.aws.track_records import track_finding_of
from hullwatch.cli.reading import source_of
from hullwatch.findings.finding import Finding
from hullwatch.images.image import Descriptor
from hullwatch.images.opening import load_image
from hullwatch.images.reference import parse_target
from hullwatch.inventory.package import Inventory
from hullwatch.pipeline import keys
from local_aws import demo_advisories, demo_image
from local_aws.cloud import LocalCloud
from local_aws.mirror import read_feeds_from, served
from local_aws.pushing import create_repository, upload_missing
from stacks.local import assembly

Say = Callable[[str], None]
Change = Literal["opened", "kept", "changed", "archived"]

#: Bytes of one part of an upload; ECR takes at most 20 MiB.
_PART = 10 << 20
#: Seconds that the pipeline may take for one push.
_PATIENCE = 300


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)


class FindingLine(_Model):
    """One finding after a push, and what the push did to it."""

    change: Change
    priority: str
    reason: str | None
    package: str
    installed: list[str]
    fixed: str | None
    vulnerabilities: list[str]
    updated_at: str
    security_hub: str = Field(description="RecordState and severity label in Security Hub, or absent.")


class ImageLine(_Model):
    """What the table says about an image after a push."""

    digest: str
    status: str
    reason: str | None
    platform: str | None
    packages: int
    unmatched: list[str] = Field(description="Ecosystems for which there were no advisories.")
    package_names: list[str] = Field(description="name@version of every package of the stored inventory.")


class Push(_Model):
    """One push, from the first byte to the last finding."""

    image: str
    seconds: float
    images: list[ImageLine]
    findings: list[FindingLine]


class DemoResult(_Model):
    """What ``hullwatch demo --format json`` prints; seconds by step."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    seconds: dict[str, float]
    pushes: list[Push]
    dead_letters: int = Field(description="Messages in dead-letter queues at the end.")


class Pushable(BaseModel):
    """An image to push: where to, its manifest, and how to get at each blob."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    repository: str
    tag: str
    manifest: str
    media_type: str
    blobs: dict[str, Callable[[], Iterator[bytes]]]


class Demo:
    """One run. ``say`` gets a line per step."""

    def __init__(self, *, images: Sequence[str], advisories: Path | None, say: Say) -> None:
        self._images = [_target(text, number) for number, text in enumerate(images)] or _own_images()
        self._advisories = DirectorySource(advisories) if advisories else None
        self._say = say
        self._seconds: dict[str, float] = {}
        self._before: dict[str, Finding] = {}

    def run(self) -> DemoResult:
        """Deploy, push, and collect. The local AWS is gone afterwards."""
        with self._step("synthesise"):
            stacks = assembly()
        with ExitStack() as closing:
            with self._step("deploy"):
                cloud = closing.enter_context(LocalCloud())
                cloud.client("securityhub").enable_security_hub()
                outputs = cloud.deploy(stacks)["hullwatch-foundation"]
            self._cloud, self._table = cloud, outputs["TableName"]
            self._bucket = outputs["EvidenceBucket"]
            with self._step("advisories"):
                self._load_advisories(closing)
            pushes = [self._push(image) for image in self._images]
            return DemoResult(seconds=self._seconds, pushes=pushes, dead_letters=self._dead_letters())

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[name] = round(time.perf_counter() - started, 2)
        self._say(f"{name}: {self._seconds[name]:.1f} s")

    def _load_advisories(self, closing: ExitStack) -> None:
        if self._advisories:
            self._seed(self._advisories)
            return
        mirror = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        demo_advisories.write(mirror)
        read_feeds_from(self._cloud, closing.enter_context(served(mirror)))
        self._cloud.fire_schedule("Refresh")
        self._cloud.wait_idle(_PATIENCE)

    def _seed(self, compiled: DirectorySource) -> None:
        """Put compiled advisories where a refresh would have put them."""
        s3, manifest = self._cloud.client("s3"), compiled.manifest()
        names = [f"shards/{state.file_name(name)}" for name, state in manifest.shards.items()]
        for name in (*names, f"generations/{manifest.generation}.json", "current.json"):
            s3.upload_file(str(compiled.directory / name), self._bucket, f"{PREFIX}/{name}")

    def _push(self, image: Pushable) -> Push:
        ecr = self._cloud.client("ecr")
        create_repository(ecr, image.repository)
        started = time.perf_counter()
        upload_missing(ecr, image.repository, {digest: read() for digest, read in image.blobs.items()})
        ecr.put_image(
            repositoryName=image.repository,
            imageManifest=image.manifest,
            imageManifestMediaType=image.media_type,
            imageTag=image.tag,
        )
        self._cloud.wait_idle(_PATIENCE)
        seconds = round(time.perf_counter() - started, 2)
        self._say(f"push {image.repository}:{image.tag}: {seconds:.1f} s")
        return self._collect(f"{image.repository}:{image.tag}", image.repository, seconds)

    def _collect(self, name: str, repository: str, seconds: float) -> Push:
        items = [item for item in self._items() if item.get("repository") == repository]
        findings = {
            finding.id: finding
            for item in items
            if "fingerprint" in item
            for finding in [track_finding_of(item)]
        }
        vulnerabilities: dict[str, list[str]] = {}
        for item in self._items():
            if item["sk"].startswith("VULN#"):
                vulnerabilities.setdefault(item["finding"], []).append(item["vulnerability"])
        lines = [
            self._line(finding, vulnerabilities.get(finding.id, []))
            for finding in findings.values()
            if finding.state == "OPEN" or finding != self._before.get(finding.id)
        ]
        self._before |= findings
        images = [
            self._image(item)
            for item in sorted(items, key=lambda item: str(item.get("updated_at")))
            if item["sk"] == "META" and "digest" in item
        ]
        order = {"opened": 0, "changed": 1, "kept": 2, "archived": 3}
        lines.sort(key=lambda line: (order[line.change], line.priority, line.package))
        return Push(image=name, seconds=seconds, images=images, findings=lines)

    def _line(self, finding: Finding, vulnerabilities: list[str]) -> FindingLine:
        before = self._before.get(finding.id)
        change: Change = "opened"
        if finding.state == "RESOLVED":
            change = "archived"
        elif before and before.state == "OPEN":
            change = "kept" if before.updated_at == finding.updated_at else "changed"
        return FindingLine(
            change=change,
            priority=finding.priority,
            reason=finding.detail or None,
            package=finding.package,
            installed=list(finding.installed),
            fixed=finding.fixed or None,
            vulnerabilities=sorted(vulnerabilities),
            updated_at=finding.updated_at,
            security_hub=self._in_hub(finding.id),
        )

    def _in_hub(self, identifier: str) -> str:
        answer = self._cloud.client("securityhub").get_findings(
            Filters={"Id": [{"Value": identifier, "Comparison": "EQUALS"}]}
        )
        for found in answer["Findings"]:
            return f"{found['RecordState']} {found['FindingProviderFields']['Severity']['Label']}"
        return "absent"

    def _image(self, item: dict[str, Any]) -> ImageLine:
        return ImageLine(
            digest=item["digest"],
            status=item["status"],
            reason=item.get("reason"),
            platform=item.get("platform"),
            packages=item.get("packages", 0),
            unmatched=item.get("unmatched", []),
            package_names=self._package_names(item["digest"]),
        )

    def _package_names(self, digest: str) -> list[str]:
        evidence = Evidence(self._cloud.client("s3"), self._bucket)
        inventory = evidence.get_document(keys.inventory(digest), Inventory)
        packages = inventory.packages if inventory else ()
        return sorted(f"{package.name}@{package.version}" for package in packages)

    def _items(self) -> Iterator[dict[str, Any]]:
        pages = self._cloud.client("dynamodb").get_paginator("scan").paginate(TableName=self._table)
        for page in pages:
            yield from map(unmarshal, page["Items"])

    def _dead_letters(self) -> int:
        sqs = self._cloud.client("sqs")
        total = 0
        for url in sqs.list_queues().get("QueueUrls", []):
            attributes = sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )
            total += int(attributes["Attributes"]["ApproximateNumberOfMessages"])
        return total


def _own_images() -> list[Pushable]:
    return [
        Pushable(
            repository="demo/shop",
            tag=tag,
            manifest=image.manifest.decode(),
            media_type=demo_image.MANIFEST,
            blobs={digest: functools.partial(iter, (content,)) for digest, content in image.blobs.items()},
        )
        for tag, image in (("v1.0.0", demo_image.first()), ("v1.0.1", demo_image.second()))
    ]


def _target(text: str, number: int) -> Pushable:
    """An image given on the command line, as version ``number`` of a repository named like its file."""
    target = parse_target(text)
    source = source_of(target)
    image = load_image(source, target.reference)
    manifest = source.manifest(image.digest)
    descriptors = [layer.descriptor for layer in image.layers]
    config = json.loads(manifest.content)["config"]

    def read(descriptor: Any) -> Iterator[bytes]:
        with source.open_blob(descriptor) as stream:
            while piece := stream.read(_PART):
                yield piece

    descriptors.append(
        Descriptor(digest=config["digest"], size=config["size"], media_type=config["mediaType"])
    )
    name = Path(target.path or target.repository).name.split(".")[0].lower() or "image"
    return Pushable(
        repository=f"demo/{name}",
        tag=f"v{number + 1}",
        manifest=manifest.content.decode(),
        media_type=manifest.media_type,
        blobs={item.digest: functools.partial(read, item) for item in descriptors},
    )
