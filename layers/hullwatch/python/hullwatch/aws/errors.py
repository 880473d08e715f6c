"""From botocore's errors to ours: which are worth a retry, and which say that something is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from hullwatch.errors import (
    AccessRefused,
    HullwatchError,
    ImageArchived,
    ImageGone,
    SourceUnavailable,
    Throttled,
)

#: Error codes by meaning, across the services we call.
_KINDS: dict[type[HullwatchError], frozenset[str]] = {
    Throttled: frozenset(
        {
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "ProvisionedThroughputExceededException",
            "LimitExceededException",
            "SlowDown",
            "UpstreamTooManyRequests",
        }
    ),
    AccessRefused: frozenset(
        {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "KmsError", "KmsException"}
    ),
    ImageGone: frozenset(
        {"RepositoryNotFoundException", "ImageNotFoundException", "LayersNotFoundException", "ImageNotFound"}
    ),
    ImageArchived: frozenset({"ImageArchivedException", "LayerInaccessibleException", "ImageInaccessible"}),
}


def error_code(error: ClientError) -> str:
    """The service's own code, such as ``ConditionalCheckFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def translate(code: str, message: str) -> HullwatchError | None:
    """Our error for a service's error code; ``None`` when the code says nothing we know."""
    for kind, codes in _KINDS.items():
        if code in codes:
            return kind(f"{code}: {message}" if message else code)
    return None


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what AWS answers while ``doing`` something into the error tree.

    A code we do not know is only worth a retry when the service itself was at fault (HTTP 5xx); anything
    else is a mistake of ours and passes through unchanged.
    """
    try:
        yield
    except ClientError as error:
        message = str(error.response.get("Error", {}).get("Message", ""))
        known = translate(error_code(error), f"{doing}: {message}")
        if known is not None:
            raise known from error
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise SourceUnavailable(f"{doing}: {error}") from error
        raise
    except BotoCoreError as error:
        raise SourceUnavailable(f"{doing}: {error}") from error
