"""Images as they are built: configuration, history, and what their layers hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hullwatch.posture.analysis import secret_values
from hullwatch.posture.analysis.images import runs_as_root
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.analysis.times import days_between
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.ecs import TaskDefinition
from hullwatch.posture.model.image import BuiltImage
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.snapshot import Snapshot

_ASSIGNMENT = re.compile(r"""\b([A-Za-z_][A-Za-z0-9_]*)=("[^"]*"|'[^']*'|\S+)""")
_REMOTE = re.compile(
    r"(?:^|\s)ADD\s+(?:--\S+\s+)*https?://|(?:curl|wget)\s[^|;&]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b",
    re.IGNORECASE,
)
#: Scheme, host and path, without user information and query.
_ADDRESS = re.compile(r"""https?://(?:[^\s/@'"]*@)?([^\s?#'"|;)]+)""")
#: Set-id files that every distribution has in its base image.
_USUAL_SETID = frozenset(
    {
        "bin/mount", "bin/ping", "bin/su", "bin/umount", "sbin/unix_chkpwd", "usr/bin/chage", "usr/bin/chfn",
        "usr/bin/chsh", "usr/bin/expiry", "usr/bin/gpasswd", "usr/bin/mount", "usr/bin/newgrp",
        "usr/bin/su", "usr/bin/passwd", "usr/bin/umount", "usr/bin/wall", "usr/bin/write", "bin/bbsuid",
        "usr/bin/bsd-write",
        "usr/sbin/pam_extrausers_chkpwd", "usr/sbin/unix_chkpwd", "sbin/pam_extrausers_chkpwd",
    }
)  # fmt: skip
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "busybox"})


@control("image.user.root", BuiltImage)
def root_user(image: BuiltImage, snapshot: Snapshot) -> Iterator[Outcome]:
    if runs_as_root(image.config.user) and image.digest not in snapshot.once(_forced_digests):
        yield Violation(path="config.User", value=image.config.user or None)


def _forced_digests(snapshot: Snapshot) -> frozenset[str]:
    """Digests that run only in pods that make them run as somebody else."""
    forced: dict[str, bool] = {}
    for workload in snapshot.of(Workload):
        views = {view.spec.name: view for view in workload.containers}
        for status in workload.status.container_statuses if workload.status else ():
            digest, view = status.image_id.rpartition("@")[2], views.get(status.name)
            safe = view is not None and bool(view.run_as_user)
            forced[digest] = forced.get(digest, True) and safe
    return frozenset(digest for digest, safe in forced.items() if safe)


@control("image.secrets.baked", BuiltImage)
def baked_secret(image: BuiltImage, _: Snapshot) -> Iterator[Outcome]:
    places = [
        (f"config.Env[{index}]", *entry.partition("=")[::2]) for index, entry in enumerate(image.config.env)
    ]
    places += [(f"config.Labels[{key}]", key, value) for key, value in image.config.labels.items()]
    for index, step in enumerate(image.config.history):
        places.append((f"history[{index}].created_by", "", step.created_by))
        pairs = _ASSIGNMENT.findall(step.created_by)
        places += [(f"history[{index}].created_by", name, value.strip("\"'")) for name, value in pairs]
    seen: set[tuple[str, str]] = set()
    for path, name, value in places:
        secret = secret_values.find(name, value)
        if secret and (path, secret.fingerprint) not in seen:
            seen.add((path, secret.fingerprint))
            yield Violation(path=path, value=str(secret))


@control("image.ssh.server", BuiltImage)
def ssh_server(image: BuiltImage, _: Snapshot) -> Iterator[Outcome]:
    for index, port in enumerate(image.config.exposed_ports):
        if port in ("22", "22/tcp"):
            yield Violation(path=f"config.ExposedPorts[{index}]", value=port)
    words = {
        word.rpartition("/")[2]
        for part in (*image.config.entrypoint, *image.config.command)
        for word in part.split()
    }
    if "sshd" in words:
        yield Violation(path="config.Cmd", value="sshd")


@control("image.healthcheck.missing", BuiltImage)
def no_healthcheck(image: BuiltImage, snapshot: Snapshot) -> Iterator[Outcome]:
    checks = image.config.healthcheck
    probed = {image.digest, image.repository} & snapshot.once(_probed_images)
    if (not checks or checks[0] == "NONE") and not probed:
        yield Violation(path="config.Healthcheck", value=list(image.config.healthcheck) or None)


def _probed_images(snapshot: Snapshot) -> frozenset[str]:
    """Images, by digest or by name and tag, that some workload checks the health of."""
    probed = [
        view.spec.image
        for workload in snapshot.of(Workload)
        for view in workload.containers
        if view.spec.liveness_probe
    ] + [
        item.image
        for definition in snapshot.of(TaskDefinition)
        for item in definition.container_definitions
        if item.health_check
    ]
    references = [parse_reference(image) for image in probed]
    return frozenset(item.digest or f"{item.name}:{item.tag or 'latest'}" for item in references)


@control("image.build.remote-add", BuiltImage)
def remote_add(image: BuiltImage, _: Snapshot) -> Iterator[Outcome]:
    for index, step in enumerate(image.config.history):
        if _REMOTE.search(step.created_by):
            # The whole step may hold credentials; its addresses tell enough.
            addresses = _ADDRESS.findall(step.created_by)
            yield Violation(
                path=f"history[{index}].created_by", value=", ".join(addresses) or "piped to a shell"
            )


@control("image.age.old", BuiltImage)
def old_image(image: BuiltImage, snapshot: Snapshot) -> Iterator[Outcome]:
    # Reproducible builds set the creation time to the epoch or to a source date.
    built = image.config.created if image.config.created[:4] > "1980" else ""
    days = days_between(built or image.pushed_at, snapshot.now)
    if days is None:
        yield Unknown("neither the build nor the push time is known")
    elif days > snapshot.parameters.image_max_age_days:
        # The date, not the age: what is said must not change by itself.
        yield Violation(path="created", value=(built or image.pushed_at)[:10])


@control("image.base.eol", BuiltImage)
def base_end_of_life(image: BuiltImage, snapshot: Snapshot) -> Iterator[Outcome]:
    if image.os_end_of_life is None:
        yield Unknown("the distribution's end of life is not known")
        return
    past = days_between(image.os_end_of_life, snapshot.now)
    if past is not None and past > -90:
        severity: Severity | None = None if past >= 0 else "low"
        value = f"{image.os_id} {image.os_version} ends {image.os_end_of_life}"
        yield Violation(path="os-release", value=value, severity=severity)


@control("image.base.not-minimal", BuiltImage)
def not_minimal(image: BuiltImage, snapshot: Snapshot) -> Iterator[Outcome]:
    if image.os_packages is None or image.tools is None:
        yield Unknown("the image's layers were not read")
        return
    if image.os_packages > snapshot.parameters.minimal_image_packages:
        yield Violation(path="packages", value=image.os_packages)
    names = {tool.rpartition("/")[2] for tool in image.tools}
    if names & _SHELLS and names - _SHELLS:
        yield Violation(path="tools", value=sorted(names))


@control("image.setuid.binaries", BuiltImage)
def setid_files(image: BuiltImage, _: Snapshot) -> Iterator[Outcome]:
    if image.setid_files is None:
        yield Unknown("the image's layers were not read")
        return
    if unusual := sorted(set(image.setid_files) - _USUAL_SETID):
        yield Violation(path="files", value=unusual)
