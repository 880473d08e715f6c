"""The two layers of every function: the library, and the third-party packages it needs.

Packages are installed by uv for the function's platform and not for this machine, so no container engine is
involved. What uv made is kept under ``.cache/layers`` by the digest of the lock and the platform: a second
synthesis is offline and at once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec
from aws_cdk import AssetHashType, aws_lambda
from constructs import Construct
from uv import find_uv_bin

from hullwatch.settings import EXCEPTIONS_FILE, EXCEPTIONS_PACKAGE
from stacks.platform import LambdaPlatform
from stacks.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "layers/hullwatch"
LOCK = ROOT / "layers/dependencies/requirements.txt"
CACHE = ROOT / ".cache/layers"
EXCEPTIONS = ROOT / ".cache/exceptions"

#: Only the machine of a person runs the command line.
_NOT_IN_THE_LAYER = ["python/hullwatch/cli", "**/__pycache__", "**/*.pyc", "**/.*"]


class Layers(Construct):
    """The library and its dependencies as layer versions of one stack.

    Every stack has its own: a layer version that several stacks import could never change, because
    CloudFormation refuses to update an export that is in use.
    """

    def __init__(self, scope: Construct, construct_id: str, *, platform: LambdaPlatform) -> None:
        super().__init__(scope, construct_id)
        self.platform = platform
        directory = install_dependencies(platform)
        dependencies = aws_lambda.LayerVersion(
            self,
            "Dependencies",
            code=aws_lambda.Code.from_asset(
                str(directory), asset_hash=directory.name, asset_hash_type=AssetHashType.CUSTOM
            ),
            description=f"Third-party packages of hullwatch, {platform.name}",
            compatible_architectures=[platform.architecture],
            compatible_runtimes=[platform.runtime],
        )
        library = aws_lambda.LayerVersion(
            self,
            "Library",
            code=aws_lambda.Code.from_asset(str(LIBRARY), exclude=_NOT_IN_THE_LAYER),
            description="The hullwatch library",
            compatible_runtimes=[platform.runtime],
        )
        self.versions = [library, dependencies]


def exceptions_layer(scope: Construct, settings: Settings) -> aws_lambda.LayerVersion:
    """The accepted risks of the configuration, for the function that judges.

    A layer changes with the configuration, holds any number of them, and needs no permission to be read.
    """
    content = msgspec.json.encode(settings.accepted_risks())
    directory = EXCEPTIONS / hashlib.sha256(content).hexdigest()
    package = directory / "python" / EXCEPTIONS_PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    (package / EXCEPTIONS_FILE).write_bytes(content)
    return aws_lambda.LayerVersion(
        scope,
        "Exceptions",
        code=aws_lambda.Code.from_asset(str(directory)),
        description="Accepted risks of hullwatch's configuration",
    )


def install_dependencies(platform: LambdaPlatform) -> Path:
    """A directory that holds ``python/`` with the locked packages, built once per lock and platform."""
    options = ("--only-binary", ":all:", "--require-hashes", "--no-deps", *platform.uv_options)
    key = hashlib.sha256(LOCK.read_bytes())
    key.update(repr((platform.name, options)).encode())
    finished = CACHE / key.hexdigest()
    if finished.is_dir():
        return finished
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        building = Path(name) / "layer"
        packages = building / "python"
        command = [find_uv_bin(), "pip", "install", "--quiet", "--link-mode", "copy", *options]
        subprocess.run([*command, "--target", packages, "-r", LOCK], check=True)  # noqa: S603 - our own arguments
        shutil.rmtree(packages / "bin", ignore_errors=True)
        (packages / ".lock").unlink(missing_ok=True)
        try:
            building.replace(finished)
        except OSError:
            # Another process was faster.
            if not finished.is_dir():
                raise
    return finished
