"""The CDK app: hullwatch in one account and Region.

``cdk deploy --all -c config=FILE`` deploys what the file says; the default is ``config/hullwatch.yaml``.
``-c local=true`` makes the same stacks for this machine's interpreter and processor: what the demo and the
end-to-end tests load into the AWS that they run here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aws_cdk import App, Tags, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from hullwatch.errors import ConfigurationError
from stacks.advisories import AdvisoriesStack
from stacks.findings import FindingsStack
from stacks.foundation import FoundationStack
from stacks.platform import LambdaPlatform
from stacks.posture import PostureStack
from stacks.questions import QuestionsStack
from stacks.scan import ScanStack
from stacks.settings import read

ROOT = Path(__file__).resolve().parent


def declare(app: App) -> None:
    """Put the stacks into an app, as its context asks.

    Raises:
        ConfigurationError: the configuration file does not fit its schema.
    """
    local = str(app.node.try_get_context("local")).lower() == "true"
    settings = read(ROOT / str(app.node.try_get_context("config") or "config/hullwatch.yaml"))
    platform = LambdaPlatform.local() if local else LambdaPlatform.deployed()
    foundation = FoundationStack(app, settings=settings)
    scan = ScanStack(app, foundation=foundation, platform=platform)
    AdvisoriesStack(app, foundation=foundation, platform=platform)
    if settings.posture.enabled:
        PostureStack(app, foundation=foundation, platform=platform, scan=scan)
    FindingsStack(app, foundation=foundation, platform=platform)
    QuestionsStack(app, foundation=foundation)
    Tags.of(app).add("application", settings.security.name_prefix)
    if not local:
        # The local runtime is whatever interpreter is here, which the checks would rightly call outdated.
        Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))


def context() -> dict[str, object]:
    """What ``cdk.json`` sets, so that this file does the same with and without the ``cdk`` command."""
    settings: dict[str, object] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return settings


def main() -> int:
    """Synthesise; the ``cdk`` command says where to, and with which context."""
    app = App(context=context())
    try:
        declare(app)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
