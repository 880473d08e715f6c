"""XML of strangers: read in pieces, and never believed."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest

from hullwatch.advisories.feeds.xml import elements, text_of
from hullwatch.errors import FeedInvalid


def document(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "document.xml"
    path.write_bytes(data)
    return path


PLAIN = b'<a xmlns="urn:one"><b xmlns:x="urn:two" x:n="1"><c> text </c></b><d/><b n="2"/></a>'


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_wanted_elements_come_complete_and_by_local_name(tmp_path: Path, pack: type[bytes]) -> None:
    first, second = elements(document(tmp_path, pack(PLAIN)), "b")
    assert (first.get("n"), text_of(first, "c"), second.get("n")) == ("1", "text", "2")


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x "x">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "https://example.org/a.dtd">',
    ],
)
def test_a_document_type_is_refused_before_it_declares_anything(tmp_path: Path, head: str) -> None:
    with pytest.raises(FeedInvalid, match="declares a type"):
        list(elements(document(tmp_path, f"{head}<a><b>&x;</b></a>".encode()), "b"))


@pytest.mark.parametrize(
    "data", [b"", b"<a><b>", b"<a></b>", b"not XML", gzip.compress(PLAIN, mtime=0)[:-10]]
)
def test_damage_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FeedInvalid):
        list(elements(document(tmp_path, data), "b"))


def test_bombs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedInvalid, match="more than 100000 bytes"):
        list(elements(document(tmp_path, gzip.compress(b"<a>" + b" " * 1_000_000)), "b", limit=100_000))
    with pytest.raises(FeedInvalid, match="deep"):
        list(elements(document(tmp_path, b"<b>" * 1000), "b"))
