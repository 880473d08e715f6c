import gzip
import hashlib
import io
import tarfile

import msgspec
import pytest
import zstandard

from fakes.images import Directory, Entry, FakeLayer, File, Hardlink, Symlink, layer
from hullwatch.errors import BudgetExceeded, DigestMismatch, LayerCorrupt
from hullwatch.images.image import Descriptor, Layer
from hullwatch.indexing.budget import Budget
from hullwatch.inventory.collectors import dpkg, node
from hullwatch.inventory.dispatch import analyzer
from hullwatch.inventory.layer_index import LayerIndex, Paths, decode, encode, index_layer

STATUS = "Package: bash\nStatus: install ok installed\nVersion: 5.2-2\n"
MODULE = '{"name": "x", "version": "1.0.0"}'


def index(fake: FakeLayer, budget: Budget | None = None) -> LayerIndex:
    described = Layer(
        descriptor=Descriptor(digest=fake.digest, size=len(fake.blob), media_type=""), diff_id=fake.diff_id
    )
    return index_layer(io.BytesIO(fake.blob), described, budget)


def names(found: LayerIndex) -> list[str]:
    return unpacked(found.names)


def unpacked(paths: bytes) -> list[str]:
    content = zstandard.ZstdDecompressor().decompressobj().decompress(paths)
    return content.decode().split("\0")[:-1]


def versions(found: LayerIndex) -> dict[str, list[str]]:
    return {document.path: [package.version for package in document.packages] for document in found.documents}


def test_what_an_index_says_of_a_layer() -> None:
    fake = layer(
        {
            "./etc/os-release": "ID=debian\nVERSION_ID=12\n",
            "./var/lib/dpkg/": Directory(),
            "/var/lib/dpkg/status": STATUS,
            "/var/lib/dpkg/info/bash.list": (
                "/.\n/bin/bash\n/usr/lib/x.egg-info\n/usr/share/doc/bash/copyright\n/usr/lib/x.py\n"
            ),
            "usr/bin/sudo": File(b"\x7fELF", mode=0o4755),
            "usr/bin/wall": File(b"\x7fELF", mode=0o2755),
            "tmp/open": File(b"", mode=0o666),
            "tmp/": Directory(0o1777),
            "srv/": Directory(0o777),
            "bin": Symlink("usr/bin"),
        },
        whiteouts=["etc/motd", "gone"],
        opaque=["app/conf", ""],
    )
    found = index(fake)
    assert (found.digest, found.diff_id, found.analyzer) == (fake.digest, fake.diff_id, analyzer())
    assert (found.compressed_bytes, found.uncompressed_bytes) == (len(fake.blob), len(fake.tar))
    assert found.entries == 14
    assert [(document.path, document.collector) for document in found.documents] == [
        ("etc/os-release", "os-release"),
        ("var/lib/dpkg/status", "dpkg"),
        ("var/lib/dpkg/info/bash.list", "dpkg"),
    ]
    assert found.documents[0].os is not None
    # Of the files a package owns, those alone that some collector looks at or that may be programs.
    assert found.documents[2].owned == ("bin/bash", "usr/lib/x.egg-info")
    assert found.whiteouts == ("etc/motd", "gone")
    assert found.opaque == ("app/conf", "")
    assert names(found) == [
        "etc/os-release",
        "var/lib/dpkg/status",
        "var/lib/dpkg/info/bash.list",
        "usr/bin/sudo",
        "usr/bin/wall",
        "tmp/open",
        "bin",
    ]
    assert found.setuid == Paths(named=("usr/bin/sudo",), total=1)
    assert found.setgid == Paths(named=("usr/bin/wall",), total=1)
    assert found.world_writable == Paths(named=("tmp/open", "srv"), total=2)
    assert found.problems == ()


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_an_index_is_stored_and_read_again(compression: str) -> None:
    fake = layer(
        {"var/lib/dpkg/status": STATUS, "a/node_modules/x/package.json": "{"}, compression=compression
    )  # type: ignore[arg-type]
    found = index(fake)
    assert found.problems
    assert decode(encode(found)) == found
    assert encode(index(fake)) == encode(found)


def test_the_order_of_duplicates_counts() -> None:
    path = "node_modules/x/package.json"
    second = MODULE.replace("1.0.0", "2.0.0")
    assert versions(index(layer([(path, MODULE), (path, second)]))) == {path: ["2.0.0"]}
    # Something else of that name takes the module away, and a file again brings it back.
    assert versions(index(layer([(path, MODULE), (path, Symlink("elsewhere"))]))) == {}
    assert versions(index(layer([(path, MODULE), (path, Directory())]))) == {}
    assert versions(index(layer([(path, Directory()), (path, MODULE)]))) == {path: ["1.0.0"]}
    # A complaint about a file is forgotten with it.
    assert index(layer([(path, "{"), (path, MODULE)])).problems == ()


def test_directories_are_named_apart_from_files() -> None:
    found = index(layer({"a/node_modules/x/package.json": Directory(), "b": Directory()}))
    assert unpacked(found.directories) == ["a/node_modules/x/package.json", "b"]
    assert names(found) == []


