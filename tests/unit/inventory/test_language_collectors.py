import io
import json
import zipfile
from collections.abc import Iterable

import pytest

from hullwatch.inventory.collectors import conda, dotnet, java, node, php, r, ruby
from hullwatch.inventory.dispatch import dispatch_table
from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Collector, Unreadable


def names(packages: Iterable[Package]) -> dict[str, str]:
    return {package.name: package.version for package in packages}


GEMSPEC = """\
# -*- encoding: utf-8 -*-
# stub: debug 1.6.3 ruby lib

Gem::Specification.new do |s|
  s.name = "debug".freeze
  s.version = "1.6.3"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze)
  s.licenses = ["Ruby".freeze, "BSD-2-Clause".freeze]
  s.summary = "Debugging functionality for Ruby".freeze
  s.add_runtime_dependency(%q<irb>.freeze, [">= 1.5.0"])
end
"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GEMSPEC, ("debug", "1.6.3", ("Ruby", "BSD-2-Clause"))),
        ("  s.name = %q{x}\n# stub: rake 13.0.6 ruby lib\n", ("rake", "13.0.6", ())),
        ("  spec.name = 'x'\n  spec.version = Gem::Version.new('2.0')\n", ("x", "2.0", ())),
    ],
)
def test_gems(content: str, expected: tuple[str, str, tuple[str, ...]]) -> None:
    (gem,) = ruby.parse("specifications/x.gemspec", content.encode())
    assert (gem.name, gem.version, gem.licenses) == expected


def test_a_gem_specification_that_computes_its_version_is_reported() -> None:
    with pytest.raises(Unreadable):
        list(ruby.parse("specifications/x.gemspec", b's.name = "x"\ns.version = X::VERSION\n'))


PHP_PACKAGES = [
    {"name": "monolog/monolog", "version": "2.9.1", "license": ["MIT"]},
    {"name": "symfony/console", "version": "v5.4.21", "license": "MIT"},
    {"name": "acme/tool", "version": "dev-main"},
    {"name": None, "version": "1"},
]


@pytest.mark.parametrize("document", [PHP_PACKAGES, {"packages": PHP_PACKAGES, "dev": False}])
def test_composer_packages_in_both_formats(document: object) -> None:
    found = list(php.parse("vendor/composer/installed.json", json.dumps(document).encode()))
    assert names(found) == {"monolog/monolog": "2.9.1", "symfony/console": "5.4.21", "acme/tool": "dev-main"}
    assert [package.licenses for package in found] == [("MIT",), ("MIT",), ()]


def test_nuget_packages_of_an_application() -> None:
    document = {
        "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0"},
        "libraries": {
            "Web/1.0.0": {"type": "project", "serviceable": False},
            "Newtonsoft.Json/13.0.1": {"type": "package", "sha512": "sha512-x"},
            "Without": {"type": "package"},
        },
    }
    content = b"\xef\xbb\xbf" + json.dumps(document).encode()
    assert names(dotnet.parse("app/Web.deps.json", content)) == {"Newtonsoft.Json": "13.0.1"}


def test_conda_records() -> None:
    record = (
        b'{"build": "h1", "name": "openssl", "version": "3.0.8", "license": "Apache-2.0", "files": ["a"]}'
    )
    (package,) = conda.parse("opt/conda/conda-meta/openssl-3.0.8-h1.json", record)
    assert (package.type, package.name, package.version) == ("conda", "openssl", "3.0.8")
    assert list(conda.parse("opt/conda/conda-meta/state.json", b'{"env_vars": {}}')) == []


def test_r_packages_are_those_that_were_built() -> None:
    source = b"Package: MASS\nVersion: 7.3-58.2\nLicense: GPL-2 | GPL-3\nDepends: R (>= 3.3.0),\n  stats\n"
    installed = source + b"Built: R 4.2.2; x86_64-pc-linux-gnu; 2023-02-12 21:20:57 UTC; unix\n"
    (package,) = r.parse("usr/lib/R/library/MASS/DESCRIPTION", installed)
    assert (package.type, package.name, package.version) == ("cran", "MASS", "7.3-58.2")
    assert list(r.parse("src/MASS/DESCRIPTION", source)) == []


@pytest.mark.parametrize("collector", [php, dotnet, conda], ids=lambda module: module.NAME)
@pytest.mark.parametrize("content", [b"", b"{", b"7", b"\xff", b"[" * 50_000, b'{"a":' + b"[" * 50_000])
def test_documents_that_are_no_documents_are_reported(collector: Collector, content: bytes) -> None:
    with pytest.raises(Unreadable):
        list(collector.parse("x", content))


def zipped(members: dict[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def pom(group: str, artifact: str, version: str) -> dict[str, bytes | str]:
    properties = f"#Generated\r\nversion={version}\r\ngroupId={group}\r\nartifactId={artifact}\r\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": properties}


def manifest(**attributes: str) -> dict[str, bytes | str]:
    lines = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in attributes.items())
    return {"META-INF/MANIFEST.MF": f"Manifest-Version: 1.0\r\n{lines}\r\nName: x\r\nBundle-Version: 9\r\n"}


LOG4J = pom("org.apache.logging.log4j", "log4j-core", "2.14.1")


@pytest.mark.parametrize(
    ("path", "members", "expected"),
    [
        ("log4j-core.jar", LOG4J, {"org.apache.logging.log4j:log4j-core": "2.14.1"}),
        (
            "shaded-1.0.jar",
            LOG4J | pom("com.google.guava", "guava", "30.0-jre"),
            {
                "org.apache.logging.log4j:log4j-core": "2.14.1",
                "com.google.guava:guava": "30.0-jre",
                "shaded": "1.0",
            },
        ),
        ("spring-core-5.3.17.jar", {}, {"org.springframework:spring-core": "5.3.17"}),
        ("cats-kernel_2.13-2.0.0-M4.jar", {}, {"cats-kernel_2.13": "2.0.0-M4"}),
        ("upickle_3-4.0.jar", {}, {"upickle_3": "4.0"}),
        ("tools_2.12.jar", {}, {"tools": "2.12"}),
        (
            "spring-boot-autoconfigure-2.6.6.jar",
            manifest(Implementation_Version="2.6.6"),
            {"org.springframework.boot:spring-boot-autoconfigure": "2.6.6"},
        ),
        (
            "core.jar",
            manifest(Implementation_Title="big-core", Implementation_Version="1.\r\n 2"),
            {"big-core": "1.2"},
        ),
        (
            "x.jar",
            manifest(Implementation_Vendor_Id="org.example", Bundle_Version="3"),
            {"org.example:x": "3"},
        ),
        ("unknown.jar", manifest(), {}),
        ("app-1.jar", pom("org.example", "app", "${revision}"), {"app": "1"}),
    ],
)
def test_java_archives(path: str, members: dict[str, bytes | str], expected: dict[str, str]) -> None:
    assert names(java.parse(f"opt/{path}", zipped(members))) == expected


def test_archives_inside_archives_have_a_place_of_their_own() -> None:
    inner = zipped({"lib/log4j-core-2.14.1.jar": zipped(LOG4J)}, zipfile.ZIP_STORED)
    (package,) = java.parse("opt/app.ear", zipped({"web.war": inner}))
    assert package.name == "org.apache.logging.log4j:log4j-core"
    assert package.locations == ("opt/app.ear!/web.war!/lib/log4j-core-2.14.1.jar",)


def test_archives_inside_archives_end_somewhere() -> None:
    content = zipped(LOG4J)
    for _ in range(5):
        content = zipped(LOG4J | {"x.jar": content})
    found = []
    with pytest.raises(Unreadable, match="deep"):
        found.extend(java.parse("a.jar", content))


def test_a_bomb_inside_an_archive_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_MAX_NESTED", 10_000)
    with pytest.raises(Unreadable, match="more than 10000 bytes"):
        list(java.parse("a.jar", zipped({"b.jar": bytes(20_000)})))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_unpacks_without_bounds_is_reported(compression: int) -> None:
    with pytest.raises(Unreadable, match="compressed by method"):
        list(java.parse("a.jar", zipped({"META-INF/MANIFEST.MF": bytes(1000)}, compression)))


def test_a_table_of_contents_beyond_its_limit_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_MAX_DIRECTORY", 1000)
    with pytest.raises(Unreadable, match="table of contents"):
        list(java.parse("a.jar", zipped({f"{number}.class": b"" for number in range(50)})))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        b"PK\x05\x06",
        zipped(LOG4J)[:-30],
        zipped(LOG4J)[200:],
        # A name that says it is UTF-8 and is not.
        zipped({"é.class": b""}).replace("é".encode(), b"\xff\xfe"),
    ],
)
def test_what_is_no_archive_is_reported(content: bytes) -> None:
    with pytest.raises(Unreadable):
        list(java.parse("a.jar", content))


PNP = r"""#!/usr/bin/env node
/* eslint-disable */
const RAW_RUNTIME_STATE =
'{\
  "packageRegistryData": [\
    [null, [[null, {"packageLocation": "./", "packageDependencies": [["lodash", "npm:4.17.21"]]}]]],\
    ["@babel/core", [\
      ["npm:7.23.3", {\
        "packageLocation": "./.yarn/cache/@babel-core-npm-7.23.3-3a4d1d4b4b-8cb0b9d1ab.zip/node_modules/@babel/core/",\
        "linkType": "SOFT"\
      }],\
      ["virtual:1f2e#npm:7.23.3", {\
        "packageLocation": "./.yarn/__virtual__/@babel-core-virtual-ab/0/cache/@babel-core-npm-7.23.3-3a4d1d4b4b-8cb0b9d1ab.zip/node_modules/@babel/core/"\
      }]\
    ]],\
    ["lodash", [["npm:4.17.21", {\
      "packageLocation": "../root/.yarn/berry/cache/lodash-npm-4.17.21-6382451519-10c0.zip/node_modules/lodash/"\
    }]]],\
    ["esbuild", [["npm:0.19.5", {\
      "packageLocation": "./.yarn/unplugged/esbuild-npm-0.19.5-b25b8c2ca9/node_modules/esbuild/"\
    }]]]\
  ]\
}';
"""  # noqa: E501


def test_modules_that_run_from_archives() -> None:
    packages = list(node.parse("app/.pnp.cjs", PNP.encode()))
    assert names(packages) == {"@babel/core": "7.23.3", "lodash": "4.17.21"}
    assert len(packages) == 2
    assert not any(package.declared_only for package in packages)


def test_pnpms_store_has_modules_where_node_finds_them() -> None:
    paths = [
        "app/node_modules/.pnpm/express@4.18.2/node_modules/express/package.json",
        "app/node_modules/.pnpm/@babel+core@7.23.3_supports-color@8.1.1/node_modules/@babel/core/package.json",
    ]
    assert [dispatch_table().find(path) for path in paths] == [[node], [node]]
    found = [*node.parse(paths[0], b'{"name": "express", "version": "4.18.2"}')]
    assert names(found) == {"express": "4.18.2"}
    # The name of a module may be that of a directory of tests.
    assert [
        *node.parse(
            "node_modules/.pnpm/test@3.3.0/node_modules/test/package.json", b'{"name":"test","version":"3"}'
        )
    ]
