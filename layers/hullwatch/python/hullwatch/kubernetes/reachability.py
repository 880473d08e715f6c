"""What keeps a cluster from being read, and the one step that mends it."""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.errors import (
    AccessRefused,
    CertificateUntrusted,
    ClusterUnreachable,
    ConfigurationError,
    HullwatchError,
    NotAuthenticated,
)
from hullwatch.kubernetes.access import READERS

#: ``network``: no connection. ``certificate``: not the cluster's. ``identity``: 401. ``permission``: 403 on
#: everything. ``configuration``: endpoint, authority or AWS credentials cannot be used. ``service``: a
#: connection and no usable answer, which may pass.
Reason = Literal["network", "certificate", "identity", "permission", "configuration", "service"]

_STEPS: dict[Reason, str] = {
    "network": "ask from a network that reaches the endpoint: for a private one, subnets of the cluster's "
    "VPC, let in at port 443 of the cluster's security group",
    "certificate": "take away the proxy that opens TLS on the way to the cluster, or correct the authority",
    "identity": "log in, and give the role that asks an access entry of the cluster, type STANDARD, "
    f"Kubernetes group {READERS}",
    "permission": "apply config/kubernetes/reader.yaml to the cluster, and bind it to whoever asks",
    "configuration": "check the cluster's name and Region, and the AWS credentials",
    "service": "none, if it passes by the next time; else see the cluster's control plane metrics",
}


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing of a cluster could be read."""

    reason: Reason
    #: What happened, in the words of whoever refused.
    detail: str

    @property
    def step(self) -> str:
        """What to do about it, in words."""
        return _STEPS[self.reason]

    def __str__(self) -> str:
        return f"{self.detail}. To mend it: {self.step}"


def obstacle(error: HullwatchError) -> Obstacle:
    """What an error of the API means for the whole cluster."""
    return Obstacle(reason=_reason(error), detail=str(error))


def _reason(error: HullwatchError) -> Reason:
    match error:
        case ClusterUnreachable():
            return "network"
        case CertificateUntrusted():
            return "certificate"
        case NotAuthenticated():
            return "identity"
        case AccessRefused():
            return "permission"
        case ConfigurationError():
            return "configuration"
    return "service"
