"""Label selectors of Kubernetes, Cilium and Calico as functions of a pod's labels and namespace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hullwatch.posture.model.network import PodMatch
from hullwatch.posture.readers.documents import mapping, mappings, strings, text, texts

Labels = Mapping[str, str]
LabelMatch = Callable[[Labels], bool]

MAX_SELECTOR = 10_000


def everything(_labels: Labels) -> bool:
    """The empty selector."""
    return True


def label_selector(selector: Any) -> LabelMatch:
    """``matchLabels`` and ``matchExpressions``; the empty selector matches everything.

    An operator that is not known matches nothing.
    """
    wanted = strings(mapping(selector, "matchLabels"))
    expressions = [
        (
            text(item.get("key", "")),
            text(item.get("operator", "")),
            set(texts(item.get("values"))),
        )
        for item in mappings(mapping(selector).get("matchExpressions"))
    ]
    if not wanted and not expressions:
        return everything

    def match(labels: Labels) -> bool:
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            _holds(labels, *expression) for expression in expressions
        )

    return match


def _holds(labels: Labels, key: str, operator: str, values: set[str]) -> bool:
    match operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def pods(selector: Any) -> PodMatch:
    """A Kubernetes pod selector, within the policy's own namespace."""
    match = label_selector(selector)
    return lambda labels, _namespace, _namespace_labels: match(labels)


def pods_and_namespaces(pod_selector: Any, namespace_selector: Any) -> PodMatch:
    """Both selectors of a cluster-wide policy."""
    match_pod, match_namespace = label_selector(pod_selector), label_selector(namespace_selector)
    return lambda labels, _namespace, namespace_labels: (
        match_pod(labels) and match_namespace(namespace_labels)
    )


_CILIUM_NAMESPACE = "io.kubernetes.pod.namespace"
_CILIUM_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."


def cilium(selector: Any) -> PodMatch:
    """A Cilium endpoint selector: sources of labels (``k8s:``) are dropped, the namespace is a label."""

    def bare(key: str) -> str:
        source, colon, name = key.partition(":")
        return name if colon and source in ("k8s", "any") else key

    plain = {
        "matchLabels": {bare(key): value for key, value in strings(mapping(selector, "matchLabels")).items()},
        "matchExpressions": [
            {**item, "key": bare(text(item.get("key", "")))}
            for item in mappings(mapping(selector).get("matchExpressions"))
        ],
    }
    match = label_selector(plain)
    if match is everything:
        return lambda _labels, _namespace, _namespace_labels: True

    def with_namespace(labels: Labels, namespace: str, namespace_labels: Labels) -> bool:
        extra = {_CILIUM_NAMESPACE_LABELS + key: value for key, value in namespace_labels.items()}
        return match({**labels, **extra, _CILIUM_NAMESPACE: namespace})

    return with_namespace


# Calico's selector language: https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#selector
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"]*"|'[^']*')|(?P<operator>&&|\|\||==|!=|!|\(|\)|\{|\}|,)"""
    r"""|(?P<word>[A-Za-z0-9_./-]+))"""
)


class SelectorSyntax(ValueError):
    """A Calico selector that does not parse."""


def calico(selector: str, namespace_selector: str = "") -> PodMatch:
    """Calico ``selector`` and ``namespaceSelector``; empty selects everything.

    Raises :class:`SelectorSyntax`.
    """
    match_pod, match_namespace = calico_labels(selector), calico_labels(namespace_selector)

    def match(labels: Labels, namespace: str, namespace_labels: Labels) -> bool:
        own = {**labels, "projectcalico.org/namespace": namespace, "projectcalico.org/orchestrator": "k8s"}
        names = {**namespace_labels, "projectcalico.org/name": namespace}
        return match_pod(own) and match_namespace(names)

    return match


def calico_labels(selector: str) -> LabelMatch:
    """An expression of Calico's language as a function of labels. Raises :class:`SelectorSyntax`."""
    if len(selector) > MAX_SELECTOR:
        raise SelectorSyntax("selector too long")
    tokens = list(_tokens(selector))
    if not tokens:
        return everything
    parser = _Parser(tokens)
    match = parser.any_of(0)
    if parser.peek() is not None:
        raise SelectorSyntax(f"unexpected {parser.peek()!r}")
    return match


def _tokens(selector: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(selector.rstrip()):
        found = _TOKEN.match(selector, position)
        if found is None:
            raise SelectorSyntax(f"unexpected character at {position}")
        kind = found.lastgroup or ""
        yield kind, found[kind][1:-1] if kind == "string" else found[kind]
        position = found.end()


class _Parser:
    """Recursive descent over ``||``, ``&&``, ``!`` and the comparisons."""

    MAX_DEPTH = 50

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._next = 0

    def peek(self) -> str | None:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else None

    def any_of(self, depth: int) -> LabelMatch:
        parts = [self._all_of(depth)]
        while self._accept("||"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else lambda labels: any(part(labels) for part in parts)

    def _all_of(self, depth: int) -> LabelMatch:
        parts = [self._term(depth)]
        while self._accept("&&"):
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else lambda labels: all(part(labels) for part in parts)

    def _term(self, depth: int) -> LabelMatch:
        if depth > self.MAX_DEPTH:
            raise SelectorSyntax("nested too deeply")
        if self._accept("!"):
            inner = self._term(depth + 1)
            return lambda labels: not inner(labels)
        if self._accept("("):
            inner = self.any_of(depth + 1)
            self._expect(")")
            return inner
        key = self._take("word")
        if key in ("all", "global", "has") and self._accept("("):
            if key == "has":
                name = self._take("word")
                self._expect(")")
                return lambda labels: name in labels
            self._expect(")")
            return everything
        return self._comparison(key)

    def _comparison(self, key: str) -> LabelMatch:
        if self._accept("=="):
            value = self._take("string")
            return lambda labels: labels.get(key) == value
        if self._accept("!="):
            value = self._take("string")
            return lambda labels: labels.get(key) != value
        negated = self._accept("not")
        match self._take("word"):
            case "in":
                values = self._set()
                if negated:
                    return lambda labels: key not in labels or labels[key] not in values
                return lambda labels: labels.get(key) in values
            case "contains" if not negated:
                part = self._take("string")
                return lambda labels: part in labels.get(key, "")
            case "starts" if not negated:
                self._expect("with")
                start = self._take("string")
                return lambda labels: key in labels and labels[key].startswith(start)
            case "ends" if not negated:
                self._expect("with")
                end = self._take("string")
                return lambda labels: key in labels and labels[key].endswith(end)
            case other:
                raise SelectorSyntax(f"unknown operator {other!r}")

    def _set(self) -> frozenset[str]:
        self._expect("{")
        values = []
        while not self._accept("}"):
            values.append(self._take("string"))
            self._accept(",")
        return frozenset(values)

    def _accept(self, token: str) -> bool:
        if self.peek() == token and self._tokens[self._next][0] != "string":
            self._next += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise SelectorSyntax(f"expected {token!r}")

    def _take(self, kind: str) -> str:
        if self._next >= len(self._tokens) or self._tokens[self._next][0] != kind:
            raise SelectorSyntax(f"expected a {kind}")
        self._next += 1
        return self._tokens[self._next - 1][1]
