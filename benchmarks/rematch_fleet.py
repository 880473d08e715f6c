"""How many images a core matches again when the advisories have changed, and what that costs on Lambda.

A fleet of 10,000 images with 400 packages each is written to disk as stored inventories: 40 base layers of
distribution packages, 300 stacks of language packages shared among applications, and a few of each image's
own. The batches then run through the functions of the handler, with the bucket a directory and the table a
dictionary, on one core:

* ``first``: the first round, in which every image is matched and every report written;
* ``scores``: ratings of CVEs have moved, so that every image is matched, and says what it said before;
* ``package``: something else is said of a few packages, which one image in fifteen holds.

The price of a request in processor time is measured on botocore itself, with the answers given on the spot.

Run: ``python benchmarks/rematch_fleet.py [--advisories DIR | --feeds DIR]``; feeds are compiled first.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "hullwatch" / "python"))

import boto3
import msgspec
from botocore.awsrequest import AWSResponse

from hullwatch.advisories import ecosystems
from hullwatch.advisories.build import build
from hullwatch.advisories.match import Advisories
from hullwatch.advisories.shards import Shard
from hullwatch.advisories.store import DirectorySource, Manifest
from hullwatch.aws.evidence import Evidence
from hullwatch.aws.image_records import ImageRecord
from hullwatch.inventory.package import Inventory, Package
from hullwatch.pipeline import keys
from hullwatch.pipeline.rematch import BATCH, Difference, Rematch

TARGET = 1_000
BASES, STACKS = 40, 300
BASE_PACKAGES, STACK_PACKAGES, OWN_PACKAGES = 180, 180, 40
#: Distinct packages and versions of an ecosystem in the whole fleet.
POOL = 6_000
#: Of them, those that advisories speak of at all. The rest have names of our own.
SPOKEN_OF = 0.25

#: On-demand prices in us-east-1 (US dollars, 2026): Lambda per GB-second on arm64 and per request, S3
#: per GET, DynamoDB per read and write unit, Step Functions per state transition.
GB_SECOND, REQUEST, GET, READ_UNIT, WRITE_UNIT, TRANSITION = (
    13.3334e-6,
    0.2e-6,
    0.4e-6,
    0.125e-6,
    0.625e-6,
    25e-6,
)
#: What the stack gives a worker, how many there are, and how many requests each has under way.
MEMORY_GB, WORKERS, AT_A_TIME = 1.769 * 1.024**-1, 8, 8
#: What a request waits for S3 or DynamoDB, in seconds; it overlaps with the others'.
WAIT = 0.02


class Renamed:
    """A generation under another name, since two rounds need two."""

    def __init__(self, source: DirectorySource, generation: str) -> None:
        self._source, self._generation = source, generation

    def manifest(self) -> Manifest:
        return msgspec.structs.replace(self._source.manifest(), generation=self._generation)

    def fetch(self, shard: str) -> Path:
        return self._source.fetch(shard)


class Directory(Evidence):
    """The evidence bucket as a directory: what is stored is compressed and decompressed as ever."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: bytes) -> None:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def get(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            return None


class Records(dict[str, ImageRecord]):
    """The image records of one repository, by digest."""

    def get_many(self, repository: str, digests: tuple[str, ...]) -> dict[str, ImageRecord]:
        return {digest: self[digest] for digest in digests}

    def replace(self, known: ImageRecord, record: ImageRecord) -> bool:
        self[known.digest] = record
        return True

    def confirm(self, known: ImageRecord, generation: str) -> bool:
        self[known.digest] = msgspec.structs.replace(known, generation=generation)
        return True

    def indexes_of(self, repository: str, digest: str) -> tuple[str, ...]:
        return ()


class Tracks:
    """No image belongs to a track: settling is the same work for every way of matching."""

    def lineages_of(self, repository: str, digest: str) -> tuple[str, ...]:
        return ()


class Local:
    """As much of the services as a batch uses."""

    def __init__(self, source: DirectorySource, root: Path, images: Records) -> None:
        self._source, self.images, self.tracks, self.evidence = source, images, Tracks(), Directory(root)
        self._opened: dict[str, Advisories] = {}

    def advisories(self, generation: str) -> Advisories:
        if generation not in self._opened:
            self._opened[generation] = Advisories(Renamed(self._source, generation))
        return self._opened[generation]

    def timestamp(self) -> str:
        return "2026-11-24T00:00:00.000Z"


