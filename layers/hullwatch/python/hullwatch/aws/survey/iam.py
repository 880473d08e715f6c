"""IAM: every role with its trust, and the permissions of the roles that containers and nodes use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading, trimmed

DETAILS = "iam:GetAccountAuthorizationDetails"
INPUTS = frozenset({DETAILS})
ACTIONS = (DETAILS,)
_TRUST = ("Arn", "RoleName", "AssumeRolePolicyDocument")
_ROLE = (*_TRUST, "RolePolicyList", "AttachedManagedPolicies", "PermissionsBoundary")
#: In the trust policy of a role that service accounts of an EKS cluster may assume.
_IRSA = "oidc.eks."


def documents(reading: Reading, named: Named) -> Iterator[Document]:
    """Roles page by page, and at last those in use with the default version of their policies.

    In use are the roles of ``named`` and those that an EKS cluster's OIDC provider may hand out.
    """
    if not reading.wants(DETAILS):
        return
    used: list[Document] = []
    attached: set[str] = set()
    with reading.input(DETAILS):
        for page in reading.pages(DETAILS, Filter=["Role"]):
            others: list[Document] = []
            for role in page["RoleDetailList"]:
                if role.get("Arn") in named.roles or _IRSA in _text(role.get("AssumeRolePolicyDocument")):
                    used.append(role)
                    attached |= _policies(role)
                else:
                    others.append(role)
            yield {"RoleDetailList": trimmed(others, *_TRUST)}
    policies: list[Document] = []
    with reading.input(DETAILS):
        for page in reading.pages(DETAILS, Filter=["LocalManagedPolicy", "AWSManagedPolicy"]):
            policies += [_default(item) for item in page["Policies"] if item.get("Arn") in attached]
    # A policy that could not be read is still attached, and then nobody knows what the role may do.
    if used:
        yield {"RoleDetailList": trimmed(used, *_ROLE), "Policies": policies}


def _policies(role: Document) -> set[str]:
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    return {boundary, *(item["PolicyArn"] for item in role.get("AttachedManagedPolicies", ()))} - {""}


def _default(policy: Document) -> Document:
    versions = [item for item in policy.get("PolicyVersionList", ()) if item.get("IsDefaultVersion")]
    return {"Arn": policy["Arn"], "PolicyVersionList": versions}


def _text(document: Any) -> str:
    """A policy document, which clients give decoded or not, as text to look for a word in."""
    return unquote(document) if isinstance(document, str) else json.dumps(document)
