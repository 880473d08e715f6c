"""Where functions run: the interpreter and processor that layers are built for."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from aws_cdk import aws_lambda


@dataclass(frozen=True)
class LambdaPlatform:
    """A Lambda runtime and architecture, and the options that make ``uv pip install`` build for them."""

    runtime: aws_lambda.Runtime
    architecture: aws_lambda.Architecture
    uv_options: tuple[str, ...]

    @classmethod
    def deployed(cls) -> LambdaPlatform:
        """What runs in an account: Python 3.14 on Graviton."""
        return cls(
            runtime=aws_lambda.Runtime.PYTHON_3_14,
            architecture=aws_lambda.Architecture.ARM_64,
            uv_options=("--python-platform", "aarch64-manylinux2014", "--python-version", "3.14"),
        )

    @classmethod
    def local(cls) -> LambdaPlatform:
        """This interpreter on this machine, so that its own workers can load what the layer holds."""
        arm = platform.machine().lower() in {"arm64", "aarch64"}
        return cls(
            runtime=aws_lambda.Runtime(
                f"python{sys.version_info.major}.{sys.version_info.minor}",
                aws_lambda.RuntimeFamily.PYTHON,
                supports_inline_code=True,
            ),
            architecture=aws_lambda.Architecture.ARM_64 if arm else aws_lambda.Architecture.X86_64,
            uv_options=("--python", sys.executable),
        )

    @property
    def name(self) -> str:
        """A word for the cache and the layer's description, for example ``python3.14-arm64``."""
        return f"{self.runtime.name}-{self.architecture.name}"
