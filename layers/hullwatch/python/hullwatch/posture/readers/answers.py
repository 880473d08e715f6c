"""What was read of AWS so far: objects, and answers that belong to other objects until both are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from hullwatch.posture.model import account, ecr, eks
from hullwatch.posture.model.aws import Upper
from hullwatch.posture.model.snapshot import InputState, Resource, Unreadable
from hullwatch.posture.readers.documents import mappings, strings, text

M = TypeVar("M")


class Answers:
    """What was read so far; answers about one resource are joined in :meth:`objects`."""

    def __init__(self) -> None:
        self._objects: list[Any] = []
        #: ``(kind, key)`` → attribute → value, for answers that belong to another object.
        self._joins: dict[tuple[str, str], dict[str, Any]] = {}
        self.inputs: dict[str, InputState] = {}
        self.unreadable: list[Unreadable] = []

    def add(self, item: object) -> None:
        """An object of the model."""
        self._objects.append(item)

    def add_each(self, items: Any, kind: type[Any]) -> None:
        """Every item of a list, or a single one; an item that does not fit costs only itself."""
        for item in items if isinstance(items, list) else [items]:
            try:
                self.add(convert(item, kind))
            except msgspec.ValidationError as error:
                self.broken(kind, item, error)

    def broken(self, kind: type[Any], item: Any, error: Exception) -> None:
        """Records an object that was there and could not be read; only subjects of controls need it."""
        if hasattr(kind, "INPUTS"):
            values = item.items() if isinstance(item, dict) else ()
            name = next(
                (text(value) for key, value in values if key.lower().endswith(("name", "family"))), "?"
            )
            reason = f"the answer is not readable: {error}"
            resource = Resource(kind=kind.__name__, name=name)
            self.unreadable.append(Unreadable(resource=resource, reason=reason, subject=kind))

    def join(self, kind: str, key: str, **values: Any) -> None:
        """Attributes for the object of ``kind`` that is called ``key``."""
        self._joins.setdefault((kind, key), {}).update(values)

    def joined(self, kind: str, key: str) -> dict[str, Any]:
        """What was joined for one object."""
        return self._joins.get((kind, key), {})

    def keys(self, kind: str) -> list[str]:
        """Everything that something was joined for."""
        return [key for name, key in self._joins if name == kind]

    def objects(self) -> Iterator[object]:
        """Every object with what belongs to it. Reads that never came are in ``unread``."""
        for item in self._objects:
            kind = type(item).__name__
            own = self.joined(kind, _key(item))
            extra: dict[str, Any] = {name: value for name, value in own.items() if name != "unread"}
            if wanted := FURTHER_READS.get(kind):
                unread = {read: "not read" for field, read in wanted.items() if field not in own}
                extra["unread"] = {**unread, **own.get("unread", {})}
            yield msgspec.structs.replace(item, **extra) if extra else item
        yield from self._assembled()

    def _assembled(self) -> Iterator[object]:
        for key in self.keys("Registry"):
            found = self.joined("Registry", key)
            reads = FURTHER_READS["Registry"].items()
            unread = {read: "not read" for field, read in reads if field not in found}
            values: dict[str, Any] = {name: value for name, value in found.items() if name != "unread"}
            yield ecr.Registry(registry_id=key, **values, unread={**unread, **found.get("unread", {})})
        for key in self.keys("KmsKey"):
            state = self.joined("KmsKey", key)
            if "key_state" in state:
                yield account.KmsKey(arn=key, **state)


#: Field → the read that fills it, by type.
FURTHER_READS: dict[str, dict[str, str]] = {
    kind.__name__: kind.READS for kind in (ecr.Repository, ecr.Registry, eks.AccessEntry)
}


def _key(item: object) -> str:
    match item:
        case ecr.Repository():
            return item.repository_name
        case eks.AccessEntry():
            return item.principal_arn
        case account.LogGroup():
            return item.log_group_name
        case ecr.ImageDetail():
            return item.image_digest
        case _:
            return ""


def tags(value: Any) -> dict[str, str]:
    """Tags in any of the shapes AWS gives them, as a mapping."""
    if isinstance(value, dict):
        return strings(value)
    pairs = (
        (item.get("key", item.get("Key")), item.get("value", item.get("Value", "")))
        for item in mappings(value)
    )
    return {text(name): text(content) for name, content in pairs if name is not None}


def policy_document(value: Any) -> dict[str, Any]:
    """A policy as mapping: IAM gives it URL-encoded, ECR as JSON text, the command line as an object.

    Raises :class:`ValueError` when it is no JSON object.
    """
    if isinstance(value, str):
        value = json.loads(unquote(value) if value.lstrip().startswith("%7B") else value)
    if not isinstance(value, dict):
        raise ValueError("a policy is not a JSON object")  # noqa: TRY004
    return value


def convert(value: Any, kind: type[M], **extra: Any) -> M:
    """An object of an answer as ``kind``, its tags as a mapping. Raises :class:`msgspec.ValidationError`."""
    if not isinstance(value, dict):
        raise msgspec.ValidationError("Expected an object")
    if "tags" in value or "Tags" in value:
        value = {**value, "tags": tags(value.get("tags", value.get("Tags")))}
        if issubclass(kind, Upper):
            value["Tags"] = value.pop("tags")
    return msgspec.convert({**value, **extra}, kind, strict=False)
