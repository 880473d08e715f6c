"""What is read from images, as a page: ``python -m hullwatch.inventory.coverage > docs/coverage.md``."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable

from hullwatch.inventory.binaries import SIGNATURES
from hullwatch.inventory.dispatch import all_collectors, program_collectors
from hullwatch.inventory.distributions import DISTRIBUTIONS, LANGUAGES, PROGRAMS
from hullwatch.inventory.ecosystems import DISTRIBUTION_TYPES
from hullwatch.inventory.records import Collector, ProgramCollector

_ECOSYSTEMS = LANGUAGES | {"generic": "Bitnami, for some"}
_HEADER = """# Coverage

Generated from the collectors by `make docs`, and held to them by a test.

Every file of a layer is looked up once, by its path; what no row names is not read. Files larger than the
limit are reported as a problem of the image, which is then incomplete. `*` stands for anything within one
name, `**` for any directories. An ecosystem is OSV's name of where the advisories are; packages without one
are listed, and nothing is said of their vulnerabilities.
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join(
        [
            _HEADER,
            "## Files",
            "",
            "| Collector | What it reads | Packages | Ecosystem | Limit | Paths |",
            "|---|---|---|---|---|---|",
            *(_row([*_cells(collector), _code(collector.PATHS)]) for collector in all_collectors()),
            "",
            "## Programs",
            "",
            "Found in any executable by its content, wherever it is.",
            "",
            "| Collector | What it reads | Packages | Ecosystem | Limit |",
            "|---|---|---|---|---|",
            *(_row(_cells(collector)) for collector in program_collectors()),
            "",
            "## Well-known programs",
            "",
            "Looked for in the executables and shared libraries of these names, a release behind the name",
            "aside. Packages are of type `generic`. Their advisories, and those of language runtimes, are",
            "Bitnami's, which speak of the branches that Bitnami ships: a fix in any other is not known to",
            "them. Pre-releases of a branch are in no range that begins with its release. Those of Java are",
            "Oracle's, JavaFX included.",
            "",
            "| Package | Files | In Bitnami's advisories |",
            "|---|---|---|",
            *(
                _row([_code([name]), _code(files), PROGRAMS.get(name, "none")])
                for name, files in _well_known()
            ),
            "",
            "## Distributions",
            "",
            "Known by the `ID` of their os-release. Packages of any other are listed, without an ecosystem.",
            "",
            "| ID | Ecosystem |",
            "|---|---|",
            *(
                _row([_code([name]), distribution.prefix.rstrip(":")])
                for name, distribution in sorted(DISTRIBUTIONS.items())
            ),
            "",
        ]
    )


def _well_known() -> list[tuple[str, list[str]]]:
    """The packages of the table of signatures, with the names of their files."""
    files: dict[str, dict[str, None]] = {}
    for signature in SIGNATURES:
        files.setdefault(signature.name, {}).update(dict.fromkeys(signature.files))
    return [(name, list(names)) for name, names in sorted(files.items())]


def package_types(collector: Collector | ProgramCollector) -> list[str]:
    """The purl types of the packages that a collector makes, read off its code."""
    tree = ast.parse(inspect.getsource(sys.modules[collector.parse.__module__]))
    return sorted(
        {
            keyword.value.value
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Package"
            for keyword in call.keywords
            if keyword.arg == "type"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        }
    )


def _cells(collector: Collector | ProgramCollector) -> list[str]:
    types = package_types(collector)
    ecosystems = (
        "of the distribution" if name in DISTRIBUTION_TYPES else _ECOSYSTEMS.get(name, "none")
        for name in types
    )
    return [
        collector.NAME,
        _summary(collector),
        _code(types),
        ", ".join(dict.fromkeys(ecosystems)),
        _size(collector.MAX_BYTES),
    ]


def _summary(collector: Collector | ProgramCollector) -> str:
    """The first sentence of a collector's documentation, on one line."""
    text = inspect.getdoc(sys.modules[collector.parse.__module__]) or ""
    line = " ".join(text.partition("\n\n")[0].split())
    return re.sub(r"`+", "`", line)


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
