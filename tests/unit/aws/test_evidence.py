"""The evidence bucket: documents, whole folders, and the pointer that is swapped and never overwritten."""

from __future__ import annotations

from pathlib import Path

from hullwatch.aws.evidence import Evidence
from hullwatch.aws.generation import Generations
from hullwatch.inventory.package import Inventory, Package


def test_a_document_comes_back_as_it_was_put(evidence: Evidence) -> None:
    inventory = Inventory(digest="sha256:a", packages=(Package(type="deb", name="bash", version="5"),))
    evidence.put_document("inventories/a", inventory)

    assert evidence.get_document("inventories/a", Inventory) == inventory
    assert evidence.get_document("inventories/b", Inventory) is None
    assert evidence.get("inventories/b") is None


def test_a_replacement_needs_the_version_it_replaces(evidence: Evidence) -> None:
    assert evidence.replace("pointer", b"1", "")
    assert not evidence.replace("pointer", b"2", "")

    content, etag = evidence.get_with_etag("pointer")
    assert content == b"1"
    assert evidence.replace("pointer", b"2", etag)
    assert not evidence.replace("pointer", b"3", etag)
    assert evidence.get("pointer") == b"2"


def test_a_folder_goes_back_without_what_has_not_changed(evidence: Evidence, tmp_path: Path) -> None:
    evidence.put("feeds/kev/a.json", b"old")
    evidence.put("feeds/kev/deep/b.json", b"kept")
    evidence.put("feeds/other/c.json", b"other")

    before = evidence.download_all("feeds/kev", tmp_path)
    assert sorted(before) == ["a.json", "deep/b.json"]
    (tmp_path / "a.json").write_bytes(b"newer")
    (tmp_path / "pointer").write_bytes(b"left out")
    uploaded: list[str] = []
    evidence.upload = lambda path, key: uploaded.append(key)  # type: ignore[method-assign]
    evidence.upload_all(tmp_path, "feeds/kev", unless=before, leave_out=("pointer",))

    assert uploaded == ["feeds/kev/a.json"]


def test_a_generation_goes_live_once(evidence: Evidence) -> None:
    generations = Generations(evidence)
    assert generations.current() == ""
    assert generations.swap("one", "2026-11-24T10:00:00Z")
    assert Generations(evidence).current() == "one"
    # The same again changes nothing, and says that it is live.
    assert generations.swap("one", "2026-11-24T11:00:00Z")


def test_a_writer_that_was_too_slow_does_not_win(evidence: Evidence) -> None:
    class Slow(Evidence):
        """Another writer is faster between our reading and our writing."""

        def replace(self, key: str, content: bytes, etag: str) -> bool:
            Generations(evidence).swap("theirs", "2026-11-24T10:00:00Z")
            return super().replace(key, content, etag)

    slow = Slow(evidence._client, evidence.bucket)

    assert not Generations(slow).swap("ours", "2026-11-24T10:00:00Z")
    assert Generations(evidence).current() == "theirs"
