"""Lock files as their tools write them, and when they count."""

import io
import json
from pathlib import Path

import pytest

from fakes.images import Entry, File, layer
from fakes.programs import WRITE, elf, go_build_info, module_list
from hullwatch.images.image import Descriptor, Layer
from hullwatch.inventory.collectors import erlang
from hullwatch.inventory.dispatch import dispatch_table
from hullwatch.inventory.layer_index import index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, Package
from hullwatch.inventory.records import Unreadable

FIXTURES = Path(__file__).parents[2] / "fixtures" / "collectors" / "locks"

BABEL, EXPRESS = "npm/@babel/core@7.23.3", "npm/express@4.18.2"
NPM3 = [BABEL, "npm/debug@2.6.9", EXPRESS, "npm/lodash@4.17.21"]
EXPECTED = {
    "npm1/package-lock.json": [
        "npm/@babel/code-frame@7.22.13",
        "npm/accepts@1.3.8",
        "npm/lodash@4.17.21",
        "npm/negotiator@0.6.3",
    ],
    "npm3/package-lock.json": NPM3,
    "npm3/npm-shrinkwrap.json": NPM3,
    "yarn1/yarn.lock": [
        "npm/@babel/code-frame@7.22.13",
        "npm/lodash@4.17.21",
        "npm/ms@2.1.2",
        "npm/string-width@4.2.3",
    ],
    "yarn-berry/yarn.lock": ["npm/@babel/code-frame@7.22.13", "npm/lodash@4.17.21"],
    "pnpm5/pnpm-lock.yaml": [BABEL, EXPRESS],
    "pnpm6/pnpm-lock.yaml": [BABEL, EXPRESS],
    "pnpm9/pnpm-lock.yaml": [BABEL, EXPRESS],
    "Pipfile.lock": ["pypi/requests@2.31.0"],
    "poetry.lock": ["pypi/requests@2.31.0"],
    "uv.lock": ["pypi/requests@2.31.0"],
    "pdm.lock": ["pypi/requests@2.31.0"],
    "requirements.txt": ["pypi/Flask_Cors@4.0.0", "pypi/certifi@2023.7.22", "pypi/requests@2.31.0"],
    "Gemfile.lock": ["gem/actionpack@7.0.8", "gem/nokogiri@1.15.4", "gem/rack@2.2.8"],
    "composer.lock": ["composer/monolog/monolog@2.9.1", "composer/symfony/console@5.4.21"],
    "Cargo.lock": ["cargo/serde@1.0.192"],
    "go.mod": [
        "golang/github.com/gofrs/uuid@v4.4.0+incompatible",
        "golang/github.com/new/name@v1.2.3",
        "golang/github.com/pkg/errors@v0.9.1",
        "golang/golang.org/x/net@v0.17.0",
    ],
    "packages.lock.json": ["nuget/Newtonsoft.Json@13.0.1", "nuget/System.Text.Json@8.0.0"],
    "mix.lock": ["hex/jason@1.4.1", "hex/plug@1.15.2"],
    "pubspec.lock": ["pub/async@2.11.0", "pub/http@1.1.0"],
    ".dart_tool/package_config.json": ["pub/http@1.1.0"],
    "Package.resolved": ["swift/github.com/apple/swift-nio@2.59.0"],
    "swift1/Package.resolved": ["swift/github.com/vapor/vapor@4.77.1"],
    "gradle.lockfile": ["maven/com.google.guava:guava@32.1.3-jre"],
    "conan.lock": ["conan/openssl@3.1.3", "conan/zlib@1.2.13"],
    "conan1/conan.lock": ["conan/zlib@1.2.11"],
    "renv.lock": ["cran/R6@2.5.1"],
}


def spelled(package: Package) -> str:
    return f"{package.type}/{package.name}@{package.version}"


def parsed(path: str, content: bytes) -> list[Package]:
    (collector,) = dispatch_table().find(path)
    return [record for record in collector.parse(path, content) if isinstance(record, Package)]


def image(*layers: dict[str, Entry]) -> Inventory:
    indexes = []
    for entries in layers:
        fake = layer(entries)
        descriptor = Descriptor(digest=fake.digest, size=len(fake.blob), media_type="")
        indexes.append(index_layer(io.BytesIO(fake.blob), Layer(descriptor=descriptor, diff_id=fake.diff_id)))
    return assemble("sha256:image", indexes)


@pytest.mark.parametrize("name", EXPECTED)
def test_packages_of(name: str) -> None:
    packages = parsed(f"app/{name}", (FIXTURES / name).read_bytes())
    assert sorted(map(spelled, packages)) == EXPECTED[name]
    assert all(package.declared_only and package.locations == (f"app/{name}",) for package in packages)


