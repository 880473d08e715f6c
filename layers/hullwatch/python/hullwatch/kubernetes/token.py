"""The bearer token of an EKS cluster: a presigned call of STS that says who asks.

The cluster's authenticator makes the call and takes the identity that STS answers with. The form is that of
aws-iam-authenticator (README, "API Authorization from Outside a Cluster"): ``GetCallerIdentity`` of the
Region's STS, the cluster's name in the signed header ``x-k8s-aws-id``, ``k8s-aws-v1.`` and base64url without
padding.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from hullwatch.aws.errors import translated
from hullwatch.errors import ConfigurationError

_PREFIX = "k8s-aws-v1."
#: Seconds in ``X-Amz-Expires``. Whatever it says, a cluster takes a token for 15 minutes after it was signed.
_EXPIRES = 60
#: Seconds that a token is used for.
_USABLE = 14 * 60
_CLUSTER = "x-k8s-aws-id"


class EksToken:
    """Gives the token of one cluster when it is called, signed again every 14 minutes.

    ``clock`` gives seconds that only grow. Raises :class:`~hullwatch.errors.ConfigurationError` when there
    are no AWS credentials to sign with.
    """

    def __init__(
        self, cluster: str, session: boto3.Session, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._session = session
        self._clock = clock
        self._token = ""
        self._until = 0.0

    def __call__(self) -> str:
        now = self._clock()
        if not self._token or now >= self._until:
            self._token, self._until = self._sign(), now + _USABLE
        return self._token

    def _sign(self) -> str:
        with translated("signing a token for the cluster"):
            credentials = self._session.get_credentials()
            if credentials is None:
                raise ConfigurationError("there are no AWS credentials to ask the cluster with")
            meta = self._session.client("sts").meta
            request = AWSRequest(
                method="GET",
                url=f"{meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
                headers={_CLUSTER: self._cluster},
            )
            frozen = credentials.get_frozen_credentials()
            SigV4QueryAuth(frozen, "sts", meta.region_name, expires=_EXPIRES).add_auth(request)
        return _PREFIX + base64.urlsafe_b64encode(str(request.url).encode()).decode().rstrip("=")
