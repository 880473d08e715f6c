"""Findings in the AWS Security Finding Format, within every limit that Security Hub documents.

Sources: the API reference of ``AwsSecurityFinding`` and its parts, the user guide's *AWS Security Finding
Format (ASFF)*, and the partner guide's *Guidelines for using the BatchImportFindings API* (100 findings and
6 MB per call, 240 KB per finding).

What belongs to the customer (``Workflow``, ``Note``, ``UserDefinedFields``, ``VerificationState``) is never
written; severity, types, confidence and criticality go through ``FindingProviderFields`` only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from hullwatch.advisories.model import Match, Vulnerability
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.finding import Finding, ImageRef, Priority
from hullwatch.findings.fixes import fix_of, upgrade_command
from hullwatch.findings.priority import worst
from hullwatch.findings.wording import description, listed, plain, remediation, title
from hullwatch.inventory.package import Package

#: Findings per call, bytes per finding and bytes per call. Kilo and mega are taken as powers of ten:
#: whichever the service means, this fits.
MAX_BATCH = 100
MAX_FINDING_BYTES = 240_000
MAX_BATCH_BYTES = 6_000_000

_MAX_RESOURCES = 32
MAX_REGION = 16

# Limits of our own: the service documents none but the size of the whole (and 2,048 characters for a product
# field, but a character can take twelve bytes on the wire).
_MAX_TAGS = 20
_MAX_FIELD = 500
_MAX_PACKAGES = 25
_MAX_PATHS = 3
_MAX_URLS = 10
_MAX_URL = 1_024
_MAX_RATINGS = 5
_MAX_ALIASES = 20
_MAX_TEXT = 256
_MAX_PATH = 512

#: The enum of ``Partition``; newer partitions are not in it, and the field is optional.
PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "aws-us-iso", "aws-us-iso-b"})

#: The values of ``AwsEcrContainerImageDetails.Architecture``, by Go's names.
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64", "386": "i386"}

_LABELS: dict[Priority, str] = {"P1": "CRITICAL", "P2": "HIGH", "P3": "MEDIUM", "P4": "LOW"}
_CRITICALITY: dict[Priority, int] = {"P1": 90, "P2": 70, "P3": 40, "P4": 10}

_GENERATORS = {
    "package": "hullwatch/vulnerable-package",
    "vulnerability": "hullwatch/vulnerability",
    "configuration": "hullwatch/image-configuration",
    "unscannable": "hullwatch/unscannable-image",
}

#: Amazon Inspector's words for ``PackageManager``, so that filters and insights find both: what an installed
#: package, and what a lock file bears witness to.
_PACKAGE_MANAGERS = {
    "deb": ("OS", "OS"),
    "rpm": ("OS", "OS"),
    "apk": ("OS", "OS"),
    "pypi": ("PYTHONPKG", "PIP"),
    "npm": ("NODEPKG", "NPM"),
    "maven": ("JAR", "POM"),
    "golang": ("GOBINARY", "GOMOD"),
    "gem": ("GEMSPEC", "BUNDLER"),
    "cargo": ("CARGO", "CARGO"),
    "composer": ("COMPOSER", "COMPOSER"),
    "nuget": ("DOTNET_CORE", "NUGET"),
}


def to_asff(finding: Finding, *, account: str, region: str, partition: str = "aws") -> dict[str, Any]:
    """One ``AwsSecurityFinding`` for the default product of an account and Region.

    ``account`` and ``region`` are those of the Security Hub that gets it, which only takes findings of its
    own account. The finding must have its times, which :func:`~hullwatch.findings.diff.diff` gives it. What
    does not fit is left out from the end, the least urgent first, and ``hullwatch/Omitted`` says how much.
    """
    document: dict[str, Any] = {
        **frame(finding, account=account, region=region, partition=partition),
        "GeneratorId": _GENERATORS[finding.kind],
        "Title": title(finding),
        "Description": description(finding),
        "Remediation": {
            "Recommendation": present(Text=remediation(finding), Url=_advisory_url(finding.matches))
        },
        "ProductFields": _product_fields(finding),
        "Resources": [_resource(finding, image, partition) for image in finding.images[:_MAX_RESOURCES]],
        "FindingProviderFields": _provider_fields(finding),
    }
    if finding.kind == "configuration":
        document["Compliance"] = {"Status": "FAILED" if finding.state == "OPEN" else "PASSED"}
    vulnerabilities = list(_by_vulnerability(finding.matches))
    fitting = _fitting(document, vulnerabilities)
    if fitting:
        document["Vulnerabilities"] = fitting
    omitted = _omitted(finding, len(vulnerabilities) - len(fitting))
    if omitted:
        document["ProductFields"]["hullwatch/Omitted"] = omitted
    return document


def frame(finding: Finding | ControlFinding, *, account: str, region: str, partition: str) -> dict[str, Any]:
    """What every finding of ours says of itself: who sends it, when it was seen, and whether it is open."""
    return {
        "SchemaVersion": "2018-10-08",
        "Id": finding.id,
        "ProductArn": f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default",
        "ProductName": "hullwatch",
        "CompanyName": "hullwatch",
        "AwsAccountId": account,
        "CreatedAt": finding.first_seen,
        "FirstObservedAt": finding.first_seen,
        "UpdatedAt": finding.updated_at,
        "LastObservedAt": finding.updated_at,
        "RecordState": "ACTIVE" if finding.state == "OPEN" else "ARCHIVED",
    }


def encoded_size(value: object) -> int:
    """Bytes on the wire: botocore's ``rest-json`` serializer writes exactly this."""
    return len(json.dumps(value))


