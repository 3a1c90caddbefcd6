"""KX113: Argo CD applies a Service without endpoints, and by default it applies no slices."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Object, Rule, Subject
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import key_of_bridge

TRACKING = "argocd.argoproj.io/tracking-id"
LABEL = "argocd.argoproj.io/instance"


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each such bridge.

    Since 3.0 the default resource.exclusions name Endpoints and EndpointSlice (argo-cd, docs/
    operator-manual/upgrading/2.14-3.0; argoproj/argo-cd 25783).
    """
    for bridge in subject.bridges:
        service = subject.objects.service_of.get(key_of_bridge(bridge))
        empty = not bridge.endpoints and bridge.kind is not Kind.EXTERNAL_NAME
        application = _application(service, bridge) if service and empty else ""
        if application:
            yield _finding(bridge, application)


def _application(service: Object, bridge: Bridge) -> str:
    """The application that applied it; a tracking annotation that was copied names another object.

    The common label app.kubernetes.io/instance alone is Helm's as well.
    """
    meta = service["metadata"]
    application, _, rest = ((meta.get("annotations") or {}).get(TRACKING) or "").partition(":")
    if rest.endswith(f"/Service:{bridge.ref}"):
        return str(application)
    return str((meta.get("labels") or {}).get(LABEL) or "")


def _finding(bridge: Bridge, application: str) -> Finding:
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"Service/{bridge.ref}",
        summary=f"Argo CD applies Service {bridge.service} (application {application}), and its "
        "default settings leave EndpointSlices and Endpoints out, so a slice in the repository "
        "is likely never applied",
        fix="in ConfigMap argocd-cm take EndpointSlice and Endpoints out of resource.exclusions "
        "and sync again, or make the Service an ExternalName; what is made by hand (k8sext "
        f"provision {word(bridge.service)} -n {word(bridge.namespace)} --to ADDRESS:PORT --adopt) "
        "works at once and is not in Git",
        confidence="likely",
        bridge=bridge.ref,
        refines=("KX305", "KX201", "KX202", "KX206"),
    )


RULE = Rule(
    code="KX113",
    line="Argo CD applies a Service without endpoints, and by default it applies no slices",
    judge=judge,
)
