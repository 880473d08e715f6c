"""Security Hub as the place findings are projected to: one operation, ``BatchImportFindings``.

The call answers 200 and names the findings it refused, so every finding has an outcome of its own. Importing
the same finding twice is harmless: one that is not newer changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError, ParamValidationError

from hullwatch.aws.errors import error_code, translated
from hullwatch.errors import HubDisabled, TransientError
from hullwatch.findings.asff import pack

if TYPE_CHECKING:
    from mypy_boto3_securityhub import SecurityHubClient

#: Calls per second of one worker. The account and Region have 10, and others import findings too.
_RATE = 4.0

#: What a finding is refused with when it is not ASFF: sending it again gives the same answer.
_MALFORMED = frozenset({"InvalidInput", "InvalidInputException"})
_DISABLED = frozenset({"InvalidAccess", "InvalidAccessException"})


class ImportFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that was not imported, with the service's words. ``permanent``: do not try it again."""

    id: str
    code: str
    message: str
    permanent: bool


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every finding: its id is in ``sent``, or its failure in ``failed``."""

    sent: tuple[str, ...] = ()
    failed: tuple[ImportFailure, ...] = ()


class SecurityHub:
    """The Security Hub of one account and Region."""

    def __init__(
        self,
        client: SecurityHubClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._next_call = 0.0

    def import_findings(self, documents: Sequence[Mapping[str, Any]]) -> ImportResult:
        """Import ASFF documents in as few calls as the limits allow.

        When the service stops answering after some were imported, the rest come back as failures to try
        again; when not even the first call succeeds, its error is raised.

        Raises:
            HubDisabled: Security Hub is not enabled here.
            AccessRefused: the role may not import, or the findings are of another account (Security Hub
                answers both with ``AccessDeniedException``).
            TransientError: throttled or out of reach before anything was imported.
        """
        sent: list[str] = []
        failed: list[ImportFailure] = []
        batches = list(pack(documents))
        for number, batch in enumerate(batches):
            try:
                result = self._import_batch(batch)
            except TransientError as error:
                if number == 0:
                    raise
                rest = [document for later in batches[number:] for document in later]
                failed += [_failure(document["Id"], type(error).__name__, str(error)) for document in rest]
                break
            sent += result.sent
            failed += result.failed
        return ImportResult(sent=tuple(sent), failed=tuple(failed))

    def _import_batch(self, batch: Sequence[Mapping[str, Any]]) -> ImportResult:
        """One call, and what became of each of its findings."""
        self._pace()
        with translated("importing findings"):
            try:
                answer = self._client.batch_import_findings(Findings=list(batch))  # type: ignore[arg-type]
            except ParamValidationError as error:
                return self._without_malformed(batch, "InvalidInput", str(error))
            except ClientError as error:
                if error_code(error) in _MALFORMED:
                    return self._without_malformed(batch, error_code(error), str(error))
                if error_code(error) in _DISABLED:
                    raise _disabled(str(error)) from error
                raise
        failed = tuple(
            _failure(failure["Id"], failure["ErrorCode"], failure["ErrorMessage"])
            for failure in answer.get("FailedFindings", [])
        )
        if len(failed) == len(batch) and all(failure.code in _DISABLED for failure in failed):
            raise _disabled(failed[0].message)
        refused = {failure.id for failure in failed}
        ids = (str(document["Id"]) for document in batch)
        return ImportResult(sent=tuple(i for i in ids if i not in refused), failed=failed)

    def _without_malformed(self, batch: Sequence[Mapping[str, Any]], code: str, message: str) -> ImportResult:
        """A call was refused as a whole: import its halves, down to the findings that are at fault."""
        if len(batch) == 1:
            return ImportResult(failed=(_failure(str(batch[0]["Id"]), code, message),))
        middle = len(batch) // 2
        first, second = self._import_batch(batch[:middle]), self._import_batch(batch[middle:])
        return ImportResult(sent=first.sent + second.sent, failed=first.failed + second.failed)

    def _pace(self) -> None:
        now = self._clock()
        if now < self._next_call:
            self._sleep(self._next_call - now)
        self._next_call = max(now, self._next_call) + 1 / _RATE


def _failure(identifier: str, code: str, message: str) -> ImportFailure:
    return ImportFailure(id=identifier, code=code, message=message, permanent=code in _MALFORMED)


def _disabled(message: str) -> HubDisabled:
    return HubDisabled(f"Security Hub is not enabled in this account and Region: enable it there ({message})")
