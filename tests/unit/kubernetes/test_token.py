from __future__ import annotations

import base64
import urllib.parse

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from hullwatch.errors import ConfigurationError
from hullwatch.kubernetes.token import EksToken


def session(region: str = "eu-central-1") -> boto3.Session:
    return boto3.Session(
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token="session",
        region_name=region,
    )


def decoded(token: str) -> urllib.parse.SplitResult:
    prefix, _, encoded = token.partition(".")
    assert prefix == "k8s-aws-v1"
    assert "=" not in encoded
    return urllib.parse.urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_token_is_a_presigned_call_of_the_regions_sts(region: str, host: str) -> None:
    url = decoded(EksToken("shop", session(region))())
    query = dict(urllib.parse.parse_qsl(url.query))
    assert (url.scheme, url.hostname, url.path) == ("https", host, "/")
    assert query["Action"] == "GetCallerIdentity"
    assert query["Version"] == "2011-06-15"
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert query["X-Amz-Security-Token"] == "session"
    assert f"/{region}/sts/aws4_request" in query["X-Amz-Credential"]


def test_the_cluster_is_part_of_what_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed again here, with the date of the token and the header that the authenticator adds."""
    url = decoded(EksToken("shop", session())())
    query = dict(urllib.parse.parse_qsl(url.query))

    def signature(cluster: str) -> str:
        request = AWSRequest(
            method="GET",
            url=f"https://{url.hostname}/?Action=GetCallerIdentity&Version=2011-06-15",
            headers={"x-k8s-aws-id": cluster},
        )
        auth = SigV4QueryAuth(
            Credentials("AKIDEXAMPLE", "secret", "session"), "sts", "eu-central-1", expires=60
        )
        moment = query["X-Amz-Date"]
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: _at(moment))
        auth.add_auth(request)
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query))["X-Amz-Signature"]

    assert signature("shop") == query["X-Amz-Signature"]
    assert signature("other") != query["X-Amz-Signature"]


def _at(moment: str) -> object:
    from datetime import UTC, datetime

    return datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_a_token_is_used_for_fourteen_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    token = EksToken("shop", session(), clock=lambda: now[0])
    signed = []
    monkeypatch.setattr(EksToken, "_sign", lambda self: signed.append(1) or f"token-{len(signed)}")
    assert token() == "token-1"
    now[0] += 14 * 60 - 1
    assert token() == "token-1"
    now[0] += 1
    assert token() == "token-2"


def test_without_credentials_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = boto3.Session(region_name="eu-central-1")
    monkeypatch.setattr(made, "get_credentials", lambda: None)
    with pytest.raises(ConfigurationError, match="no AWS credentials"):
        EksToken("shop", made)()
