import subprocess
import sys
from types import ModuleType
from typing import cast

import pytest

from hullwatch.inventory.dispatch import DispatchTable, all_collectors, analyzer, dispatch_table
from hullwatch.inventory.records import Collector


def collector(name: str, *paths: str) -> Collector:
    module = ModuleType(name)
    module.__dict__.update(NAME=name, VERSION=1, PATHS=paths, MAX_BYTES=1, parse=lambda path, content: ())
    return cast("Collector", module)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("var/lib/dpkg/status", ["dpkg"]),
        ("rootfs/var/lib/dpkg/status", []),
        ("var/lib/dpkg/status.d/libc6", ["dpkg"]),
        ("var/lib/dpkg/status.d/a/b", []),
        ("var/lib/dpkg/info/libc6:amd64.list", ["dpkg"]),
        ("etc/apt/sources.list", []),
        ("lib/apk/db/installed", ["apk"]),
        ("usr/lib/apk/db/installed", ["apk"]),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", ["rpm"]),
        ("etc/os-release", ["os-release"]),
        ("six-1.16.0.dist-info/METADATA", ["python"]),
        ("usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA", ["python"]),
        ("usr/lib/METADATA", []),
        ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", ["python"]),
        ("app/six.egg-info/PKG-INFO", ["python"]),
        ("app/x.egg/EGG-INFO/PKG-INFO", ["python"]),
        ("app/PKG-INFO", []),
        ("node_modules/x/package.json", ["node"]),
        ("app/node_modules/@scope/x/package.json", ["node"]),
        ("app/node_modules/x/lib/package.json", []),
        ("app/package.json", []),
        ("usr/share/nodejs/abbrev/package.json", ["node"]),
        ("", []),
        ("app/.egg-info", ["python"]),
        ("app/web.deps.json", ["dotnet"]),
        ("app/web.json", []),
        ("opt/conda/conda-meta/numpy-1.26.4-py311.json", ["conda"]),
        ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", ["ruby"]),
        ("srv/gems/rake/rake.gemspec", []),
        ("app/vendor/composer/installed.json", ["php"]),
        ("usr/lib/R/library/stats/DESCRIPTION", ["r"]),
        ("opt/app.war", ["java"]),
    ],
)
def test_who_wants_a_path(path: str, names: list[str]) -> None:
    assert [collector.NAME for collector in dispatch_table().find(path)] == names


def test_several_collectors_may_want_the_same_file() -> None:
    table = DispatchTable(
        [collector("a", "**/*.jar"), collector("b", "opt/*.jar"), collector("c", "**/x.jar")]
    )
    assert [found.NAME for found in table.find("opt/y.jar")] == ["a", "b"]
    assert [found.NAME for found in table.find("x.jar")] == ["c", "a"]


def test_a_collector_is_found_once_however_many_of_its_patterns_fit() -> None:
    table = DispatchTable([collector("a", "**/x.jar", "**/*.jar")])
    assert [found.NAME for found in table.find("x.jar")] == ["a"]


@pytest.mark.parametrize("pattern", ["**/*", "a/b*", "*/x/*", "**/a*b"])
def test_patterns_that_would_need_a_look_at_every_file_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot be looked up"):
        DispatchTable([collector("x", pattern)])


def test_the_analyzer_changes_with_a_collectors_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = analyzer()
    analyzer.cache_clear()
    monkeypatch.setattr(all_collectors()[0], "VERSION", 99)
    try:
        assert analyzer() != before
    finally:
        monkeypatch.undo()
        analyzer.cache_clear()
    assert analyzer() == before


def test_reading_layers_imports_nothing_heavy() -> None:
    """The function that indexes layers starts cold for every burst of pushes."""
    code = (
        "import sys; import hullwatch.inventory.layer_index as x; x.analyzer();"
        "print(*(sys.modules.keys() & {'pydantic', 'boto3', 'botocore', 'packageurl', 'yaml', 'tarfile'}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
