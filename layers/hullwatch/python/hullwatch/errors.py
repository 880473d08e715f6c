"""Every error that hullwatch raises on purpose: a user can fix it, it is permanent, or worth a retry.

The class *name* is part of the contract: the Lambda runtime reports it as ``errorType``, and the state
machines retry or catch by it. The stacks read the names from here, so a new class needs no other change.
The message is one line that a person can act on.
"""

from __future__ import annotations

from collections.abc import Iterator


class HullwatchError(Exception):
    """Root of the tree. Never raised itself."""


class UserError(HullwatchError):
    """Wrong usage or unreadable input: the caller can fix it. The command line answers with exit code 2."""


class ConfigurationError(UserError):
    """The configuration file or the environment does not fit its schema."""


class PermanentError(HullwatchError):
    """Trying again gives the same answer. The pipeline records it as the image's reason, and as a finding."""

    #: Stable word for tables, events and findings, for example ``LAYER_CORRUPT``.
    reason: str = "UNREADABLE"


class ManifestInvalid(PermanentError):
    """The manifest or the image configuration is not what the OCI or Docker specification says."""

    reason = "MANIFEST_INVALID"


class UnsupportedImage(PermanentError):
    """A media type, a schema version or a platform that hullwatch does not read."""

    reason = "UNSUPPORTED"


class LayerCorrupt(PermanentError):
    """Truncated or damaged compression, or bytes that are no tar archive."""

    reason = "LAYER_CORRUPT"


class DigestMismatch(PermanentError):
    """The bytes do not have the digest that the manifest or the configuration vouches for."""

    reason = "DIGEST_MISMATCH"


class BudgetExceeded(PermanentError):
    """A limit on bytes, entries, ratio, path length, nesting or time was reached."""

    reason = "BUDGET_EXCEEDED"


class ImageGone(PermanentError):
    """The registry no longer has the manifest or one of its layers."""

    reason = "GONE"


class ImageArchived(PermanentError):
    """The image is in archive storage: it is listed, but its bytes cannot be read until it is restored."""

    reason = "ARCHIVED"


class AccessRefused(PermanentError):
    """The registry or the service refuses us. Trying again helps only after a permission was granted."""

    reason = "ACCESS_REFUSED"


class NotAuthenticated(AccessRefused):
    """A cluster does not know who we are: its API answers 401."""

    reason = "NOT_AUTHENTICATED"


class CertificateUntrusted(PermanentError):
    """A cluster's endpoint shows a certificate that the cluster's own authority did not give."""

    reason = "CERTIFICATE_UNTRUSTED"


class HubDisabled(AccessRefused):
    """Security Hub is not enabled in the account and Region. Findings wait in the table until it is."""

    reason = "HUB_DISABLED"


class MessageInvalid(PermanentError):
    """A message on the intake queue that is neither an event of ECR nor one of our own."""

    reason = "MESSAGE_INVALID"


class FeedInvalid(PermanentError):
    """An advisory feed that is damaged, shrunken or not of its schema. The last good copy stays in use."""

    reason = "FEED_INVALID"


class QueryRefused(PermanentError):
    """Athena could not run a query, or stopped it at the workgroup's limit of bytes."""

    reason = "QUERY_REFUSED"


class TransientError(HullwatchError):
    """Worth another try, after a pause."""


class Throttled(TransientError):
    """A service asked us to slow down."""


class SourceUnavailable(TransientError):
    """A registry, feed or service did not answer, or broke off."""


class ClusterUnreachable(SourceUnavailable):
    """There is no connection to a cluster's endpoint: a private one, a security group, or no such name."""


class LeaseHeld(TransientError):
    """Another worker holds the lease of the track or of the layer."""


def names_below(root: type[HullwatchError]) -> list[str]:
    """The class names of ``root`` and everything below it, sorted: what a state machine can match."""
    return sorted({kind.__name__ for kind in _below(root)})


def kind_of(name: str) -> type[HullwatchError] | None:
    """The class of this name, as Step Functions reports it; ``None`` for an error that is none of ours."""
    return next((kind for kind in _below(HullwatchError) if kind.__name__ == name), None)


def _below(root: type[HullwatchError]) -> Iterator[type[HullwatchError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _below(kind)
