"""Which file, and which line of it, holds what a result is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import yaml

from hullwatch.posture.model.snapshot import Resource
from hullwatch.posture.readers import aws, kubernetes
from hullwatch.posture.readers.documents import Document, nodes, parse_with_lines

#: Files larger than this, in bytes, are not parsed a second time: their results name the document's line.
MAX_LINED_BYTES = 4 << 20

_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class Place(msgspec.Struct, frozen=True):
    """A file and a line in it, from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class _Origin(msgspec.Struct, frozen=True):
    """A document: the file's name and bytes, its number among the file's documents, and its first line."""

    file: str
    content: bytes
    number: int
    line: int
    document: Document


class Sources:
    """The files of one check. Places are worked out when the first is asked for."""

    def __init__(self) -> None:
        self._unplaced: list[_Origin] = []
        self._origins: dict[Resource, _Origin] = {}
        self._nodes: dict[str, list[yaml.Node]] = {}

    def add(self, content: bytes, file: str) -> list[Document]:
        """The documents of a file that are Kubernetes objects or answers of AWS.

        Raises :class:`~hullwatch.errors.UserError` when it is neither YAML nor JSON, or too large.
        """
        known = [
            _Origin(file, content, number, line, document)
            for number, (line, document) in enumerate(parse_with_lines(content, file))
            if kubernetes.is_kubernetes(document) or aws.is_answer(document)
        ]
        self._unplaced += known
        return [origin.document for origin in known]

    def place(self, resource: Resource, path: str = "") -> Place | None:
        """Where a resource stands, and in it what a violation's path leads to, as far as it can be followed.

        ``None`` for what no file holds, such as the account or the cluster as a whole.
        """
        while self._unplaced:
            origin = self._unplaced.pop()
            # Files are read from the last to the first, so that of two with the same object the first wins.
            self._origins.update(dict.fromkeys(map(_plain, _resources(origin.document)), origin))
        origin_of = self._origins.get(_plain(resource))
        if origin_of is None:
            return None
        return Place(origin_of.file, self._line(origin_of, path))

    def _line(self, origin: _Origin, path: str) -> int:
        if not path or len(origin.content) > MAX_LINED_BYTES:
            return origin.line
        if origin.file not in self._nodes:
            self._nodes[origin.file] = list(nodes(origin.content))
        found = self._nodes[origin.file]
        return _line_of(found[origin.number], path) if origin.number < len(found) else origin.line


def _plain(resource: Resource) -> Resource:
    """Without what one reader knows and another does not."""
    return Resource(kind=resource.kind, namespace=resource.namespace, name=resource.name)


def _resources(document: Document) -> Iterator[Resource]:
    """What a document alone is about."""
    if kubernetes.is_kubernetes(document):
        objects, broken = kubernetes.read([document])
    else:
        answers = aws.read([document])
        objects, broken = list(answers.objects()), answers.unreadable
    yield from (item.resource for item in broken)
    for item in objects:
        resource = getattr(item, "resource", None)
        if isinstance(resource, Resource):
            yield resource


def _line_of(document: yaml.Node, path: str) -> int:
    node, line = document, document.start_mark.line
    for inner in _values(node):
        # An answer about one object wraps it under its own name.
        if inner[0] in aws.ONE_OBJECT:
            node = inner[2]
    for match in _STEP.finditer(path):
        step = match[1] if match[1] is not None else match[2]
        found = next((entry for entry in _values(node) if entry[0] == step), None)
        if found is None:
            break
        _, line, node = found
    return line + 1


def _values(node: yaml.Node) -> Iterator[tuple[str, int, yaml.Node]]:
    """Name or index, line and value of everything directly in a node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield str(index), value.start_mark.line, value
