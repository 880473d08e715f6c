"""Kubernetes objects, as manifests or as the API lists them, to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from hullwatch.posture.model.kubernetes import (
    ConfigMap,
    Container,
    ContainerView,
    CustomObject,
    HostPath,
    KubeletConfig,
    LimitRange,
    Meta,
    Namespace,
    Node,
    PersistentVolume,
    PodSecurityContext,
    PodSpec,
    PodStatus,
    ResourceQuota,
    ServiceAccount,
    StorageClass,
    Volume,
    Webhook,
    WebhookConfiguration,
    Workload,
)
from hullwatch.posture.model.network import (
    Gateway,
    Ingress,
    Listener,
    NetworkPolicy,
    Route,
    Service,
    ServicePort,
)
from hullwatch.posture.model.rbac import Binding, Role
from hullwatch.posture.model.snapshot import Resource, Subject, Unreadable
from hullwatch.posture.readers import network_policies
from hullwatch.posture.readers.documents import Document, at, mapping, mappings, strings, text, texts

M = TypeVar("M")

TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "ReplicationController": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
BUILT_IN_GROUPS = frozenset({"", "apps", "batch", "extensions"})
#: How deep an unknown kind is searched for pod templates.
MAX_TEMPLATE_DEPTH = 8
#: Admission adds this volume to every pod under a random name.
TOKEN_VOLUME_PREFIX = "kube-api-access-"  # noqa: S105


def is_kubernetes(document: Document) -> bool:
    """Whether a document says that it is a Kubernetes object."""
    return isinstance(document.get("apiVersion"), str) and isinstance(document.get("kind"), str)


def read(documents: Iterable[Document]) -> tuple[list[object], list[Unreadable]]:
    """Objects of the model, and what did not fit its schema. Pods are put under their top controllers."""
    objects: list[object] = []
    broken: list[Unreadable] = []
    owners: dict[tuple[str, str, str], Meta] = {}
    for document in documents:
        kind = document["kind"]
        meta = Meta(name="?")
        try:
            meta = _meta(document.get("metadata"))
            owners[meta.namespace or "default", kind, meta.name] = meta
            objects += _read_one(document, kind, meta)
        except Exception as error:  # one object must not cost the others, whatever is in it
            broken += _broken(document, meta, error)
    return _under_top_controllers(objects, owners), broken


def _read_one(document: Document, kind: str, meta: Meta) -> list[object]:
    group = document["apiVersion"].rpartition("/")[0]
    reader = READERS.get((group, kind)) or READERS.get(("*", kind))
    if reader:
        return list(reader(document, meta))
    policies = network_policies.read(document, group, kind, meta)
    if policies is not None:
        return list(policies)
    return list(_workloads(document, kind, meta)) or [_custom(document, group, kind, meta)]


def _broken(document: Document, meta: Meta, error: Exception) -> Iterator[Unreadable]:
    kind = document["kind"]
    resource = Resource(kind=kind, name=meta.name, namespace=meta.namespace)
    for subject in SUBJECTS.get(kind, (Workload,)):
        yield Unreadable(resource=resource, reason=f"the object is not readable: {error}", subject=subject)


def _convert(value: Any, kind: type[M]) -> M:
    return msgspec.convert(value, kind, strict=False)


def _meta(metadata: Any) -> Meta:
    if not isinstance(metadata, dict):
        return Meta()
    plain = {**metadata, "name": text(metadata.get("name", metadata.get("generateName", "")))}
    plain["labels"], plain["annotations"] = (
        strings(metadata.get("labels")),
        strings(metadata.get("annotations")),
    )
    return _convert(plain, Meta)


# --- Workloads ---------------------------------------------------------------------------------------------


def _workloads(document: Document, kind: str, meta: Meta) -> Iterator[Workload]:
    namespace = meta.namespace or "default"
    resource = Resource(kind=kind, name=meta.name, namespace=namespace)
    group = document["apiVersion"].rpartition("/")[0]
    known = TEMPLATES.get(kind) if group in BUILT_IN_GROUPS else None
    # An object may carry several templates, or none in a broken one; a known kind without any is unreadable.
    found = list(_templates(document, ())) if known is None else [(known, at(document, *known))]
    for path, template in found:
        if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
            raise msgspec.ValidationError(f"no pod specification at {'.'.join((*path, 'spec'))}")
        body = template["spec"]
        spec = _convert({key: body[key] for key in body if key != "volumes"}, PodSpec)
        own = meta if kind == "Pod" else _meta(template.get("metadata"))
        controlled = any(owner.controller for owner in meta.owner_references)
        mirror = "kubernetes.io/config.mirror" in meta.annotations
        yield Workload(
            resource=resource,
            api_version=document["apiVersion"],
            prefix="".join(part if part.startswith("[") else f".{part}" for part in path).lstrip(".")
            + ("." if path else ""),
            meta=own,
            owner=meta,
            spec=spec,
            volumes=tuple(_volumes(body)),
            containers=tuple(_views(spec)),
            status=_convert(document["status"], PodStatus)
            if kind == "Pod" and "status" in document
            else None,
            naked=kind == "Pod" and not meta.owner_references,
            static=kind == "Pod" and (mirror or (controlled and meta.owner_references[0].kind == "Node")),
        )


def _templates(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every pod template below ``node``: a mapping whose ``spec`` has a list of containers."""
    if len(path) > MAX_TEMPLATE_DEPTH:
        return
    if isinstance(node, dict):
        if path and isinstance(at(node, "spec", "containers"), list):
            yield path, node
            return
        for key, item in node.items():
            if isinstance(item, dict | list) and key not in ("metadata", "status"):
                yield from _templates(item, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _templates(item, (*path, f"[{index}]"))


def _views(spec: PodSpec) -> Iterator[ContainerView]:
    pod: PodSecurityContext = spec.security_context
    lists: tuple[tuple[Any, tuple[Container, ...]], ...] = (
        ("containers", spec.containers),
        ("initContainers", spec.init_containers),
        ("ephemeralContainers", spec.ephemeral_containers),
    )
    for name, items in lists:
        for index, item in enumerate(items):
            yield ContainerView(f"spec.{name}[{index}]", name, item, pod)


def _volumes(body: Document) -> Iterator[Volume]:
    volumes = body.get("volumes", [])
    if not isinstance(volumes, list) or not all(isinstance(item, dict) for item in volumes):
        raise msgspec.ValidationError("Expected an array of objects - at `$.volumes`")
    yield from map(_volume, volumes)


def _volume(item: Document) -> Volume:
    name = text(item.get("name", ""))
    if name.startswith(TOKEN_VOLUME_PREFIX):
        name = "kube-api-access"
    kinds = [key for key in item if key != "name"]
    sources = mappings(at(item, "projected", "sources"))
    secrets = [at(item, "secret", "secretName"), *(at(source, "secret", "name") for source in sources)]
    return Volume(
        name=name,
        type=kinds[0] if kinds else "emptyDir",  # the API's default
        host_path=_convert(item["hostPath"], HostPath) if "hostPath" in item else None,
        secrets=tuple(text(secret) for secret in secrets if secret),
        token=any("serviceAccountToken" in source for source in sources),
        csi_driver=text(at(item, "csi", "driver") or ""),
        secret_provider_class=text(at(item, "csi", "volumeAttributes", "secretProviderClass") or ""),
    )


def _under_top_controllers(objects: list[object], owners: dict[tuple[str, str, str], Meta]) -> list[object]:
    """Pods named after their top controller; ReplicaSets and Jobs that a controller made are left out."""
    seen: set[tuple[object, ...]] = set()
    result: list[object] = []
    for item in objects:
        if not isinstance(item, Workload) or not any(
            owner.controller for owner in item.owner.owner_references
        ):
            result.append(item)
            continue
        if item.static or item.resource.kind not in TEMPLATES:
            result.append(item)
            continue
        top = _top(item.resource, item.owner, owners)
        if item.resource.kind == "Pod":
            # Replicas with one template are judged once; the rest only bear witness, as one of them.
            moved = replace(
                item, resource=top, evidence=f"Pod/{item.resource.namespace}/{item.resource.name}"
            )
            result.append(moved)
        elif (top.namespace, top.kind, top.name) not in owners and top.kind not in TEMPLATES:
            key = (top, item.resource.name)
            if key not in seen:
                seen.add(key)
                result.append(replace(item, resource=top))
    return result


def _top(resource: Resource, meta: Meta, owners: dict[tuple[str, str, str], Meta]) -> Resource:
    for _ in range(8):  # a chain of owners is short; a ring of them is somebody's mistake
        owner = next((item for item in meta.owner_references if item.controller), None)
        if owner is None:
            return resource
        kind, name = owner.kind, owner.name
        known = owners.get((resource.namespace, kind, name))
        if known is None and kind == "ReplicaSet" and (suffix := meta.labels.get("pod-template-hash")):
            return Resource(
                kind="Deployment", name=name.removesuffix(f"-{suffix}"), namespace=resource.namespace
            )
        resource = Resource(kind=kind, name=name, namespace=resource.namespace)
        if known is None:
            return resource
        meta = known
    return resource


# --- Other kinds -------------------------------------------------------------------------------------------


def _custom(document: Document, group: str, kind: str, meta: Meta) -> CustomObject:
    body = {key: document[key] for key in document if key not in ("apiVersion", "kind", "metadata")}
    return CustomObject(meta=meta, group=group, kind=kind, body=body)


def _plain_meta(meta: Meta) -> Document:
    plain: Document = msgspec.to_builtins(meta)
    return plain


def _role(document: Document, meta: Meta) -> Iterator[Role]:
    yield _convert({**document, "metadata": _plain_meta(_namespaced(document, meta))}, Role)


def _binding(document: Document, meta: Meta) -> Iterator[Binding]:
    yield _convert({**document, "metadata": _plain_meta(_namespaced(document, meta))}, Binding)


def _namespaced(document: Document, meta: Meta) -> Meta:
    """A namespaced object without a namespace is in ``default``, as when it is applied without one."""
    if document["kind"].startswith("Cluster") or meta.namespace:
        return meta
    return msgspec.structs.replace(meta, namespace="default")


def _namespace(document: Document, meta: Meta) -> Iterator[Namespace]:
    yield Namespace(meta=meta)


def _service_account(document: Document, meta: Meta) -> Iterator[ServiceAccount]:
    yield ServiceAccount(
        meta=_namespaced(document, meta),
        automount=msgspec.convert(document.get("automountServiceAccountToken"), bool | None, strict=False),
        secrets=tuple(text(item.get("name", "")) for item in mappings(document.get("secrets"))),
    )


def _config_map(document: Document, meta: Meta) -> Iterator[ConfigMap]:
    yield ConfigMap(
        meta=_namespaced(document, meta),
        data=strings(document.get("data")),
        binary_keys=tuple(mapping(document, "binaryData")),
    )


def _limit_range(document: Document, meta: Meta) -> Iterator[LimitRange]:
    for item in mappings(at(document, "spec", "limits")):
        if item.get("type") == "Container":
            limits, requests = mapping(item, "default"), mapping(item, "defaultRequest")
            # The API fills a missing default request from the default limit.
            yield LimitRange(
                meta=_namespaced(document, meta), defaults=limits, default_requests={**limits, **requests}
            )


def _quota(document: Document, meta: Meta) -> Iterator[ResourceQuota]:
    yield ResourceQuota(meta=_namespaced(document, meta))


def _node(document: Document, meta: Meta) -> Iterator[Node]:
    info = mapping(document, "status", "nodeInfo")
    yield Node(
        meta=meta,
        os_image=text(info.get("osImage", "")),
        kernel=text(info.get("kernelVersion", "")),
        kubelet=text(info.get("kubeletVersion", "")),
        provider_id=text(at(document, "spec", "providerID") or ""),
        labels=meta.labels,
    )


def _kubelet(document: Document, meta: Meta) -> Iterator[KubeletConfig]:
    values = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
    yield KubeletConfig(source=meta.name or "kubelet", values=values)


def _node_config(document: Document, meta: Meta) -> Iterator[KubeletConfig]:
    yield KubeletConfig(
        source=meta.name or "NodeConfig", values=mapping(document, "spec", "kubelet", "config")
    )


def _webhooks(document: Document, meta: Meta) -> Iterator[WebhookConfiguration]:
    hooks = []
    for item in mappings(document.get("webhooks")):
        service, rules = mapping(item, "clientConfig", "service"), list(mappings(item.get("rules")))
        hooks.append(
            Webhook(
                name=text(item.get("name", "")),
                url=text(at(item, "clientConfig", "url") or ""),
                service=f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "",
                failure_policy=text(item.get("failurePolicy", "Fail")),
                resources=tuple(name for rule in rules for name in texts(rule.get("resources"))),
                operations=tuple(name for rule in rules for name in texts(rule.get("operations"))),
            )
        )
    yield WebhookConfiguration(meta=meta, kind=document["kind"], webhooks=tuple(hooks))


def _storage_class(document: Document, meta: Meta) -> Iterator[StorageClass]:
    yield StorageClass(
        meta=meta,
        provisioner=text(document.get("provisioner", "")),
        parameters=strings(document.get("parameters")),
    )


def _persistent_volume(document: Document, meta: Meta) -> Iterator[PersistentVolume]:
    csi = mapping(document, "spec", "csi")
    yield PersistentVolume(
        meta=meta, csi_driver=text(csi.get("driver", "")), volume_handle=text(csi.get("volumeHandle", ""))
    )


def _service(document: Document, meta: Meta) -> Iterator[Service]:
    spec = mapping(document, "spec")
    balancers = mappings(at(document, "status", "loadBalancer", "ingress"))
    yield Service(
        meta=_namespaced(document, meta),
        type=text(spec.get("type", "ClusterIP")),
        selector=strings(spec.get("selector")),
        ports=_convert(list(mappings(spec.get("ports"))), tuple[ServicePort, ...]),
        external_ips=_convert(spec.get("externalIPs", ()), tuple[str, ...]),
        source_ranges=_convert(spec.get("loadBalancerSourceRanges", ()), tuple[str, ...]),
        load_balancer_class=text(spec.get("loadBalancerClass", "")),
        hostnames=tuple(text(item["hostname"]) for item in balancers if "hostname" in item),
    )


def _ingress(document: Document, meta: Meta) -> Iterator[Ingress]:
    spec = mapping(document, "spec")
    annotation = meta.annotations.get("kubernetes.io/ingress.class", "")
    paths = [path for rule in mappings(spec.get("rules")) for path in mappings(at(rule, "http", "paths"))]
    backends = [spec.get("defaultBackend") or spec.get("backend"), *(path.get("backend") for path in paths)]
    names = [at(item, "service", "name") or at(item, "serviceName") for item in backends]
    yield Ingress(
        meta=_namespaced(document, meta),
        ingress_class=text(spec.get("ingressClassName") or annotation),
        tls=bool(spec.get("tls")),
        backends=tuple(dict.fromkeys(text(name) for name in names if name)),
    )


def _gateway(document: Document, meta: Meta) -> Iterator[Gateway]:
    spec = mapping(document, "spec")
    yield Gateway(
        meta=_namespaced(document, meta),
        gateway_class=text(spec.get("gatewayClassName", "")),
        listeners=tuple(
            Listener(
                name=text(item.get("name", "")),
                protocol=text(item.get("protocol", "")),
                port=_convert(item.get("port", 0), int),
                tls="tls" in item,
            )
            for item in mappings(spec.get("listeners"))
        ),
    )


def _route(document: Document, meta: Meta) -> Iterator[Route]:
    meta = _namespaced(document, meta)
    rules = list(mappings(at(document, "spec", "rules")))
    filters = [item for rule in rules for item in mappings(rule.get("filters"))]
    parents, references = (
        mappings(at(document, "spec", "parentRefs")),
        [item for rule in rules for item in mappings(rule.get("backendRefs"))],
    )
    yield Route(
        meta=meta,
        kind=document["kind"],
        gateways=tuple(
            (text(item.get("namespace", meta.namespace)), text(item.get("name", ""))) for item in parents
        ),
        backends=tuple(
            (text(item.get("namespace", meta.namespace)), text(item.get("name", ""))) for item in references
        ),
        redirects=any(at(item, "requestRedirect", "scheme") == "https" for item in filters),
    )


Reader = Callable[[Document, Meta], Iterable[object]]
_RBAC = "rbac.authorization.k8s.io"
_GATEWAY = "gateway.networking.k8s.io"
#: By API group and kind; ``*`` takes any group, for kinds that moved between groups over time.
READERS: dict[tuple[str, str], Reader] = {
    (_RBAC, "Role"): _role,
    (_RBAC, "ClusterRole"): _role,
    (_RBAC, "RoleBinding"): _binding,
    (_RBAC, "ClusterRoleBinding"): _binding,
    ("", "Namespace"): _namespace,
    ("", "ServiceAccount"): _service_account,
    ("", "ConfigMap"): _config_map,
    ("", "LimitRange"): _limit_range,
    ("", "ResourceQuota"): _quota,
    ("", "Node"): _node,
    ("", "Service"): _service,
    ("", "PersistentVolume"): _persistent_volume,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("kubelet.config.k8s.io", "KubeletConfiguration"): _kubelet,
    ("node.eks.aws", "NodeConfig"): _node_config,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _webhooks,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _webhooks,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("extensions", "Ingress"): _ingress,
    (_GATEWAY, "Gateway"): _gateway,
    (_GATEWAY, "HTTPRoute"): _route,
    (_GATEWAY, "GRPCRoute"): _route,
    (_GATEWAY, "TCPRoute"): _route,
    (_GATEWAY, "TLSRoute"): _route,
}  # fmt: skip
#: What an unreadable object would have been, when it is no workload.
SUBJECTS: dict[str, tuple[type[Subject], ...]] = {
    "Role": (Role,),
    "ClusterRole": (Role,),
    "RoleBinding": (Binding,),
    "ClusterRoleBinding": (Binding,),
    "Service": (Service,),
    "Ingress": (Ingress,),
    "Gateway": (Gateway,),
    "Namespace": (Namespace,),
    "ServiceAccount": (ServiceAccount,),
    "ConfigMap": (ConfigMap,),
    "NetworkPolicy": (NetworkPolicy,),
}
