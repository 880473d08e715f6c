"""Deploying what ``cdk synth`` wrote: file assets to S3, then every stack after those it depends on."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.cloudformation.models import cloudformation_backends

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

# A fixed time stamp keeps equal folders equal archives.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def deploy(cloud: LocalCloud, assembly: Path) -> dict[str, dict[str, str]]:
    """Deploy a cloud assembly (a folder with ``manifest.json``). Returns the outputs of each stack by name.

    A stack that exists is updated. https://docs.aws.amazon.com/cdk/v2/guide/deploy.html
    """
    # What `cdk bootstrap` leaves behind and every synthesised template asks for.
    version = "/cdk-bootstrap/hnb659fds/version"
    cloud.client("ssm").put_parameter(Name=version, Value="30", Type="String", Overwrite=True)
    stacks: dict[str, tuple[Path, dict[str, Any]]] = {}
    for folder, name, artifact in _artifacts(assembly):
        match artifact["type"]:
            case "cdk:asset-manifest":
                _upload_assets(cloud, folder, folder / artifact["properties"]["file"])
            case "aws:cloudformation:stack":
                stacks[name] = (folder, artifact)
    outputs = {}
    for name in _in_order({name: artifact.get("dependencies", []) for name, (_, artifact) in stacks.items()}):
        folder, artifact = stacks[name]
        properties = artifact["properties"]
        template = (folder / properties["templateFile"]).read_text()
        stack_name = properties.get("stackName", name)
        outputs[stack_name] = create_stack(cloud, stack_name, template, properties.get("parameters", {}))
    return outputs


def create_stack(
    cloud: LocalCloud, name: str, template: str, parameters: dict[str, str] | None = None
) -> dict[str, str]:
    """Create or update one stack from its template text and return its outputs."""
    values = {key: value for key, value in (parameters or {}).items() if key in _parameters(template)}
    backend = cloudformation_backends[cloud.account][cloud.region]
    known = next((stack for stack in backend.stacks.values() if stack.name == name), None)
    if known is None:
        stack = backend.create_stack(name, template, values)
    else:
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
        stack = backend.update_stack(known.stack_id, template, None, listed, None)
    if not stack.status.endswith("_COMPLETE") or "ROLLBACK" in stack.status:
        raise RuntimeError(f"stack {name} ended as {stack.status}")
    return {output["OutputKey"]: output["OutputValue"] for output in stack.outputs or []}


def _parameters(template: str) -> dict[str, Any]:
    declared: dict[str, Any] = json.loads(template).get("Parameters", {})
    return declared


def _artifacts(assembly: Path) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    manifest = json.loads((assembly / "manifest.json").read_text())
    for name, artifact in manifest["artifacts"].items():
        if artifact["type"] == "cdk:cloud-assembly":
            yield from _artifacts(assembly / artifact["properties"]["directoryName"])
        else:
            yield assembly, name, artifact


def _in_order(dependencies: dict[str, list[str]]) -> Iterator[str]:
    """Every stack after those that it depends on."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done or name not in dependencies:
            return
        done.add(name)
        for needed in dependencies[name]:
            yield from visit(needed)
        yield name

    for name in dependencies:
        yield from visit(name)


def _upload_assets(cloud: LocalCloud, folder: Path, manifest: Path) -> None:
    s3 = cloud.client("s3")
    location = {"LocationConstraint": cloud.region}
    for asset in json.loads(manifest.read_text()).get("files", {}).values():
        source = folder / asset["source"]["path"]
        if source.name.endswith(".template.json"):
            continue
        for destination in asset["destinations"].values():
            bucket, key = (_fill(cloud, destination[name]) for name in ("bucketName", "objectKey"))
            if bucket not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}:
                s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
            # Keys are content hashes: stacks that share a layer share its archive.
            if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
                body = _archive(source) if asset["source"]["packaging"] == "zip" else source.read_bytes()
                s3.put_object(Bucket=bucket, Key=key, Body=body)


def _fill(cloud: LocalCloud, text: str) -> str:
    values = {"AccountId": cloud.account, "Region": cloud.region, "Partition": "aws"}
    for name, value in values.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    return text


def _archive(folder: Path) -> bytes:
    """A zip of ``folder``, uncompressed: it is unpacked again on this machine at once."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()
