"""Policy engines in a cluster: which policies there are, and whether they refuse or only report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hullwatch.posture.model.kubernetes import CustomObject, WebhookConfiguration
from hullwatch.posture.model.snapshot import Resource, Snapshot
from hullwatch.posture.readers.documents import Document, mappings, text

#: Parts of the names of webhooks that policy engines register.
ENGINES = (
    "kyverno",
    "gatekeeper",
    "validate.kyverno",
    "policy.sigstore",
    "connaisseur",
    "portieris",
    "ratify",
)
SIGNATURE_ENGINES = ("policy.sigstore", "connaisseur", "portieris")


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """A policy of Kyverno, Gatekeeper, Sigstore or the API server. ``path`` is where its mode is written."""

    INPUTS: ClassVar[tuple[str, ...]] = ("customresources",)

    resource: Resource
    enforces: bool
    path: str
    mode: str
    #: It checks signatures of images.
    signatures: bool = False

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[AdmissionPolicy]:
        """Every policy among the custom objects."""
        for item in snapshot.of(CustomObject):
            yield from _policy(item)


def _policy(item: CustomObject) -> Iterator[AdmissionPolicy]:
    spec, resource = item.spec, item.resource
    match item.group, item.kind:
        case "kyverno.io", "ClusterPolicy" | "Policy":
            rules = list(mappings(spec.get("rules")))
            path, mode = _kyverno_mode(spec, rules)
            signed = any("verifyImages" in rule for rule in rules)
            yield AdmissionPolicy(resource, mode.lower() == "enforce", path, mode, signed)
        case "policies.kyverno.io", "ValidatingPolicy" | "ImageValidatingPolicy":
            actions = _actions(spec)
            signed = item.kind == "ImageValidatingPolicy"
            yield AdmissionPolicy(
                resource, "Deny" in actions, "spec.validationActions", ",".join(actions), signed
            )
        case "constraints.gatekeeper.sh", kind:
            mode = text(spec.get("enforcementAction", "deny"))
            yield AdmissionPolicy(resource, mode == "deny", "spec.enforcementAction", mode, "Ratify" in kind)
        case "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding":
            actions = _actions(spec)
            yield AdmissionPolicy(resource, "Deny" in actions, "spec.validationActions", ",".join(actions))
        case "policy.sigstore.dev", "ClusterImagePolicy":
            mode = text(spec.get("mode", "enforce"))
            yield AdmissionPolicy(resource, mode == "enforce", "spec.mode", mode, signatures=True)


def _actions(spec: Document) -> list[str]:
    actions = spec.get("validationActions")
    return [text(item) for item in actions] if isinstance(actions, list) else ["Deny"]


def _kyverno_mode(spec: Document, rules: list[Document]) -> tuple[str, str]:
    """Where the mode stands and what it is: a rule's own, else the policy's, else Audit.

    https://kyverno.io/docs/policy-types/cluster-policy/validate/#failure-action
    """
    for index, rule in enumerate(rules):
        for section in ("validate", "verifyImages"):
            block = rule.get(section)
            for part in mappings(block if isinstance(block, list) else [block]):
                if "failureAction" in part:
                    where = f"spec.rules[{index}].{section}"
                    return f"{where}.failureAction", text(part["failureAction"])
    return "spec.validationFailureAction", text(spec.get("validationFailureAction", "Audit"))


def has_signature_webhook(snapshot: Snapshot) -> bool:
    """Whether a webhook of an engine that checks signatures refuses what it cannot check."""
    return any(
        any(engine in hook.name for engine in SIGNATURE_ENGINES) and hook.failure_policy == "Fail"
        for configuration in snapshot.of(WebhookConfiguration)
        for hook in configuration.webhooks
    )
