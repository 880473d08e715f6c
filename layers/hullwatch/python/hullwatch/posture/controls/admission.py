"""Admission: policies that only report, webhooks that lead elsewhere, signatures that nobody checks."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from hullwatch.posture.analysis.admission import ENGINES, AdmissionPolicy, has_signature_webhook
from hullwatch.posture.engine import Outcome, Severity, Violation, control
from hullwatch.posture.model.kubernetes import Cluster, WebhookConfiguration
from hullwatch.posture.model.snapshot import Snapshot

_CLUSTER_HOSTS = (".svc", ".svc.cluster.local", ".cluster.local")
_SENSITIVE = frozenset({"*", "pods", "secrets", "*/*"})


@control("k8s.admission.policy-not-enforcing", AdmissionPolicy)
def policy_reports_only(policy: AdmissionPolicy, _: Snapshot) -> Iterator[Outcome]:
    if not policy.enforces:
        yield Violation(path=policy.path, value=policy.mode)


@control("k8s.admission.policy-not-enforcing", WebhookConfiguration)
def webhook_fails_open(configuration: WebhookConfiguration, _: Snapshot) -> Iterator[Outcome]:
    for index, hook in enumerate(configuration.webhooks):
        if any(engine in hook.name for engine in ENGINES) and hook.failure_policy == "Ignore":
            yield Violation(path=f"webhooks[{index}].failurePolicy", value="Ignore", message=hook.name)


@control(
    "k8s.admission.no-signature-verification",
    Cluster,
    needs=("customresources", "webhookconfigurations.admissionregistration.k8s.io"),
)
def no_signature_check(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    policies = [policy for policy in snapshot.of(AdmissionPolicy) if policy.signatures]
    if any(policy.enforces for policy in policies) or has_signature_webhook(snapshot):
        return
    severity: Severity | None = "low" if policies else None
    value = str(policies[0].resource) if policies else None
    yield Violation(path="policies", value=value, severity=severity)


@control("k8s.admission.webhook-external", WebhookConfiguration)
def external_webhook(configuration: WebhookConfiguration, _: Snapshot) -> Iterator[Outcome]:
    for index, hook in enumerate(configuration.webhooks):
        host = urlsplit(hook.url).hostname or ""
        if hook.url and not host.endswith(_CLUSTER_HOSTS):
            severity: Severity | None = "high" if _SENSITIVE & set(hook.resources) else None
            yield Violation(path=f"webhooks[{index}].clientConfig.url", value=hook.url, severity=severity)
