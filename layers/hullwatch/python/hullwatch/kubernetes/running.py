"""What runs in a cluster: the images of its pods, under the workloads that they belong to."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis.iam import role_of
from hullwatch.posture.analysis.network import exposures, selected
from hullwatch.posture.model.kubernetes import ContainerView, Workload
from hullwatch.posture.model.network import Ingress, Service
from hullwatch.posture.model.running import Running
from hullwatch.posture.model.snapshot import Resource, Snapshot

_INTERNET = "reachable from the internet"
_OUTSIDE = "reachable from outside the cluster"
_NODE_PORT = "reachable through every node"


def running(snapshot: Snapshot) -> list[Running]:
    """The images that pods of the snapshot run, one for each workload, image and way of running it.

    The digest is the one that the kubelet tells (``imageID``). A container that has not started is left out,
    and so is one whose image was not pulled: its digest is none that a registry knows.
    """
    reach = snapshot.once(_reach)
    found: dict[tuple[object, ...], Running] = {}
    names: dict[tuple[object, ...], set[str]] = {}
    pods: dict[tuple[object, ...], set[str]] = {}
    for workload in snapshot.of(Workload):
        host = tuple(_of_the_pod(workload))
        where = sorted(reach.get(workload.resource, ()))
        for digest, view in _images(workload):
            exposure = (*where, *host, *_of_the_container(view))
            key = (workload.resource, digest, view.spec.image, exposure)
            names.setdefault(key, set()).add(view.spec.name)
            pods.setdefault(key, set()).add(workload.evidence or str(workload.resource))
            found[key] = Running(
                digest=digest,
                image=view.spec.image,
                kind="KubernetesPod",
                cluster=snapshot.scope.cluster,
                workload=_name(workload.resource),
                containers=tuple(sorted(names[key])),
                role=role_of(workload, snapshot)[1],
                exposure=exposure,
                count=len(pods[key]),
            )
    return [found[key] for key in sorted(found, key=lambda key: tuple(map(str, key)))]


def _name(resource: Resource) -> str:
    return f"{resource.namespace or 'default'}/{resource.kind}/{resource.name}"


def _images(workload: Workload) -> Iterator[tuple[str, ContainerView]]:
    """Digest and container of everything that a pod runs."""
    if workload.status is None:
        return
    views = {view.spec.name: view for view in workload.containers if view.list != "initContainers"}
    views |= {view.spec.name: view for view in workload.containers if view.long_running}
    statuses = (
        *workload.status.container_statuses,
        *workload.status.init_container_statuses,
        *workload.status.ephemeral_container_statuses,
    )
    for status in statuses:
        _, separator, digest = status.image_id.rpartition("@")
        view = views.get(status.name)
        if view and separator and digest.startswith("sha256:"):
            yield digest, view


def _of_the_pod(workload: Workload) -> Iterator[str]:
    spec = workload.spec
    if spec.host_network:
        yield "in the node's network"
    if spec.host_pid:
        yield "sees the node's processes"
    if any(volume.host_path for volume in workload.volumes):
        yield "mounts files of the node"


def _of_the_container(view: ContainerView) -> Iterator[str]:
    if view.security.privileged:
        yield "privileged"


def _reach(snapshot: Snapshot) -> dict[Resource, set[str]]:
    """From where each workload can be reached, in words: the widest way, and through nodes besides."""
    found: dict[Resource, set[str]] = {}
    for item in exposures(snapshot):
        found.setdefault(item.workload.resource, set()).add(_INTERNET)
    routed = {(item.namespace, name) for item in snapshot.of(Ingress) for name in item.backends}
    for service in snapshot.of(Service):
        words = set()
        if service.type == "LoadBalancer" or (service.namespace, service.name) in routed:
            words.add(_OUTSIDE)
        if service.type == "NodePort":
            words.add(_NODE_PORT)
        for workload in selected(service, snapshot) if words else ():
            known = found.setdefault(workload.resource, set())
            known |= words - ({_OUTSIDE} if _INTERNET in known else set())
    return found
