"""A survey of one cluster: the objects that the controls want, and how well each input was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hullwatch.errors import (
    AccessRefused,
    CertificateUntrusted,
    ClusterUnreachable,
    HullwatchError,
    NotAuthenticated,
    UserError,
)
from hullwatch.kubernetes.api import Document, KubernetesApi
from hullwatch.kubernetes.discovery import Discovery, Served
from hullwatch.kubernetes.reachability import Obstacle, obstacle
from hullwatch.kubernetes.resources import NEVER_READ, group_of, is_resource, read_from
from hullwatch.posture.model.snapshot import InputState, Status
from hullwatch.posture.readers.documents import at, mapping, pruned

#: Pods that have ended run nothing, and a cluster keeps them for long.
_QUERIES = {"pods": {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}}
#: The state of an input that is read from several resources is the worst of theirs.
_WORST: tuple[Status, ...] = ("forbidden", "unavailable", "not-read", "partial", "read", "absent")
_PENDING = InputState("not-read", "the survey did not come to it")


class ClusterSurvey:
    """Reads what is wanted of one cluster, once.

    ``wanted`` are names of inputs; those of AWS are passed over. ``inputs`` says how each was read, and is
    complete when :meth:`documents` has ended::

        snapshot = build(survey.documents(), inputs=survey.inputs, scope=scope)
    """

    def __init__(self, api: KubernetesApi, wanted: Iterable[str]) -> None:
        self._api = api
        self._wanted = sorted(filter(is_resource, wanted))
        self._states: dict[str, InputState] = {}
        self.inputs: dict[str, InputState] = {}
        #: Why nothing could be read at all.
        self.obstacle: Obstacle | None = None
        self._conclude()

    def documents(self) -> Iterator[Document]:
        """The objects, with ``apiVersion`` and ``kind``, without nulls and the records of field managers.

        Raises nothing for what the cluster refuses or fails to give: that is in :attr:`inputs`.
        """
        resources = sorted({name for item in self._wanted for name in read_from(item)})
        try:
            discovery = self._api.discovery({group_of(name) for name in resources})
        except HullwatchError as error:
            self._stop(resources, error)
            return
        for position, name in enumerate(resources):
            try:
                yield from self._read(name, discovery)
            except (NotAuthenticated, ClusterUnreachable, CertificateUntrusted) as error:
                # The others would fare no better.
                self._stop(resources[position:], error)
                return
            self._conclude()
        self._look_for_a_role()

    def _read(self, name: str, discovery: Discovery) -> Iterator[Document]:
        group = group_of(name)
        found = discovery.find(name)
        if not found:
            unknown = discovery.unknown.get(group)
            self._states[name] = InputState("unavailable", unknown) if unknown else InputState("absent")
            return
        states: list[InputState] = []
        for resource in found:
            yield from self._list(resource, states)
        self._states[name] = _worst(states)

    def _list(self, resource: Served, states: list[InputState]) -> Iterator[Document]:
        count = unreadable = 0
        try:
            for document in self._api.list(resource, **_QUERIES.get(resource.name, {})):
                count += 1
                if _is_former(document):
                    continue
                mapping(document, "metadata").pop("managedFields", None)
                try:
                    plain = pruned(document, resource.name)
                except UserError:
                    unreadable += 1
                    continue
                yield plain
        except (NotAuthenticated, ClusterUnreachable, CertificateUntrusted):
            raise
        except HullwatchError as error:
            states.append(_state(error, count))
            return
        detail = f"{unreadable} of {count} {resource.name} are not readable" if unreadable else ""
        states.append(InputState("partial" if unreadable else "read", detail))

    def _stop(self, resources: Iterable[str], error: HullwatchError) -> None:
        self.obstacle = obstacle(error)
        state = _state(error, 0)
        self._states |= dict.fromkeys(resources, InputState(state.status, str(self.obstacle)))
        self._conclude()

    def _look_for_a_role(self) -> None:
        """A cluster that refuses everything it serves has not been told what we may read."""
        states = [state for state in self._states.values() if state.status != "absent"]
        if states and all(state.status == "forbidden" for state in states):
            self.obstacle = Obstacle(reason="permission", detail=states[0].detail)

    def _conclude(self) -> None:
        for name in self._wanted:
            if name in NEVER_READ:
                self.inputs[name] = InputState("not-read", NEVER_READ[name])
            else:
                self.inputs[name] = _worst([self._states.get(item, _PENDING) for item in read_from(name)])


def _is_former(document: Document) -> bool:
    """A ReplicaSet that its Deployment keeps for a rollback: it has no pods and will have none."""
    owned = any(
        item.get("controller") is True
        for item in at(document, "metadata", "ownerReferences") or ()
        if isinstance(item, dict)
    )
    return document["kind"] == "ReplicaSet" and owned and at(document, "spec", "replicas") == 0


def _worst(states: list[InputState]) -> InputState:
    return min(states, key=lambda state: _WORST.index(state.status), default=InputState("absent"))


def _state(error: HullwatchError, count: int) -> InputState:
    """What an error says of the resource that it came from, after ``count`` objects."""
    if count:
        return InputState("partial", f"the list broke off after {count}: {error}")
    return InputState("forbidden" if isinstance(error, AccessRefused) else "unavailable", str(error))
