"""Volumes that nobody encrypts."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.engine import Outcome, Unknown, Violation, control
from hullwatch.posture.model.ec2 import EbsDefault, EbsVolume
from hullwatch.posture.model.kubernetes import PersistentVolume, StorageClass
from hullwatch.posture.model.snapshot import Snapshot

_EBS = frozenset({"ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs"})


def encrypted_by_default(snapshot: Snapshot) -> bool | None:
    """Whether the account encrypts every new EBS volume in the Region; ``None`` when nobody could ask."""
    found = [item.ebs_encryption_by_default for item in snapshot.of(EbsDefault)]
    return found[0] if found else None


def not_ebs(item: StorageClass, _: Snapshot) -> str:
    """EFS, FSx and the rest are encrypted, or not, where their file systems are made."""
    return "" if item.provisioner in _EBS else "not an EBS class"


@control("k8s.storage.unencrypted", StorageClass, skip=not_ebs)
def unencrypted_class(item: StorageClass, snapshot: Snapshot) -> Iterator[Outcome]:
    value = item.parameters.get("encrypted", "")
    default = encrypted_by_default(snapshot)
    if value.lower() == "true" or default:
        return
    if default is None:
        yield Unknown(
            snapshot.missing("ec2:GetEbsEncryptionByDefault") or "ec2:GetEbsEncryptionByDefault: no answer"
        )
    else:
        yield Violation(path="parameters.encrypted", value=value or None)


def no_ebs_volume(item: PersistentVolume, _: Snapshot) -> str:
    """Only volumes of the EBS driver."""
    return "" if item.csi_driver in _EBS else "not an EBS volume"


@control("k8s.storage.unencrypted", PersistentVolume, needs=("ec2:DescribeVolumes",), skip=no_ebs_volume)
def unencrypted_volume(item: PersistentVolume, snapshot: Snapshot) -> Iterator[Outcome]:
    for volume in snapshot.of(EbsVolume):
        if volume.volume_id == item.volume_handle and not volume.encrypted:
            yield Violation(path="spec.csi.volumeHandle", value=item.volume_handle)
