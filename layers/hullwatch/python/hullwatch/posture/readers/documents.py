"""Bytes of a file to documents: YAML with several documents, JSON, and the API's List kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import yaml

from hullwatch.errors import UserError

Document = dict[str, Any]

#: Limits on one file. Aliases let a small YAML file stand for a huge tree: nodes are counted as visited.
MAX_BYTES = 64 << 20
MAX_NODES = 2_000_000
MAX_DEPTH = 200


class _Loader(yaml.CSafeLoader):
    """YAML as the Kubernetes API reads it: a date is a string, and a key stands once in a mapping."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._merged = self._depth = 0
        #: Mappings of the document at hand that were flattened.
        self.flat: dict[int, yaml.MappingNode] = {}

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Called before every node: the composer calls itself in C, where nothing else ends it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve merge keys, which multiply as aliases do before anything can count the result."""
        if id(node) not in self.flat:
            self.flat[id(node)] = node
            _refuse_repeated_keys(node)
            super().flatten_mapping(node)
        self._merged += len(node.value)
        if self._merged > MAX_NODES:
            raise yaml.MarkedYAMLError(problem="too many values", problem_mark=node.start_mark)


def _refuse_repeated_keys(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value[:60]!r} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))


_MERGE = "tag:yaml.org,2002:merge"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def parse(content: bytes, name: str) -> list[Document]:
    """The documents in a file, Lists unfolded and nulls left out. ``name`` is for error messages.

    Raises :class:`~hullwatch.errors.UserError` when it is neither YAML nor JSON, or too large.
    """
    return [document for _, document in parse_with_lines(content, name)]


def parse_with_lines(content: bytes, name: str) -> list[tuple[int, Document]]:
    """As :func:`parse`, each with the line, from 1, on which the document or the List it is in begins."""
    if len(content) > MAX_BYTES:
        raise UserError(f"{name}: larger than {MAX_BYTES >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 text") from error
    return [
        (line, document) for line, loaded in _load(text, name) for document in unfold(pruned(loaded, name))
    ]


def embedded(text: str, name: str) -> Any:
    """The value of a text that a field of an object holds as YAML or JSON, within the same limits.

    Raises :class:`~hullwatch.errors.UserError` when it is neither, or too large.
    """
    loaded = _load(text, name)
    return pruned(loaded[0][1], name) if loaded else None


def _load(text: str, name: str) -> list[tuple[int, Any]]:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [(1, msgspec.json.decode(text))]
        except (msgspec.DecodeError, RecursionError):
            pass  # flow style YAML, or several JSON documents
    try:
        return list(_yaml(text))
    except (yaml.YAMLError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        if "{{" in text:
            raise UserError(f"{name}: a template: render it first, as 'helm template' does{line}") from error
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{name}: not YAML or JSON: {problem}{line}") from error
    except RecursionError as error:
        raise UserError(f"{name}: nested too deeply") from error


def _yaml(text: str) -> Iterator[tuple[int, Any]]:
    loader = _Loader(text)
    try:
        while loader.check_node() and (node := loader.get_node()):
            yield node.start_mark.line + 1, loader.construct_document(node)
            loader.flat.clear()
    finally:
        loader.dispose()


def nodes(content: bytes) -> Iterator[yaml.Node]:
    """The YAML nodes of a file's documents, in the order of :func:`parse`: they know their lines.

    Only for what :func:`parse` has taken. Ends early where JSON is no YAML, for example for its tabs.
    """
    try:
        for node in yaml.compose_all(content.decode("utf-8-sig"), Loader=_Loader):
            yield from _unfolded(node)
    except (yaml.YAMLError, ValueError, RecursionError):
        return


def _unfolded(node: yaml.Node, depth: int = 0) -> Iterator[yaml.Node]:
    """As :func:`unfold`."""
    if depth > MAX_DEPTH:
        return
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _unfolded(item, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        kind, items = fields.get("kind"), fields.get("items")
        is_list = isinstance(kind, yaml.ScalarNode) and kind.value.endswith("List")
        if is_list and isinstance(items, yaml.SequenceNode):
            for item in items.value:
                yield from _unfolded(item, depth + 1)
        else:
            yield node


def unfold(document: Any) -> Iterator[Document]:
    """A document, or the items of a List or of a top-level array; anything that is no mapping is left out.

    Items of an API list do not repeat their kind: it is the list's, without ``List``.
    """
    if isinstance(document, list):
        for item in document:
            yield from unfold(item)
    elif isinstance(document, dict):
        kind, items = document.get("kind"), document.get("items")
        if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
            inherited = {"apiVersion": document.get("apiVersion", ""), "kind": kind.removesuffix("List")}
            for item in items:
                yield from unfold(
                    {**inherited, **item} if kind != "List" and isinstance(item, dict) else item
                )
        else:
            yield document


def pruned(value: Any, name: str) -> Any:
    """A copy without nulls, which mean "not set" in both APIs.

    Raises :class:`~hullwatch.errors.UserError` when it has too many or too deeply nested values.
    """
    left = MAX_NODES

    def walk(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            raise UserError(f"{name}: too many or too deeply nested values")
        if isinstance(node, dict):
            return {str(key): walk(item, depth + 1) for key, item in node.items() if item is not None}
        if isinstance(node, list):
            return [walk(item, depth + 1) for item in node if item is not None]
        return node

    return walk(value, 0)


def strings(mapping: Any) -> dict[str, str]:
    """Labels, annotations or options with every value as text; what is no mapping is empty."""
    if not isinstance(mapping, dict):
        return {}
    return {str(key): text(value) for key, value in mapping.items()}


def text(value: Any) -> str:
    """A scalar as an API would print it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def texts(value: Any) -> tuple[str, ...]:
    """The scalars in a list as text; nothing when it is not set.

    Raises :class:`msgspec.ValidationError` when it is no list: what cannot be read must not look empty.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise msgspec.ValidationError(f"Expected an array, got {type(value).__name__}")
    return tuple(text(item) for item in value)


def mappings(value: Any) -> Iterable[Document]:
    """The mappings in a list; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def at(document: Any, *path: str) -> Any:
    """The value under nested keys, or ``None``."""
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def mapping(document: Any, *path: str) -> Document:
    """The mapping under nested keys; empty when there is none."""
    found = at(document, *path)
    return found if isinstance(found, dict) else {}