def test_every_fixture_is_expected_to_say_something() -> None:
    files = {str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*") if path.is_file()}
    assert files == set(EXPECTED)


@pytest.mark.parametrize(
    "directory", ["app/node_modules/x", "root/go/pkg/mod/x@v1", "usr/lib/python3/site-packages/x"]
)
@pytest.mark.parametrize("name", [name for name in EXPECTED if "/" not in name])
def test_a_lock_file_in_a_package_is_of_its_maker(directory: str, name: str) -> None:
    assert parsed(f"{directory}/{name}", (FIXTURES / name).read_bytes()) == []


@pytest.mark.parametrize(
    "name", ["package-lock.json", "Pipfile.lock", "composer.lock", "renv.lock", "conan.lock"]
)
@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"a":' * 5000])
def test_a_damaged_document_is_reported(name: str, content: bytes) -> None:
    with pytest.raises(Unreadable):
        parsed(f"app/{name}", content)


@pytest.mark.parametrize("name", ["poetry.lock", "Cargo.lock"])
@pytest.mark.parametrize("content", [b"= 1", b"\xff", b"a = " + b"[" * 20000, b"a." * 1000 + b"b = 1"])
def test_damaged_toml_is_reported(name: str, content: bytes) -> None:
    with pytest.raises(Unreadable):
        parsed(f"app/{name}", content)


@pytest.mark.parametrize(
    "name", [name for name in EXPECTED if (FIXTURES / name).read_bytes().startswith(b"{")]
)
def test_other_values_than_expected_say_nothing(name: str) -> None:
    """The same names with values of other kinds: nothing is found, and nothing fails."""
    content = (FIXTURES / name).read_bytes()
    for value in (None, 1, [], ["x"], {}, {"x": 1}, {"x": {"version": 1}}):
        changed = json.dumps(dict.fromkeys(json.loads(content), value)).encode()
        assert parsed(f"app/{name}", changed) == []


LOCK = (FIXTURES / "npm3/package-lock.json").read_bytes()
MODULE = '{"name": "express", "version": "4.19.0"}'


def test_what_is_installed_below_the_lock_file_speaks_for_itself() -> None:
    inventory = image({"app/package-lock.json": LOCK, "app/node_modules/express/package.json": MODULE})
    assert list(map(spelled, inventory.packages)) == ["npm/express@4.19.0"]


def test_a_lock_file_alone_is_kept_and_marked() -> None:
    inventory = image(
        {
            "app/package-lock.json": LOCK,
            "apple/node_modules/express/package.json": MODULE,
            "app/lib/python3/site-packages/x-1.dist-info/METADATA": "Name: x\nVersion: 1\n",
        }
    )
    declared = [package for package in inventory.packages if package.declared_only]
    assert list(map(spelled, declared)) == NPM3
    assert [package.ecosystem for package in declared] == ["npm"] * 4


def test_a_lock_file_speaks_again_when_the_modules_are_deleted() -> None:
    lower: dict[str, Entry] = {"app/package-lock.json": LOCK, "app/node_modules/express/package.json": MODULE}
    inventory = image(lower, {"app/.wh.node_modules": b""})
    assert list(map(spelled, inventory.packages)) == NPM3


def test_a_version_that_is_installed_elsewhere_is_no_declaration() -> None:
    metadata = "Metadata-Version: 2.1\nName: flask.cors\nVersion: 4.0.0\n"
    inventory = image(
        {
            "app/requirements.txt": "Flask_Cors==4.0.0\nrequests==2.31.0\n",
            "usr/local/lib/python3.11/site-packages/flask_cors-4.0.0.dist-info/METADATA": metadata,
        }
    )
    assert [(spelled(package), package.declared_only) for package in inventory.packages] == [
        ("pypi/flask.cors@4.0.0", False),
        ("pypi/requests@2.31.0", True),
    ]


def test_a_program_speaks_for_the_go_mod_beside_it() -> None:
    modules = module_list("dep\tgithub.com/pkg/errors\tv0.9.0\th1:FEBL=")
    program = elf((WRITE, go_build_info("go1.21.6", modules) + bytes(300)))
    inventory = image(
        {"app/go.mod": (FIXTURES / "go.mod").read_bytes(), "app/bin/shop": File(program, 0o755)}
    )
    assert {package.declared_only for package in inventory.packages} == {False}


APP = """%% generated
{application,cowboy,
             [{description,"Small, fast, modern HTTP server."},
              {vsn,"2.10.0"},
              {modules,['cowboy','cowboy_app']},
              {registered,[cowboy_sup,cowboy_clock]},
              {applications,[kernel,stdlib,crypto,cowlib,ranch]}]}.
"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (APP, ["hex/cowboy@2.10.0"]),
        ("{application, 'ranch', [{vsn, \"1.8.0\"}]}.", ["hex/ranch@1.8.0"]),
        ('{application,ssl,[{vsn,"11.0.3"}]}.', []),
        ("{application, shop, [{vsn, git}]}.", []),
    ],
)
def test_applications_of_an_erlang_release(content: str, expected: list[str]) -> None:
    packages = parsed("app/lib/x/ebin/x.app", content.encode())
    assert list(map(spelled, packages)) == expected
    assert not any(package.declared_only for package in packages)


def test_a_resource_file_without_an_application_is_reported() -> None:
    with pytest.raises(Unreadable):
        list(erlang.parse("lib/x/ebin/x.app", b"nothing"))


def test_packages_in_pubs_cache() -> None:
    packages = parsed(
        "root/.pub-cache/hosted/pub.example/http_parser-4.0.2/pubspec.yaml", b"name: http_parser\n"
    )
    assert [(spelled(package), package.declared_only) for package in packages] == [
        ("pub/http_parser@4.0.2", False)
    ]