def test_a_collector_that_fails_costs_only_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, content: bytes) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(dpkg, "parse", fail)
    fake = layer({"var/lib/dpkg/status": STATUS, "node_modules/x/package.json": MODULE})
    found = index(fake)
    (problem,) = found.problems
    assert (problem.reason, problem.path, problem.layer) == ("UNREADABLE", "var/lib/dpkg/status", fake.digest)
    assert "KeyError: 'surprise'" in problem.detail
    assert versions(found) == {"node_modules/x/package.json": ["1.0.0"]}


def test_what_was_read_before_a_failure_is_kept() -> None:
    found = index(layer({"var/lib/rpm/rpmdb.sqlite": b"SQLite format 3\0", "etc/os-release": "ID=x"}))
    assert [problem.path for problem in found.problems] == ["var/lib/rpm/rpmdb.sqlite"]
    assert [document.path for document in found.documents] == ["etc/os-release"]


def test_a_file_beyond_its_collectors_limit_is_reported_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "MAX_BYTES", 10)
    (problem,) = index(layer({"node_modules/x/package.json": MODULE})).problems
    assert (problem.reason, problem.detail) == ("BUDGET_EXCEEDED", "the file has 33 bytes, over 10")


def test_the_budget_limits_every_document() -> None:
    fake = layer({"node_modules/x/package.json": MODULE})
    (problem,) = index(fake, Budget(document_bytes=10)).problems
    assert problem.reason == "BUDGET_EXCEEDED"


def test_a_hard_link_says_what_its_target_says() -> None:
    first, second = "store/node_modules/x/package.json", "app/node_modules/x/package.json"
    found = index(layer([(first, MODULE), (second, Hardlink("./" + first))]))
    assert versions(found) == {first: ["1.0.0"], second: ["1.0.0"]}
    assert found.documents[1].packages[0].locations == (second,)


def test_a_hard_link_to_something_that_was_passed_over_is_reported() -> None:
    found = index(layer([("store/ab/cd", MODULE), ("node_modules/x/package.json", Hardlink("store/ab/cd"))]))
    assert ["hard link to store/ab/cd" in problem.detail for problem in found.problems] == [True]


def test_a_sparse_file_is_reported() -> None:
    info = tarfile.TarInfo("var/lib/dpkg/status")
    info.size = 512
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(bytes(512)))
    tar = out.getvalue()
    assert ["sparse" in problem.detail for problem in index(FakeLayer(gzip.compress(tar), tar)).problems] == [
        True
    ]


def test_aufs_metadata_is_no_whiteout() -> None:
    assert index(layer({".wh..wh.plnk": Directory(), ".wh..wh.aufs": b""})).whiteouts == ()


def test_facts_are_named_up_to_a_limit_and_counted_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hullwatch.inventory.layer_index._MAX_FACTS", 2)
    entries: dict[str, Entry] = {name: File(b"", mode=0o4755) for name in "abc"}
    assert index(layer(entries)).setuid == Paths(named=("a", "b"), total=3)


def test_names_that_are_not_utf_8_stay_different() -> None:
    found = index(layer([("caf\udce9", b""), ("caf\udce8", b"")], tar_format=tarfile.GNU_FORMAT))
    assert names(found) == ["caf\\xe9", "caf\\xe8"]
    assert decode(encode(found)) == found


@pytest.mark.parametrize(
    "fake",
    [
        layer({"var/lib/dpkg/status": "\n\n".join(f"Package: p{n}\nVersion: 1\n" for n in range(30))}),
        layer({"var/lib/dpkg/info/a.list": "\n".join(f"/{n}/a.egg-info" for n in range(1000))}),
        layer(whiteouts=[f"{n}-deleted" for n in range(1000)]),
        layer({f"node_modules/{n}/package.json": "{" for n in range(30)}),
        layer({hashlib.sha512(b"%d" % n).hexdigest(): b"" for n in range(200)}),
    ],
    ids=["packages", "owned files", "whiteouts", "problems", "names"],
)
def test_what_an_index_holds_is_limited(fake: FakeLayer) -> None:
    index(fake)
    with pytest.raises(BudgetExceeded, match="more than 10000 bytes"):
        index(fake, Budget(index_bytes=10_000))


def test_a_package_of_absurd_length_is_reported_not_kept() -> None:
    found = index(layer({"a.dist-info/METADATA": "Name: a\nVersion: " + "1" * 100_000}))
    assert (found.documents, len(found.problems)) == ((), 1)


def test_a_layer_that_is_not_what_it_should_be_has_no_index() -> None:
    fake = layer({"a": b"1" * 5000})
    other = msgspec.structs.replace(
        Layer(
            descriptor=Descriptor(digest=fake.digest, size=len(fake.blob), media_type=""), diff_id=fake.digest
        )
    )
    with pytest.raises(DigestMismatch):
        index_layer(io.BytesIO(fake.blob), other)
    with pytest.raises(LayerCorrupt):
        index(FakeLayer(gzip.compress(b"no archive" * 100), b"no archive" * 100))
