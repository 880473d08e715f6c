"""One snapshot: the objects that were read, and how well each kind of input was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast, runtime_checkable

import msgspec

from hullwatch.posture.parameters import DEFAULTS, Parameters

#: A Kubernetes minor version as ``(1, 34)``.
Version = tuple[int, int]
#: Stands for "the newest rules there are", as ``latest`` does in Pod Security labels.
LATEST: Version = (1, 999)

#: ``absent`` means the API says the kind does not exist there (a CRD that is not installed): read, and empty.
#: ``partial`` means there may be more than what was read, as with a folder of manifests.
Status = Literal["read", "absent", "partial", "forbidden", "unavailable", "not-read"]


class InputState(msgspec.Struct, frozen=True):
    """How one kind of input was read, and what stood in the way."""

    status: Status
    detail: str = ""

    @property
    def usable(self) -> bool:
        """Whether what there is may be judged at all."""
        return self.status in ("read", "absent", "partial")

    @property
    def complete(self) -> bool:
        """Whether nothing can be missing."""
        return self.status in ("read", "absent")


READ = InputState("read")
PARTIAL = InputState("partial", "only the given files were read")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_READ = InputState("not-read")


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a snapshot covers. ``cluster`` is the name of the EKS cluster its Kubernetes objects are from."""

    account: str = ""
    region: str = ""
    cluster: str = ""


NO_SCOPE = Scope()


class Resource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a result is about: a top controller, a cluster object or an AWS resource without its revision."""

    kind: str
    name: str
    namespace: str = ""
    arn: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was there and does not fit its schema; ``kind`` as written in it."""

    resource: Resource
    reason: str
    subject: type


@runtime_checkable
class Subject(Protocol):
    """What a control can be about. ``INPUTS`` names the inputs that list its objects.

    A derived subject may name in ``SOURCES`` the types it is made from: one of these that is unreadable costs
    it a verdict.
    """

    INPUTS: ClassVar[tuple[str, ...]]

    @property
    def resource(self) -> Resource: ...


S = TypeVar("S")
T = TypeVar("T")


class Snapshot:
    """Everything that was read at one time, indexed by type. Immutable once built.

    ``inputs`` is keyed by what an API calls it: Kubernetes resources as ``plural`` or ``plural.group``
    (``pods``, ``networkpolicies.networking.k8s.io``), AWS reads as ``service:Operation``. ``default`` and
    ``kubernetes_default`` hold for what is not there. ``level`` is the Pod Security level that was asked for,
    if one was. ``now`` is the time ages are measured at.
    """

    def __init__(
        self,
        objects: Iterable[object] = (),
        *,
        scope: Scope = NO_SCOPE,
        inputs: Mapping[str, InputState] | None = None,
        default: InputState = NOT_READ,
        kubernetes_default: InputState | None = None,
        unreadable: tuple[Unreadable, ...] = (),
        kubernetes_version: Version = LATEST,
        level: str = "",
        now: datetime = EPOCH,
        parameters: Parameters = DEFAULTS,
    ) -> None:
        self.scope = scope
        self.inputs = dict(inputs or {})
        self._default = default
        self._kubernetes_default = kubernetes_default or default
        self.unreadable = unreadable
        self.kubernetes_version = kubernetes_version
        self.level = level
        self.now = now
        self.parameters = parameters
        self._objects: dict[type, list[object]] = {}
        self._derived: dict[object, Any] = {}
        for item in objects:
            self._objects.setdefault(type(item), []).append(item)

    def of(self, kind: type[S]) -> list[S]:
        """All objects of a type; one with a ``derive(snapshot)`` class method is worked out on first use."""
        derive = getattr(kind, "derive", None)
        if derive is not None and kind not in self._objects:
            self._objects[kind] = list(derive(self))
        return cast("list[S]", self._objects.get(kind, []))

    def once(self, compute: Callable[[Snapshot], T]) -> T:
        """``compute(snapshot)``, remembered for the life of the snapshot."""
        if compute not in self._derived:
            self._derived[compute] = compute(self)
        return cast("T", self._derived[compute])

    def state(self, name: str) -> InputState:
        """How an input was read."""
        return self.inputs.get(name) or (self._default if ":" in name else self._kubernetes_default)

    def missing(self, *names: str) -> str:
        """Why the first of these inputs cannot be used, in words; empty when all can."""
        for name in names:
            state = self.state(name)
            if not state.usable:
                return describe(name, state)
        return ""

    def incomplete(self, *names: str) -> str:
        """Why the first of these inputs may lack something, in words; empty when none does."""
        for name in names:
            state = self.state(name)
            if not state.complete:
                return describe(name, state)
        return ""


def describe(name: str, state: InputState) -> str:
    """One clause for people: ``pods: forbidden (no list permission)``."""
    words = {"not-read": "not read", "partial": "only partly read"}
    text = f"{name}: {words.get(state.status, state.status)}"
    return f"{text} ({state.detail})" if state.detail else text


def parse_version(text: str) -> Version:
    """``1.34``, ``v1.34.2-eks-1`` or ``1.34+`` as ``(1, 34)``; ``latest`` and empty as :data:`LATEST`.

    Raises :class:`ValueError` for anything else.
    """
    if text in ("", "latest"):
        return LATEST
    match = re.match(r"v?(\d+)\.(\d+)(?:[.+-]|$)", text)
    if match is None:
        raise ValueError(f"not a Kubernetes version: {text!r}")
    return int(match[1]), int(match[2])
