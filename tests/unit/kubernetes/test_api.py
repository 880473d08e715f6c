"""The API of a cluster, against a server that refuses anything but discovery and lists."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from fakes.kubernetes_api import TOKEN, Fault, Kind, KubernetesApiServer, certificates, continue_token
from hullwatch.errors import (
    AccessRefused,
    BudgetExceeded,
    CertificateUntrusted,
    ClusterUnreachable,
    ConfigurationError,
    NotAuthenticated,
    SourceUnavailable,
    Throttled,
)
from hullwatch.kubernetes import api as api_module
from hullwatch.kubernetes.api import PAGE, KubernetesApi
from hullwatch.kubernetes.discovery import Served

PODS = Served(group="", version="v1", plural="pods", kind="Pod")


def pods(count: int, **extra: Any) -> list[dict[str, Any]]:
    return [
        {"metadata": {"name": f"pod-{number}", "namespace": "shop", "uid": f"uid-{number}"}, **extra}
        for number in range(count)
    ]


def api(server: KubernetesApiServer, **options: Any) -> KubernetesApi:
    options.setdefault("token", lambda: TOKEN)
    options.setdefault("sleep", lambda _: None)
    return KubernetesApi(server.endpoint, server.ca_data, **options)


def names(documents: Any) -> list[str]:
    return [item["metadata"]["name"] for item in documents]


@pytest.mark.parametrize("aggregated", [True, False])
def test_discovery_tells_what_is_served_in_the_preferred_version(aggregated: bool) -> None:
    kinds = [
        Kind("pods", "Pod"),
        Kind("networkpolicies", "NetworkPolicy", "networking.k8s.io"),
        Kind("externalsecrets", "ExternalSecret", "external-secrets.io", versions=("v1", "v1beta1")),
        Kind("widgets", "Widget", "example.com"),
    ]
    with KubernetesApiServer(kinds, aggregated=aggregated) as server:
        found = api(server).discovery({"", "networking.k8s.io", "external-secrets.io", "cilium.io"})
    assert {name: item.path for name, item in found.resources.items()} == {
        "pods": "/api/v1/pods",
        "networkpolicies.networking.k8s.io": "/apis/networking.k8s.io/v1/networkpolicies",
        "externalsecrets.external-secrets.io": "/apis/external-secrets.io/v1/externalsecrets",
    }
    assert found.unknown == {}
    # One document in a new cluster; in an old one the groups that nobody wants cost nothing.
    assert len(server.requests) == (2 if aggregated else 6)
    assert not any("example.com" in request for request in server.requests)


@pytest.mark.parametrize("aggregated", [True, False])
def test_a_group_whose_server_is_down_is_unknown_not_absent(aggregated: bool) -> None:
    kinds = [Kind("pods", "Pod"), Kind("nodes", "NodeMetrics", "metrics.k8s.io", stale=True)]
    with KubernetesApiServer(kinds, aggregated=aggregated) as server:
        found = api(server).discovery({"", "metrics.k8s.io"})
    assert list(found.resources) == ["pods"]
    assert list(found.unknown) == ["metrics.k8s.io"]


def test_names_that_would_change_the_path_are_not_taken() -> None:
    kinds = [Kind("../secrets", "Pod"), Kind("pods?watch=1", "Pod"), Kind("pods", "Pod", "evil/../x")]
    with KubernetesApiServer(kinds) as server:
        assert api(server).discovery({"", "evil/../x"}).resources == {}


def test_a_long_list_comes_in_pages_with_kind_and_version() -> None:
    with KubernetesApiServer([Kind("pods", "Pod", objects=pods(2 * PAGE + 1))]) as server:
        found = list(api(server).list(PODS))
    assert names(found) == [f"pod-{number}" for number in range(2 * PAGE + 1)]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "Pod")}
    assert len(server.requests) == 3
    assert all(f"limit={PAGE}" in request for request in server.requests)


def test_an_empty_list_and_one_whose_definition_was_removed_are_empty() -> None:
    with KubernetesApiServer([Kind("pods", "Pod")]) as server:
        assert list(api(server).list(PODS)) == []
    with KubernetesApiServer([], script=lambda *_: Fault(404)) as server:
        assert list(api(server).list(PODS)) == []


def test_a_page_is_decoded_object_by_object() -> None:
    with KubernetesApiServer([Kind("pods", "Pod", objects=pods(PAGE + 1))]) as server:
        listed = api(server).list(PODS)
        next(listed)
        assert len(server.requests) == 1
        listed.close()


@pytest.mark.parametrize("offered", [True, False])
def test_an_expired_token_loses_nothing_and_repeats_nothing(offered: bool) -> None:
    """With or without a token to go on with, which the real server offers in its 410."""
    following = continue_token(2 * PAGE) if offered else ""
    expired = Fault(410, json.dumps({"kind": "Status", "metadata": {"continue": following}}).encode())
    kinds = [Kind("pods", "Pod", objects=pods(3 * PAGE))]
    with KubernetesApiServer(kinds, script=lambda p, q, before: expired if before == 2 else None) as server:
        found = names(api(server).list(PODS))
    assert found == [f"pod-{number}" for number in range(3 * PAGE)]
    assert len(server.requests) == (4 if offered else 6)


def test_a_list_whose_tokens_always_expire_ends() -> None:
    kinds = [Kind("pods", "Pod", objects=pods(PAGE + 1))]
    with (
        KubernetesApiServer(kinds, script=lambda p, q, b: Fault(410) if "continue" in q else None) as server,
        pytest.raises(SourceUnavailable, match="changes faster"),
    ):
        list(api(server).list(PODS))
    assert len(server.requests) < 10


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_PAGE", 200_000)
    large = pods(100, data={"content": "x" * 5000})
    with KubernetesApiServer([Kind("pods", "Pod", objects=large)]) as server:
        assert names(api(server).list(PODS)) == names(large)
    assert any("limit=7" in request for request in server.requests)


def test_an_object_that_is_larger_than_a_page_may_be_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_PAGE", 1000)
    kinds = [Kind("pods", "Pod", objects=pods(1, data="x" * 2000))]
    with KubernetesApiServer(kinds) as server, pytest.raises(BudgetExceeded):
        list(api(server).list(PODS))
    assert "limit=1" in server.requests[-1]


def test_a_throttled_request_waits_as_long_as_it_is_told() -> None:
    pauses: list[float] = []

    def script(path: str, query: Any, before: int) -> Fault | None:
        return Fault(429, headers={"Retry-After": "7"}) if before < 2 else None

    with KubernetesApiServer([Kind("pods", "Pod", objects=pods(1))], script=script) as server:
        assert len(list(api(server, sleep=pauses.append).list(PODS))) == 1
    assert pauses == [7.0, 7.0]


def test_a_pause_has_bounds() -> None:
    pauses: list[float] = []
    answer = Fault(429, headers={"Retry-After": "86400"})
    with KubernetesApiServer([], script=lambda *_: answer) as server, pytest.raises(Throttled):
        list(api(server, sleep=pauses.append).list(PODS))
    assert max(pauses) <= 15
    assert len(server.requests) == 4


def test_a_server_error_passes_or_is_told() -> None:
    with KubernetesApiServer(
        [Kind("pods", "Pod", objects=pods(1))], script=lambda p, q, before: Fault(503) if before < 3 else None
    ) as server:
        assert len(list(api(server).list(PODS))) == 1
    with (
        KubernetesApiServer(
            [], script=lambda *_: Fault(500, b'{"message": "etcd\\u0007 is gone"}')
        ) as server,
        pytest.raises(SourceUnavailable, match="etcd is gone"),
    ):
        list(api(server).list(PODS))


def test_forbidden_and_unknown_identity_are_told_apart_and_not_repeated() -> None:
    with KubernetesApiServer([Kind("pods", "Pod", forbidden=True)]) as server:
        with pytest.raises(AccessRefused, match="cannot list") as refused:
            list(api(server).list(PODS))
        assert not isinstance(refused.value, NotAuthenticated)
        with pytest.raises(NotAuthenticated):
            list(api(server, token=lambda: "k8s-aws-v1.other").list(PODS))
    assert len(server.requests) == 2


def test_a_redirect_is_not_followed() -> None:
    with KubernetesApiServer([Kind("pods", "Pod", objects=pods(1))]) as server:
        away = Fault(302, headers={"Location": f"{server.endpoint}/api/v1/pods?limit=500"})
        with KubernetesApiServer([], script=lambda *_: away) as trap, pytest.raises(SourceUnavailable):
            list(api(trap).list(PODS))
    assert server.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"items": {}}',
        b'{"items": [[]]}',
        b'{"items": [{"metadata": []}]}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_no_list_is_an_error_of_the_cluster(body: bytes) -> None:
    with (
        KubernetesApiServer([], script=lambda *_: Fault(200, body)) as server,
        pytest.raises(SourceUnavailable),
    ):
        list(api(server).list(PODS))


class OneAnswer(urllib3.PoolManager):
    """Answers every request with the same page."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._answer = body

    def request(self, *_: Any, **__: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        return urllib3.HTTPResponse(io.BytesIO(self._answer), status=200, preload_content=False)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
items = st.fixed_dictionaries(
    {}, optional={"metadata": values | st.fixed_dictionaries({"uid": values}), "spec": values}
)


@given(
    body=st.binary(max_size=200)
    | st.fixed_dictionaries({}, optional={"items": values | st.lists(items), "metadata": values}).map(
        lambda page: json.dumps(page).encode()
    )
)
def test_any_answer_is_a_list_or_an_error_of_the_cluster(body: bytes) -> None:
    reader = KubernetesApi("https://x", "", lambda: TOKEN, http=OneAnswer(body))
    with suppress(SourceUnavailable):
        for item in reader.list(PODS):
            assert (item["apiVersion"], item["kind"]) == ("v1", "Pod")
    with suppress(SourceUnavailable):
        reader.discovery(("", "apps"))


def test_an_answer_that_drips_runs_out_of_time() -> None:
    slow = Fault(200, b'{"items": []}' + b" " * 1000, drip=0.05)
    with (
        KubernetesApiServer([], script=lambda *_: slow) as server,
        pytest.raises(SourceUnavailable, match="within"),
    ):
        list(api(server, seconds=0.2).list(PODS))


def test_another_certificate_and_another_name_are_not_trusted() -> None:
    other = certificates.__wrapped__("127.0.0.1")[0].decode()
    with KubernetesApiServer([]) as server, pytest.raises(CertificateUntrusted):
        KubernetesApi(server.endpoint, other, lambda: TOKEN).discovery({""})
    with (
        KubernetesApiServer([], certificate_for="elsewhere.example") as server,
        pytest.raises(CertificateUntrusted, match="IP address"),
    ):
        api(server).discovery({""})
    assert server.requests == []


def test_nobody_at_the_endpoint_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"https://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterUnreachable):
            KubernetesApi(
                endpoint, certificates("127.0.0.1")[0].decode(), lambda: TOKEN, sleep=lambda _: None
            ).discovery({""})


def test_what_answers_and_is_no_kubernetes_is_told() -> None:
    with (
        KubernetesApiServer([], script=lambda *_: Fault(404)) as server,
        pytest.raises(SourceUnavailable, match="no Kubernetes API"),
    ):
        api(server).discovery({""})


@pytest.mark.parametrize(
    "endpoint",
    ["http://cluster.example", "https://user@cluster.example", "cluster.example", "https://", "https://["],
)
def test_an_endpoint_is_an_https_address(endpoint: str) -> None:
    with pytest.raises(ConfigurationError):
        KubernetesApi(endpoint, certificates("127.0.0.1")[0].decode(), lambda: TOKEN)


@pytest.mark.parametrize("ca_data", ["", "%%%", "bm90IGEgY2VydGlmaWNhdGU=", "-----BEGIN CERTIFICATE-----"])
def test_an_authority_is_a_certificate(ca_data: str) -> None:
    with pytest.raises(ConfigurationError):
        KubernetesApi("https://cluster.example", ca_data, lambda: TOKEN)


def test_an_endpoint_may_be_below_a_path() -> None:
    asked: list[str] = []

    class Connections(urllib3.PoolManager):
        def request(self, method: str, url: str, **_: Any) -> Any:  # type: ignore[override]
            asked.append(f"{method} {url}")
            raise urllib3.exceptions.ProtocolError

    api = KubernetesApi(
        "https://rancher.example/k8s/c-1/", "", lambda: "", http=Connections(), sleep=lambda _: None
    )
    with pytest.raises(SourceUnavailable):
        api.version()
    assert set(asked) == {"GET https://rancher.example/k8s/c-1/version"}


def test_the_token_is_asked_for_every_request() -> None:
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return TOKEN

    ask: Callable[[], str] = token
    with KubernetesApiServer([Kind("pods", "Pod", objects=pods(PAGE + 1))]) as server:
        list(api(server, token=ask).list(PODS))
    assert len(asked) == 2
