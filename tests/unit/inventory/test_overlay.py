import io
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from fakes.images import Directory, Entry, FakeLayer, Symlink, layer
from hullwatch.images.image import Descriptor, Layer
from hullwatch.inventory.layer_index import LayerIndex, index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, Package

OS = {"etc/os-release": "ID=debian\nVERSION_ID=12\n"}


def module(name: str, version: str = "1.0.0") -> str:
    return msgspec.json.encode({"name": name, "version": version}).decode()


def at(name: str, root: str = "app") -> str:
    return f"{root}/node_modules/{name}/package.json"


def dpkg(**versions: str) -> dict[str, Entry]:
    stanzas = [
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        for name, version in versions.items()
    ]
    return {"var/lib/dpkg/status": "\n".join(stanzas)}


def made_of(*fakes: FakeLayer) -> tuple[Inventory, list[str]]:
    """The inventory of an image, and the digests of its layers."""
    indexes: list[LayerIndex] = []
    for fake in fakes:
        descriptor = Descriptor(digest=fake.digest, size=len(fake.blob), media_type="")
        indexes.append(index_layer(io.BytesIO(fake.blob), Layer(descriptor=descriptor, diff_id=fake.diff_id)))
    return assemble("sha256:image", indexes), [fake.digest for fake in fakes]


def found(inventory: Inventory) -> list[str]:
    return [f"{package.name}@{package.version}" for package in inventory.packages]


def by_name(packages: Sequence[Package]) -> dict[str, Package]:
    return {package.name: package for package in packages}


BASE: Mapping[str, Entry] = {at("a"): module("a"), at("b"): module("b"), "srv/" + at("c"): module("c")}

