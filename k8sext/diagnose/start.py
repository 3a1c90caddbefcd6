"""KX9xx of a probe that could not be started: from facts about the API and the pod."""

from __future__ import annotations

from dataclasses import replace

from k8sext.errors import K8sextError
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.words import Culprit, Severity

FIXES = {
    "KX901": "check --kubeconfig and --context: kubectl version",
    "KX902": "give the Role that this prints: k8sext rbac --for doctor -n {namespace}",
    "KX903": "raise the quota or adapt the pod (--pod-patch), or look from elsewhere: "
    "k8sext doctor -n {namespace} --from local",
    "KX904": "mirror the image (skopeo copy docker://docker.io/library/python:3.13-slim "
    "docker://YOUR-REGISTRY/python:3.13-slim) and run with --image YOUR-REGISTRY/python:3.13-slim",
    "KX905": "free a node for it, or steer it with --pod-patch (nodeSelector, tolerations)",
    "KX906": "kubectl get events -n {namespace}; give it more time with --pod-start-timeout",
    "KX907": "run again; if a proxy cuts logs, ask its owner for long-lived requests",
    "KX908": "run again with a longer --timeout",
    "KX911": "kubectl describe the pod while it starts; the node's runtime refuses it",
    "KX913": "run again; if it stays so, look --from pod: it needs no port-forward",
    "KX912": "kubectl get events -n {namespace}; a volume of the probe cannot be mounted",
}


def start_failure(code: str, namespace: str, what: str, why: str) -> Diagnosis:
    """Why the probe of one namespace did not start."""
    return Diagnosis(
        code=code,
        severity=Severity.INCONCLUSIVE,
        culprit=Culprit.TOOL_ENVIRONMENT,
        summary=what,
        why=why,
        fix=FIXES[code].format(namespace=namespace or "NAMESPACE"),
        see=f"k8sext explain {code}",
    )


def from_error(namespace: str, error: K8sextError) -> Diagnosis:
    """An error of the API as a diagnosis."""
    status = getattr(error, "status", 0)
    forbidden = status == 403 or "no right" in error.what
    admission = status == 403 and ("quota" in str(error) or "admission" in str(error))
    code = "KX903" if admission else "KX902" if forbidden else "KX901"
    why = ": ".join(part for part in (error.where, error.why) if part)
    said = start_failure(code, namespace, error.what, why)
    return replace(said, fix=error.fix) if code == "KX902" and error.fix else said
