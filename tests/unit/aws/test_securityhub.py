"""The projection into Security Hub: what is sent, what is refused, and what is worth another try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ParamValidationError

from hullwatch.aws.securityhub import SecurityHub
from hullwatch.errors import AccessRefused, HubDisabled, SourceUnavailable, Throttled, TransientError

Findings = Sequence[Mapping[str, Any]]


class Client:
    """Answers ``batch_import_findings`` with what ``refuse`` says of a call: an error, or failures by id."""

    def __init__(self, refuse: Callable[[Findings], dict[str, str]] = lambda _: {}) -> None:
        self._refuse = refuse
        self.calls: list[list[str]] = []

    def batch_import_findings(self, *, Findings: Findings) -> dict[str, Any]:
        self.calls.append([finding["Id"] for finding in Findings])
        failed = [
            {"Id": identifier, "ErrorCode": code, "ErrorMessage": f"{code} it is"}
            for identifier, code in self._refuse(Findings).items()
        ]
        return {
            "FailedCount": len(failed),
            "SuccessCount": len(Findings) - len(failed),
            "FailedFindings": failed,
        }


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def hub(client: Client, clock: Clock | None = None) -> SecurityHub:
    clock = clock or Clock()
    return SecurityHub(client, clock=clock, sleep=clock.sleep)  # type: ignore[arg-type]


def raising(code: str, status: int = 400) -> Callable[[Findings], dict[str, str]]:
    def refuse(_: Findings) -> dict[str, str]:
        response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "BatchImportFindings")  # type: ignore[arg-type]

    return refuse


def documents(count: int) -> list[dict[str, str]]:
    return [{"Id": f"finding-{number}"} for number in range(count)]


def test_everything_is_sent_in_as_few_calls_as_possible() -> None:
    client = Client()
    result = hub(client).import_findings(documents(250))
    assert [len(call) for call in client.calls] == [100, 100, 50]
    assert result.sent == tuple(f"finding-{number}" for number in range(250))
    assert result.failed == ()


def test_nothing_to_send_is_no_call() -> None:
    client = Client()
    assert hub(client).import_findings([]).sent == ()
    assert client.calls == []


def test_every_finding_has_an_outcome_of_its_own() -> None:
    client = Client(lambda _: {"finding-1": "InvalidInput", "finding-2": "InternalException"})
    result = hub(client).import_findings(documents(4))
    assert result.sent == ("finding-0", "finding-3")
    assert [(failure.id, failure.permanent) for failure in result.failed] == [
        ("finding-1", True),
        ("finding-2", False),
    ]
    assert result.failed[0].message == "InvalidInput it is"


@pytest.mark.parametrize("error", ["InvalidInputException", "client"])
def test_a_call_refused_as_a_whole_still_imports_all_that_can_be(error: str) -> None:
    def refuse(findings: Findings) -> dict[str, str]:
        if any(finding["Id"] == "finding-5" for finding in findings):
            if error == "client":
                raise ParamValidationError(report="Missing required parameter")
            raising(error)(findings)
        return {}

    result = hub(Client(refuse)).import_findings(documents(12))
    assert set(result.sent) == {f"finding-{number}" for number in range(12) if number != 5}
    (failure,) = result.failed
    assert (failure.id, failure.permanent) == ("finding-5", True)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("LimitExceededException", 429, Throttled),
        ("ThrottlingException", 400, Throttled),
        ("TooManyRequestsException", 429, Throttled),
        ("InternalException", 500, SourceUnavailable),
        ("InvalidAccessException", 401, HubDisabled),
        ("AccessDeniedException", 403, AccessRefused),
    ],
)
def test_errors_of_the_call(code: str, status: int, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        hub(Client(raising(code, status))).import_findings(documents(1))
    assert raised.type is error


def test_a_service_out_of_reach_is_worth_another_try() -> None:
    def refuse(_: Findings) -> dict[str, str]:
        raise ConnectTimeoutError(endpoint_url="https://securityhub.example")

    with pytest.raises(SourceUnavailable):
        hub(Client(refuse)).import_findings(documents(1))


def test_a_disabled_hub_says_what_to_do() -> None:
    with pytest.raises(HubDisabled, match="enable it there"):
        hub(Client(raising("InvalidAccessException", 401))).import_findings(documents(1))
    refuse_all = Client(lambda findings: {finding["Id"]: "InvalidAccess" for finding in findings})
    with pytest.raises(HubDisabled):
        hub(refuse_all).import_findings(documents(3))
    # Some is not all: those are to be tried again.
    result = hub(Client(lambda _: {"finding-0": "InvalidAccess"})).import_findings(documents(3))
    assert [failure.permanent for failure in result.failed] == [False]


def test_what_was_sent_before_the_service_gave_up_is_not_forgotten() -> None:
    client = Client()

    def refuse(findings: Findings) -> dict[str, str]:
        return raising("ThrottlingException")(findings) if len(client.calls) > 2 else {}

    client._refuse = refuse
    result = hub(client).import_findings(documents(350))
    assert len(result.sent) == 200
    assert {failure.code for failure in result.failed} == {"Throttled"}
    assert not any(failure.permanent for failure in result.failed)
    assert {*result.sent, *(failure.id for failure in result.failed)} == {d["Id"] for d in documents(350)}
    assert len(client.calls) == 3


def test_throttled_at_once_is_an_error() -> None:
    with pytest.raises(TransientError):
        hub(Client(raising("ThrottlingException"))).import_findings(documents(300))


def test_calls_are_paced() -> None:
    clock = Clock()
    one = hub(Client(), clock)
    one.import_findings(documents(900))
    assert clock.now == pytest.approx(100.0 + 8 / 4)
    # After a pause there is nothing to wait for.
    clock.now += 60
    before = clock.now
    one.import_findings(documents(1))
    assert clock.now == before