CASES: dict[str, tuple[FakeLayer, list[str]]] = {
    "nothing": (layer({"etc/x": ""}), ["a@1.0.0", "b@1.0.0", "c@1.0.0"]),
    "a file deleted": (layer(whiteouts=[at("a")]), ["b@1.0.0", "c@1.0.0"]),
    "a directory deleted": (layer(whiteouts=["app/node_modules/a"]), ["b@1.0.0", "c@1.0.0"]),
    "a tree deleted": (layer(whiteouts=["app"]), ["c@1.0.0"]),
    "something deleted that is not there": (
        layer(whiteouts=["app/node_modules/aa", "gone", "app/node_modules/a/package.json.bak"]),
        ["a@1.0.0", "b@1.0.0", "c@1.0.0"],
    ),
    "a directory emptied": (layer(opaque=["app"]), ["c@1.0.0"]),
    "a directory emptied and filled": (
        layer({at("a"): module("a", "2.0.0")}, opaque=["app/node_modules"]),
        ["a@2.0.0", "c@1.0.0"],
    ),
    # The specification wants the whiteout applied before what stands beside it, wherever it comes.
    "a file deleted and made again": (
        layer([(at("a"), module("a", "3.0.0"))], whiteouts=["app/node_modules/a"]),
        ["a@3.0.0", "b@1.0.0", "c@1.0.0"],
    ),
    "everything emptied": (layer({at("d"): module("d")}, opaque=[""]), ["d@1.0.0"]),
    "a file emptied is not a directory": (layer(opaque=[at("a")]), ["a@1.0.0", "b@1.0.0", "c@1.0.0"]),
    "a file replaced": (layer({at("a"): module("a", "2.0.0")}), ["a@2.0.0", "b@1.0.0", "c@1.0.0"]),
    "a file replaced by one that says nothing": (layer({at("a"): "{}"}), ["b@1.0.0", "c@1.0.0"]),
    "a file replaced by an empty one": (layer({at("a"): ""}), ["b@1.0.0", "c@1.0.0"]),
    "a file replaced by a link": (layer({at("a"): Symlink("x")}), ["b@1.0.0", "c@1.0.0"]),
    "a file replaced by a directory": (layer({at("a"): Directory()}), ["b@1.0.0", "c@1.0.0"]),
    "a directory replaced by a file": (layer({"app/node_modules/a": ""}), ["b@1.0.0", "c@1.0.0"]),
    "a directory replaced by a link": (layer({"app": Symlink("srv")}), ["c@1.0.0"]),
    "a directory named again": (layer({"app": Directory()}), ["a@1.0.0", "b@1.0.0", "c@1.0.0"]),
    "a name that begins alike": (
        layer({"ap": ""}, whiteouts=["app/node_mod", "srv/node_modules/cc"]),
        ["a@1.0.0", "b@1.0.0", "c@1.0.0"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_changesets(case: str) -> None:
    top, expected = CASES[case]
    assert found(made_of(layer(BASE), top)[0]) == expected


def test_a_whiteout_does_not_reach_its_own_layer() -> None:
    top = layer([(at("a"), module("a"))], whiteouts=[at("a")])
    assert found(made_of(layer(OS), top)[0]) == ["a@1.0.0"]


def test_the_last_database_speaks() -> None:
    inventory, (first, second, third) = made_of(
        layer(OS | dpkg(bash="5.1", curl="7", tzdata="1")),
        layer(dpkg(bash="5.2", curl="7", tzdata="1", vim="9")),
        layer(dpkg(bash="5.2", curl="7", vim="9")),
    )
    packages = by_name(inventory.packages)
    assert {name: package.version for name, package in packages.items()} == {
        "bash": "5.2",
        "curl": "7",
        "vim": "9",
    }
    # Each since the layer that brought this version, not the one that wrote the database last.
    assert {name: package.layer for name, package in packages.items()} == {
        "bash": second,
        "curl": first,
        "vim": second,
    }
    assert third not in {package.layer for package in inventory.packages}
    assert inventory.complete


def test_a_version_that_was_gone_for_a_while_belongs_to_its_return() -> None:
    inventory, (_, _, third) = made_of(
        layer(dpkg(bash="5", curl="7")), layer(dpkg(bash="5")), layer(dpkg(bash="5", curl="7"))
    )
    assert by_name(inventory.packages)["curl"].layer == third


def test_a_language_package_belongs_to_the_layer_of_its_file() -> None:
    inventory, (first, second) = made_of(
        layer({at("a"): module("a"), at("b"): module("b")}), layer({at("a"): module("a")})
    )
    packages = by_name(inventory.packages)
    assert (packages["a"].layer, packages["b"].layer) == (second, first)


def test_a_package_in_several_places_is_one_with_all_of_them() -> None:
    inventory, (first, _) = made_of(
        layer({at("a", "one"): module("a"), at("a", "two"): module("a")}),
        layer({at("a", "three"): module("a"), at("a", "four"): module("a", "2.0.0")}),
    )
    one, other = inventory.packages
    assert one.locations == (at("a", "one"), at("a", "two"), at("a", "three"))
    assert (one.layer, other.version) == (first, "2.0.0")


def test_an_installed_package_is_there_once_per_architecture() -> None:
    status = "".join(
        f"Package: libc6\nStatus: install ok installed\nArchitecture: {arch}\nVersion: 2\n\n"
        for arch in ("amd64", "i386")
    )
    inventory, _ = made_of(layer(OS | {"var/lib/dpkg/status": status}))
    assert [package.arch for package in inventory.packages] == ["amd64", "i386"]


SIX = "usr/lib/python3/dist-packages/six-1.16.0.egg-info"
SIX_RECORD = "Name: six\nVersion: 1.16.0\n"


@pytest.mark.parametrize(
    "listed", [f"/{SIX}", f"/{SIX.removeprefix('usr/')}"], ids=["as it lies", "before the merge"]
)
def test_a_distribution_package_speaks_for_its_files(listed: str) -> None:
    """Debian's lists may still say /lib where the image has /usr/lib."""
    files: dict[str, Entry] = {
        SIX: SIX_RECORD,
        "var/lib/dpkg/info/python3-six.list": f"/.\n{listed}\n",
        "usr/local/lib/python3/dist-packages/idna-2.7.dist-info/METADATA": "Name: idna\nVersion: 2.7\n",
    }
    inventory, (only,) = made_of(layer(OS | dpkg(**{"python3-six": "1.16.0-4"}) | files))
    assert found(inventory) == ["python3-six@1.16.0-4", "idna@2.7"]
    (evidence,) = inventory.evidence
    assert (evidence.name, evidence.version, evidence.locations, evidence.layer) == (
        "six",
        "1.16.0",
        (SIX,),
        only,
    )
    assert evidence.purl == "pkg:pypi/six@1.16.0"


def test_files_of_a_package_that_was_removed_speak_for_themselves_again() -> None:
    listed: dict[str, Entry] = {SIX: SIX_RECORD, "var/lib/dpkg/info/python3-six.list": f"/{SIX}\n"}
    inventory, _ = made_of(
        layer(OS | dpkg(**{"python3-six": "1"}) | listed),
        layer(dpkg(other="1"), whiteouts=["var/lib/dpkg/info/python3-six.list"]),
    )
    assert found(inventory) == ["other@1", "six@1.16.0"]


def test_the_administrators_os_release_counts_before_the_vendors() -> None:
    vendor = layer(
        {"usr/lib/os-release": "ID=debian\nVERSION_ID=12\n", "etc/os-release": Symlink("../usr/lib/x")}
    )
    assert made_of(vendor)[0].os.id == "debian"
    assert made_of(vendor, layer({"etc/os-release": "ID=custom"}))[0].os.id == "custom"
    assert made_of(layer({at("a"): module("a")}))[0].os.id == ""


def test_a_distribution_that_changes_renames_its_packages() -> None:
    inventory, _ = made_of(
        layer(OS | dpkg(bash="5")), layer({"etc/os-release": "ID=debian\nVERSION_ID=13\n"})
    )
    assert [(package.ecosystem, package.purl) for package in inventory.packages] == [
        ("Debian:13", "pkg:deb/debian/bash@5?arch=amd64&distro=debian-13")
    ]


@pytest.mark.parametrize("whiteout", ["var/lib/dpkg/status", "var/lib/dpkg", "var"])
def test_a_database_that_was_deleted_is_no_clean_image(whiteout: str) -> None:
    inventory, (_, top) = made_of(layer(OS | dpkg(bash="5")), layer(whiteouts=[whiteout]))
    assert inventory.packages == ()
    (problem,) = inventory.problems
    assert (problem.path, problem.layer) == ("var/lib/dpkg/status", top)
    assert not inventory.complete


def test_a_database_that_moved_was_not_deleted() -> None:
    block = "P:musl\nV:1.2.3-r0\n\n"
    inventory, _ = made_of(
        layer({"lib/apk/db/installed": block}),
        layer({"usr/lib/apk/db/installed": block}, whiteouts=["lib"]),
    )
    assert (found(inventory), inventory.complete) == (["musl@1.2.3-r0"], True)


def test_problems_go_with_their_files() -> None:
    broken = layer({at("a"): "{"})
    assert [problem.path for problem in made_of(broken)[0].problems] == [at("a")]
    assert made_of(broken, layer(whiteouts=["app"]))[0].complete
    assert made_of(broken, layer({at("a"): module("a")}))[0].complete


def test_the_same_layer_twice() -> None:
    again = layer(BASE)
    inventory, digests = made_of(again, layer(whiteouts=["app"]), again)
    assert found(inventory) == ["a@1.0.0", "b@1.0.0", "c@1.0.0"]
    assert inventory.layers == tuple(digests)


def test_layers_of_different_analyzers_do_not_mix() -> None:
    fake = layer(BASE)
    descriptor = Descriptor(digest=fake.digest, size=len(fake.blob), media_type="")
    index = index_layer(io.BytesIO(fake.blob), Layer(descriptor=descriptor, diff_id=fake.diff_id))
    assert assemble("sha256:image", [index]).analyzer == index.analyzer
    with pytest.raises(ValueError, match="different analyzers"):
        assemble("sha256:image", [index, msgspec.structs.replace(index, analyzer="older")])


def test_an_image_of_no_layers_is_empty() -> None:
    assert assemble("sha256:image", []) == Inventory(digest="sha256:image")
