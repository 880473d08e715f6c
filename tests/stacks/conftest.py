from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from stacks.local import assembly as local_assembly
from tests.stacks.assembly import Assembly, synthesise

#: As far from the defaults as a configuration can be.
STRICT = """
scan: {include: ["prod/*:*", "base-[0-9]:*"], exclude: ["*:cache-*"]}
tracks: [{match: "prod/*:release-*", name: release}]
findings: {group_by: vulnerability, minimum_priority: P2, manage_hub: true}
advisories: {feeds: [osv, kev], refresh: "cron(0 3 * * ? *)", mirror: "https://mirror.example/feeds"}
posture:
  schedule: rate(12 hours)
  clusters:
    - name: prod
      access: true
      network: {subnets: [subnet-aaaaaaaaaaaaaaaaa], security_groups: [sg-aaaaaaaaaaaaaaaaa]}
    - {name: shared, access: true}
network: {subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0]}
security:
  customer_key: true
  permissions_boundary: acme-boundary
  name_prefix: acme-scan
  removal: destroy
  log_retention_days: 365
alarms: {email: security@example.com}
"""


def _once(directory: Path, **context: str) -> Assembly:
    """Synthesise once per test run: the first worker does it, the others wait for its result."""
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "manifest.json").exists():
            return synthesise(directory, **context)
    return Assembly(directory)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A directory that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def assembly(shared: Path) -> Assembly:
    """What is deployed with the defaults."""
    return _once(shared / "default")


@pytest.fixture(scope="session")
def strict(shared: Path) -> Assembly:
    """What is deployed with :data:`STRICT`."""
    configuration = shared / "strict.yaml"
    configuration.write_text(STRICT)
    return _once(shared / "strict", config=str(configuration))


@pytest.fixture(scope="session")
def local() -> Assembly:
    """What is loaded into the AWS on this machine."""
    return Assembly(local_assembly())
