"""Access to EKS clusters: an access entry that puts a role into the group of our manifest."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from hullwatch.kubernetes.access import READERS


class ClusterAccess(Construct):
    """Lets ``role`` be known to each of ``clusters``, in the group ``hullwatch:readers`` and no other.

    ``config/kubernetes/reader.yaml`` says what the group may do. Whoever runs the cluster applies it, since
    no access policy of AWS allows just this. ``clusters`` are names in the stack's account and Region; their
    authentication mode is ``API`` or ``API_AND_CONFIG_MAP``.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, role: iam.IRole, clusters: Iterable[str]
    ) -> None:
        super().__init__(scope, construct_id)
        for cluster in clusters:
            aws_eks.CfnAccessEntry(
                self,
                cluster,
                cluster_name=cluster,
                principal_arn=role.role_arn,
                type="STANDARD",
                kubernetes_groups=[READERS],
            )