class Names:
    """Packages with real names, of which applications choose: what is popular stands in many images."""

    def __init__(self, source: DirectorySource, seed: int) -> None:
        self._source = source
        self._random = random.Random(seed)
        self._pools = {
            ecosystem: self._pool(ecosystem, shard)
            for ecosystem, shard in (("Debian:11", "debian-11"), ("npm", "npm"), ("PyPI", "pypi"))
        }

    def choose(self, ecosystem: str, count: int, layer: str) -> list[Package]:
        chosen = self._random.sample(self._pools[ecosystem], count)
        return [msgspec.structs.replace(package, layer=layer) for package in chosen]

    def _pool(self, ecosystem: str, shard: str) -> list[Package]:
        if shard not in self._source.manifest().shards:
            raise SystemExit(f"the advisories have no shard {shard}")
        opened = Shard(self._source.fetch(shard))
        try:
            known = sorted(name for name, _ in opened.packages())
        finally:
            opened.close()
        spoken_of = self._random.choices(known, k=int(POOL * SPOKEN_OF))
        others = [f"{shard[0]}-{number}" for number in range(POOL - len(spoken_of))]
        return [self._package(ecosystem, name, "") for name in spoken_of + others]

    def _package(self, ecosystem: str, name: str, layer: str) -> Package:
        major, minor, patch = (self._random.randrange(limit) for limit in (9, 30, 20))
        version = f"{major}.{minor}.{patch}"
        if ecosystem.startswith("Debian"):
            version += "-1"
            return Package(
                type="deb",
                name=name,
                version=version,
                arch="amd64",
                source_name=name,
                source_version=version,
                licenses=("GPL-2.0-or-later",),
                vendor="Debian",
                locations=("var/lib/dpkg/status",),
                ecosystem=ecosystem,
                purl=f"pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-11",
                layer=layer,
            )
        kind = ecosystem.lower()
        place = f"usr/lib/python3/site-packages/{name}-{version}.dist-info/METADATA"
        if kind == "npm":
            place = f"app/node_modules/{name}/package.json"
        return Package(
            type=kind,
            name=name,
            version=version,
            licenses=("MIT",),
            locations=(place,),
            ecosystem=ecosystem,
            purl=f"pkg:{kind}/{name}@{version}",
            layer=layer,
        )


def fleet(source: DirectorySource, root: Path, count: int) -> Iterator[ImageRecord]:
    """Write the inventories of a fleet, and give the records that go with them."""
    names, choose = Names(source, seed=1), random.Random(2)
    layers = [f"sha256:{number:064x}" for number in range(BASES + STACKS + 1)]
    bases = [names.choose("Debian:11", BASE_PACKAGES, layers[n]) for n in range(BASES)]
    stacks = [names.choose(("npm", "PyPI")[n % 2], STACK_PACKAGES, layers[BASES + n]) for n in range(STACKS)]
    evidence = Directory(root)
    for number in range(count):
        # Most images stand on a few bases, and some on each.
        base = bases[min(int(choose.expovariate(0.15)), BASES - 1)]
        stack = number % STACKS
        own = names.choose(("npm", "PyPI")[stack % 2], OWN_PACKAGES, layers[-1])
        digest = f"sha256:{number:064x}"
        packages = tuple(base + stacks[stack] + own)
        evidence.put_document(keys.inventory(digest), Inventory(digest=digest, packages=packages))
        yield ImageRecord(
            repository="fleet", digest=digest, status="ASSESSED", analyzer="1", packages=len(packages)
        )


def a_few(images: Records, root: Path) -> Difference:
    """Two changed packages, which about one image in fifteen holds."""
    evidence = Directory(root)
    spoken_of: dict[str, set[str]] = {}
    for digest in list(images)[:2]:
        inventory = evidence.get_document(keys.inventory(digest), Inventory)
        assert inventory
        package = inventory.packages[-1]
        spoken_of.setdefault(ecosystems.shard(package.ecosystem), set()).add(package.name)
    return Difference(packages={shard: frozenset(names) for shard, names in spoken_of.items()})


