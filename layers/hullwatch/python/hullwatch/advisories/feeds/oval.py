"""OVAL definitions of package versions (https://oval.mitre.org/language/version5.11/).

A definition is a tree of criteria; a criterion names a test, the test an object (the package) and a state (an
operation on its version). Definitions come before what they name, so a document is read twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

import msgspec

from hullwatch.advisories.feeds.xml import elements, text_of

_LIMIT = 4096 * 1024 * 1024
_NAME = re.compile(r"[\w.+-]{1,200}")
_EARLIER = re.compile(r"([\w.+-]{1,200}) is earlier than (\S{1,400})")
_EVR = re.compile(r"(?:(\d{1,9}):)?([\w.+~^]{1,200}(?:-[\w.+~^]{1,200})?)")

#: Name of the package, operation, version.
_Test = tuple[str, "Operation", str]
Operation = Literal["less than", "less than or equal", "greater than"]
_OPERATIONS: dict[str, Operation] = {
    "less than": "less than",
    "less than or equal": "less than or equal",
    "greater than": "greater than",
}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A package whose installed version is compared."""

    name: str
    operation: Operation
    #: The epoch is left out when it is 0.
    evr: str
    #: The comments of the criteria that must hold besides, from the root down:
    #: ``Oracle Linux 8 is installed``, ``Module nodejs:18 is enabled``.
    conditions: tuple[str, ...]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One definition, with what it says of packages."""

    id: str
    metadata: Element
    checks: tuple[Check, ...]


def definitions(path: Path) -> Iterator[Definition]:
    """The definitions of a document.

    :raises FeedInvalid: not XML, or damaged.
    """
    tests = _tests(path)
    for element in elements(path, "definition", limit=_LIMIT):
        metadata, criteria = element.find("metadata"), element.find("criteria")
        if metadata is not None and criteria is not None:
            yield Definition(
                id=element.get("id", ""), metadata=metadata, checks=tuple(_checks(criteria, (), tests))
            )


def date_of(path: Path) -> str:
    """When the document was generated, ISO 8601; empty when it does not say."""
    return next((text_of(element, "timestamp") for element in elements(path, "generator")), "")[:19]


def _tests(path: Path) -> dict[str, _Test]:
    """Test -> name, operation and version; tests of anything else than a version are left out."""
    objects: dict[str, str] = {}
    states: dict[str, tuple[Operation, str]] = {}
    tests: dict[str, tuple[str, str]] = {}
    for element in elements(path, "rpminfo_test", "rpminfo_object", "rpminfo_state", limit=_LIMIT):
        identifier = element.get("id", "")
        if element.tag == "rpminfo_object":
            objects[identifier] = text_of(element, "name")
        elif element.tag == "rpminfo_test":
            of, state = element.find("object"), element.find("state")
            if of is not None and state is not None:
                tests[identifier] = of.get("object_ref", ""), state.get("state_ref", "")
        else:
            operation = _operation(element.find("evr"))
            if operation is not None:
                states[identifier] = operation
    return {
        test: (objects[of], *states[state])
        for test, (of, state) in tests.items()
        if state in states and _NAME.fullmatch(objects.get(of, ""))
    }


def _operation(evr: Element | None) -> tuple[Operation, str] | None:
    if evr is None:
        return None
    operation, version = _OPERATIONS.get(evr.get("operation", "")), _version(evr.text or "")
    return None if operation is None or not version else (operation, version)


def _of_comment(criterion: Element) -> _Test | None:
    """What a criterion says in words: Oracle's name tests that they do not always have."""
    found = _EARLIER.fullmatch(criterion.get("comment", ""))
    version = _version(found[2]) if found else ""
    return (found[1], "less than", version) if found and version else None


def _version(text: str) -> str:
    """An EVR without the epoch 0; empty when it is none."""
    found = _EVR.fullmatch(text.strip())
    if found is None:
        return ""
    return f"{found[1]}:{found[2]}" if int(found[1] or 0) else found[2]


def _checks(criteria: Element, conditions: tuple[str, ...], tests: dict[str, _Test]) -> Iterator[Check]:
    found = {
        criterion: tests.get(criterion.get("test_ref", "")) or _of_comment(criterion)
        for criterion in criteria.findall("criterion")
    }
    if criteria.get("operator", "AND") == "AND":
        conditions += tuple(criterion.get("comment", "") for criterion, test in found.items() if test is None)
    for test in found.values():
        if test is not None:
            yield Check(name=test[0], operation=test[1], evr=test[2], conditions=conditions)
    for inner in criteria.findall("criteria"):
        yield from _checks(inner, conditions, tests)