def pack(documents: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Batches for ``BatchImportFindings`` in the given order, as large as the limits allow."""
    envelope = encoded_size({"Findings": []})
    batch: list[Mapping[str, Any]] = []
    size = envelope
    for document in documents:
        # Two bytes for the separator.
        needed = encoded_size(document) + 2
        if batch and (len(batch) == MAX_BATCH or size + needed > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], envelope
        batch.append(document)
        size += needed
    if batch:
        yield batch


def present(**fields: object) -> dict[str, Any]:
    """The fields that have something to say: Security Hub refuses empty strings."""
    return {name: value for name, value in fields.items() if value not in ("", None, [], {})}


def _provider_fields(finding: Finding) -> dict[str, Any]:
    if finding.kind == "unscannable":
        return {
            "Severity": {"Label": "INFORMATIONAL", "Original": finding.reason},
            "Types": ["Software and Configuration Checks"],
            "Confidence": 100,
        }
    if finding.kind == "configuration":
        return {
            "Severity": {"Label": _LABELS[finding.priority], "Original": finding.reasons[0]},
            "Types": ["Software and Configuration Checks"],
            "Confidence": 100,
            "Criticality": _CRITICALITY[finding.priority],
        }
    types = ["Software and Configuration Checks/Vulnerabilities/CVE"]
    if any(match.vulnerability.malware for match in finding.matches):
        types.append("TTPs/Initial Access")
    # A lock file proves a dependency, not an installation.
    declared = all(match.package.declared_only for match in finding.matches)
    return {
        "Severity": {"Label": _LABELS[finding.priority], "Original": _vendor_severity(finding.matches)},
        "Types": types,
        "Confidence": 60 if declared else 90,
        "Criticality": _CRITICALITY[finding.priority],
    }


def _vendor_severity(matches: Sequence[Match]) -> str:
    scores = [rating.score for match in matches for rating in match.vulnerability.cvss]
    return f"{worst(matches)}, CVSS {max(scores)}" if scores else worst(matches)


def _product_fields(finding: Finding) -> dict[str, str]:
    """Facts to filter by. Names are ours; ``aws/`` is reserved."""
    fields = {
        "Repository": finding.track.repository,
        "Track": finding.track.lineage,
        "Priority": "" if finding.kind == "unscannable" else finding.priority,
        "Reasons": "; ".join(finding.reasons),
        "Package": finding.package,
        "PackageType": finding.type,
        "InstalledVersion": listed(finding.installed, 20),
        "FixedVersion": finding.fixed,
        "Control": finding.control,
        "Unreadable": finding.reason,
        "IntroducedBy": finding.introduced_by,
        "IntroducedLayer": finding.introduced_layer,
        "ResolvedBy": finding.resolved_by,
    }
    return present(**{f"hullwatch/{name}": plain(value, _MAX_FIELD) for name, value in fields.items()})


def _omitted(finding: Finding, vulnerabilities: int) -> str:
    images = len(finding.images) - _MAX_RESOURCES
    parts = [f"{vulnerabilities} vulnerabilities"] if vulnerabilities else []
    parts += [f"{images} images"] if images > 0 else []
    return ", ".join(parts)


def _resource(finding: Finding, image: ImageRef, partition: str) -> dict[str, Any]:
    track = finding.track
    if not track.account:
        return {
            "Type": "Container",
            "Id": plain(f"{track.repository}@{image.digest}", _MAX_PATH),
            "Details": {
                "Container": present(ImageName=plain(track.repository, _MAX_TEXT), ImageId=image.digest)
            },
        }
    architecture = image.platform.split("/")[1] if "/" in image.platform else ""
    repository = f"arn:{partition}:ecr:{track.region}:{track.account}:repository/{track.repository}"
    return present(
        Type="AwsEcrContainerImage",
        Id=f"{repository}/{image.digest}",
        Partition=partition if partition in PARTITIONS else "",
        Region=track.region if len(track.region) <= MAX_REGION else "",
        Details={
            "AwsEcrContainerImage": present(
                RegistryId=track.account,
                RepositoryName=track.repository,
                Architecture=_ARCHITECTURES.get(architecture, ""),
                ImageDigest=image.digest,
                ImageTags=list(image.tags[:_MAX_TAGS]),
                ImagePublishedAt=_timestamp(image.pushed_at),
            )
        },
    )


def _by_vulnerability(matches: Sequence[Match]) -> Iterator[dict[str, Any]]:
    by_id: dict[str, list[Match]] = {}
    for match in matches:
        by_id.setdefault(match.vulnerability.id, []).append(match)
    for entries in by_id.values():
        yield _vulnerability(entries)


def _vulnerability(matches: Sequence[Match]) -> dict[str, Any]:
    """One ``Vulnerability`` with every package of the finding that it affects."""
    vulnerability = matches[0].vulnerability
    packages = [_package(match) for match in matches[:_MAX_PACKAGES]]
    return present(
        Id=plain(vulnerability.id, _MAX_TEXT),
        VulnerablePackages=packages,
        Cvss=[
            present(
                Version=rating.version,
                BaseScore=rating.score,
                BaseVector=plain(rating.vector, _MAX_TEXT),
                Source=plain(rating.source, _MAX_TEXT),
            )
            for rating in vulnerability.cvss[:_MAX_RATINGS]
        ],
        RelatedVulnerabilities=[plain(alias, _MAX_TEXT) for alias in vulnerability.aliases[:_MAX_ALIASES]],
        Vendor=_vendor(vulnerability, matches[0]),
        ReferenceUrls=_urls(matches),
        FixAvailable=_fix_available(packages),
        EpssScore=vulnerability.epss,
        # Outside of the catalogue nobody knows, so nothing is said rather than NO.
        ExploitAvailable="YES" if vulnerability.exploited else "",
    )


def _package(match: Match) -> dict[str, Any]:
    package, fixed = match.package, plain(fix_of(match), _MAX_TEXT)
    return present(
        Name=plain(package.name, _MAX_TEXT),
        # Whole, with epoch and release, as the package database and the fixed version spell it.
        Version=plain(package.version, _MAX_TEXT),
        Architecture=plain(package.arch, _MAX_TEXT),
        PackageManager=_package_manager(package),
        FilePath=plain(listed(package.locations, _MAX_PATHS), _MAX_PATH),
        FixedInVersion=fixed,
        Remediation=_package_remediation(package, fixed),
        SourceLayerHash=package.layer,
    )


def _package_manager(package: Package) -> str:
    installed, declared = _PACKAGE_MANAGERS.get(package.type, ("", ""))
    return declared if package.declared_only else installed


def _package_remediation(package: Package, fixed: str) -> str:
    if not fixed:
        return ""
    command = upgrade_command([package], fixed)
    # A command that is cut would do something else.
    return plain(command, _MAX_PATH) if command and len(command) <= _MAX_PATH else f"Upgrade to {fixed}"


def _fix_available(packages: Sequence[Mapping[str, Any]]) -> Literal["YES", "NO", "PARTIAL"]:
    fixed = sum("FixedInVersion" in package and "Remediation" in package for package in packages)
    if fixed == len(packages):
        return "YES"
    return "PARTIAL" if fixed else "NO"


def _vendor(vulnerability: Vulnerability, match: Match) -> dict[str, Any]:
    """Who says so: the first advisory of the match."""
    statement = next((statement for statement in match.statements if statement.source.strip()), None)
    if statement is None:
        return {}
    return present(
        Name=plain(statement.source, _MAX_TEXT),
        Url=_url(statement.url),
        VendorSeverity=statement.severity,
        VendorCreatedAt=_timestamp(vulnerability.published),
        VendorUpdatedAt=_timestamp(statement.modified or vulnerability.modified),
    )


def _urls(matches: Sequence[Match]) -> list[str]:
    said = [statement.url for match in matches for statement in match.statements]
    urls = (_url(url) for url in (*said, *matches[0].vulnerability.urls))
    return list(dict.fromkeys(url for url in urls if url))[:_MAX_URLS]


def _advisory_url(matches: Sequence[Match]) -> str:
    return next((url for match in matches for url in _urls([match])), "")


def _url(url: str) -> str:
    """A web address as it is, or nothing: what a console makes clickable is nothing to take chances with."""
    safe = url.startswith(("https://", "http://")) and url.isascii() and url.isprintable() and " " not in url
    return url if safe and len(url) <= _MAX_URL else ""


def _timestamp(text: str) -> str:
    """ISO 8601 in UTC with milliseconds; empty for what is no date. A plain date is its first moment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _fitting(document: Mapping[str, Any], vulnerabilities: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many vulnerabilities as the document has room for, in order."""
    # Room for the list's key, and for saying what was left out.
    left = MAX_FINDING_BYTES - encoded_size(document) - 200
    fitting: list[dict[str, Any]] = []
    for vulnerability in vulnerabilities:
        left -= encoded_size(vulnerability) + 2
        if left < 0:
            break
        fitting.append(vulnerability)
    return fitting
