"""From the name of an EKS cluster to its API."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import ClientError

from hullwatch.aws.errors import error_code, translated
from hullwatch.errors import ConfigurationError
from hullwatch.kubernetes.api import KubernetesApi
from hullwatch.kubernetes.token import EksToken


def connect(eks: Any, session: boto3.Session, cluster: str, *, seconds: float = 300) -> KubernetesApi | None:
    """The API of a cluster, asked as the session's identity; ``None`` when there is no such cluster.

    All requests together may take ``seconds``. Raises :class:`~hullwatch.errors.AccessRefused` without the
    permission to describe the cluster, and :class:`~hullwatch.errors.ConfigurationError` for one that has no
    endpoint (yet).
    """
    with translated(f"describing cluster {cluster}"):
        try:
            found = eks.describe_cluster(name=cluster)["cluster"]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
    authority = found.get("certificateAuthority", {}).get("data", "")
    if not found.get("endpoint") or not authority:
        raise ConfigurationError(f"cluster {cluster} has no endpoint: it is {found.get('status', 'unknown')}")
    return KubernetesApi(found["endpoint"], authority, EksToken(cluster, session), seconds=seconds)