def round_(local: Local, before: str, after: str, difference: Difference) -> dict[str, float]:
    """Match every image again in batches, as a worker that starts cold does."""
    local.evidence.put_document(keys.difference(before, after), difference)
    worker = Rematch(local)  # type: ignore[arg-type]
    names = [("fleet", digest) for digest in local.images]
    started = time.process_time()
    changed = sum(worker.batch(before, after, names[n : n + BATCH]) for n in range(0, len(names), BATCH))
    seconds = time.process_time() - started
    assert {record.generation for record in local.images.values()} == {after}
    return {
        "images_per_second_and_core": round(len(names) / seconds),
        "another_answer": changed,
    }


def request_seconds() -> float:
    """Processor time of botocore for a GetObject of an inventory and an UpdateItem together."""
    session = boto3.Session("key", "secret", region_name="eu-central-1")
    s3, table = session.client("s3"), session.client("dynamodb")

    def answering(content: bytes) -> Callable[..., AWSResponse]:
        def answer(request: Any, **_: Any) -> AWSResponse:
            class Raw(io.BytesIO):
                def stream(self, **_: Any) -> Iterator[bytes]:
                    yield self.read()

            headers: Any = {"content-length": str(len(content))}
            return AWSResponse(request.url, 200, headers, Raw(content))

        return answer

    s3.meta.events.register("before-send.s3.GetObject", answering(b"x" * 20_000))
    table.meta.events.register("before-send.dynamodb.UpdateItem", answering(b"{}"))
    started, count = time.process_time(), 300
    for _ in range(count):
        s3.get_object(Bucket="evidence", Key=keys.inventory("sha256:0"))["Body"].read()
        table.update_item(
            TableName="table",
            Key={"pk": {"S": "IMG#fleet@sha256:0"}, "sk": {"S": "META"}},
            UpdateExpression="SET generation = :generation REMOVE outbox",
            ConditionExpression="updated_at = :at",
            ExpressionAttributeValues={":generation": {"S": "g"}, ":at": {"S": "t"}},
        )
    return (time.process_time() - started) / count


def projected(matching: float, requests: float, images: int) -> dict[str, float]:
    """Minutes with the stack's workers, and dollars, of a round in which no image has another answer."""
    seconds = max(matching + requests, 2 * WAIT / AT_A_TIME)
    batches = images / BATCH
    dollars = images * (seconds * MEMORY_GB * GB_SECOND + GET + READ_UNIT + 2 * WRITE_UNIT) + batches * (
        REQUEST + 3 * TRANSITION
    )
    return {"minutes": round(images * seconds / WORKERS / 60, 1), "dollars": round(dollars, 2)}


def main() -> int:
    shared = Path(os.environ.get("HULLWATCH_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--advisories", type=Path, help="compiled advisories")
    parser.add_argument("--feeds", type=Path, default=shared / "feeds", help="feeds to compile them of")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        compiled = arguments.advisories or root / "advisories"
        if not arguments.advisories:
            build(arguments.feeds, compiled)
        source = DirectorySource(compiled, cache=root / "cache")
        images = Records((record.digest, record) for record in fleet(source, root, arguments.images))
        stored = sum(path.stat().st_size for path in (root / "inventories").rglob("*.zst"))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        rounds = {
            name: round_(Local(source, root, images), before, after, difference)
            for name, before, after, difference in (
                ("first", "", "1", Difference(everything=True)),
                ("scores", "1", "2", Difference(everything=True)),
                ("package", "2", "3", a_few(images, root)),
            )
        }
    requests = request_seconds()
    report = {
        "images": len(images),
        "stored_kb_per_image": round(stored / len(images) / 1e3, 1),
        "vulnerabilities_per_image": round(
            sum(sum(record.vulnerabilities.values()) for record in images.values()) / len(images)
        ),
        "rounds": rounds,
        "requests_ms_per_image": round(requests * 1e3, 3),
        "projected": {
            f"{name}, {count:,} images": projected(
                1 / rounds[name]["images_per_second_and_core"], requests, count
            )
            for name in ("scores", "package")
            for count in (100_000, 1_000_000)
        },
    }
    print(json.dumps(report, indent=1))
    return (
        0
        if min(rounds[name]["images_per_second_and_core"] for name in ("scores", "package")) >= TARGET
        else 1
    )


if __name__ == "__main__":
    raise SystemExit(main())
