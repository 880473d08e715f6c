"""A deployed hullwatch whose feeds a test writes: publish, withdraw, refresh, and look at what came of it."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hullwatch.aws.table import unmarshal
from local_aws import demo_advisories
from local_aws.cloud import LocalCloud
from local_aws.demo_image import BuiltImage
from local_aws.mirror import read_feeds_from, served
from local_aws.pushing import create_repository, upload_missing
from stacks.local import assembly


class RematchCloud:
    """The stacks in the local AWS, reading their feeds from a directory."""

    def __init__(self, cloud: LocalCloud, mirror: Path) -> None:
        self.cloud = cloud
        self._mirror = mirror
        self._changed = time.time()
        demo_advisories.write(mirror)
        cloud.client("securityhub").enable_security_hub()
        outputs = cloud.deploy(assembly())
        self._table = outputs["hullwatch-foundation"]["TableName"]
        self._bucket = outputs["hullwatch-foundation"]["EvidenceBucket"]
        self._refresh = outputs["hullwatch-advisories"]["RefreshAdvisoriesArn"]
        self._scan = outputs["hullwatch-scan"]["ScanImageArn"]

    def publish(self, ecosystem: str, record: dict[str, Any]) -> None:
        """Write an OSV record into the mirror, in place of an older version of it."""
        path = self._mirror / "osv" / ecosystem / "all.zip"
        with zipfile.ZipFile(path) as archive:
            records = {name: archive.read(name) for name in archive.namelist()}
        records[f"{record['id']}.json"] = json.dumps(record).encode()
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in records.items():
                archive.writestr(name, text)
        self.replace(path, content.getvalue())

    def replace(self, path: Path, content: bytes) -> None:
        """Put a document into the mirror, newer than whatever was there."""
        path.write_bytes(content)
        # HTTP dates have seconds, and tests change files faster than that.
        self._changed += 60
        os.utime(path, (self._changed, self._changed))

    def refresh(self) -> str:
        """Run RefreshAdvisories to its end, and say how it ended."""
        self.cloud.fire_schedule("Refresh")
        self.cloud.wait_idle(120)
        (newest, *_) = self.cloud.client("stepfunctions").list_executions(stateMachineArn=self._refresh)[
            "executions"
        ]
        return str(newest["status"])

    def push(self, repository: str, tag: str, image: BuiltImage) -> None:
        """Push an image and wait until it is scanned."""
        ecr = self.cloud.client("ecr")
        create_repository(ecr, repository)
        upload_missing(ecr, repository, {digest: [content] for digest, content in image.blobs.items()})
        ecr.put_image(repositoryName=repository, imageManifest=image.manifest.decode(), imageTag=tag)
        self.cloud.wait_idle(60)

    def generation(self) -> str:
        """The live generation of advisories."""
        pointer = self.cloud.client("s3").get_object(Bucket=self._bucket, Key="advisories/current.json")
        return str(json.loads(pointer["Body"].read())["generation"])

    def invocations(self, function: str) -> int:
        """How often a function was called."""
        return self.cloud.faults.calls[f"worker:{function}"]

    def scans(self) -> int:
        """How many executions of ScanImage there were."""
        states = self.cloud.client("stepfunctions")
        return len(states.list_executions(stateMachineArn=self._scan)["executions"])

    def images(self) -> list[dict[str, Any]]:
        """The records of images, as the table has them."""
        return [item for item in self._items() if item["pk"].startswith("IMG#") and item["sk"] == "META"]

    def findings(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(repository, package) -> record state and time of the last update, as Security Hub has them."""
        found = self.cloud.client("securityhub").get_findings()["Findings"]
        about = {
            item["id"]: (item["repository"], item["package"])
            for item in self._items()
            if item["sk"].startswith("FND#")
        }
        return {about[entry["Id"]]: (entry["RecordState"], entry["UpdatedAt"]) for entry in found}

    def _items(self) -> Iterator[dict[str, Any]]:
        pages = self.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=self._table)
        for page in pages:
            yield from map(unmarshal, page["Items"])


@contextmanager
def deployed(mirror: Path) -> Iterator[RematchCloud]:
    """A cloud for one test, or for one module."""
    with served(mirror) as address, LocalCloud() as cloud:
        it = RematchCloud(cloud, mirror)
        read_feeds_from(cloud, address)
        yield it


def record(identifier: str, ecosystem: str, package: str, fixed: str, **more: Any) -> dict[str, Any]:
    """An OSV record for every version of a package below ``fixed``."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]
    return {
        "schema_version": "1.6.0",
        "id": identifier,
        "modified": "2024-02-02T00:00:00Z",
        "summary": "for this test",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}],
        **more,
    }
