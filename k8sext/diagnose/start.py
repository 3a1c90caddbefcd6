"""KX9xx of a probe that could not be started: from facts about the API and the pod."""

from __future__ import annotations

import re
from dataclasses import replace

from k8sext.errors import K8sextError
from k8sext.model import shell
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.secret import printable
from k8sext.model.words import Culprit, Severity

# Who did not admit a pod, in the words of the API server's own plug-ins, and what to do about it.
# The first that fits; groups are the names that it gives.
_DENIED = (
    (re.compile(r"exceeded quota: (\S+?),"), "raise the quota {0} (kubectl describe quota -n "
        "{namespace!q} {0!q}), or let the pod ask for less: --pod-patch"),
    (re.compile(r'violates PodSecurity "([^"]+)"'), "let the pod meet the level {0} (it does "
        "without --pod-patch), or look at the label pod-security.kubernetes.io/enforce: kubectl "
        "get namespace {namespace!q} --show-labels"),
    (re.compile(r'admission webhook "([^"]+)"'), "meet the rule of the webhook {0} (--pod-label, "
        "--pod-annotation, --pod-patch, --image), or ask its owner for an exception: kubectl get "
        "validatingwebhookconfigurations,mutatingwebhookconfigurations"),
    (re.compile(r"ValidatingAdmissionPolicy '([^']+)'"), "meet the policy (--pod-label, "
        "--pod-annotation, --pod-patch, --image), or ask its owner for an exception: kubectl get "
        "validatingadmissionpolicy {0!q} -o yaml"),
    (re.compile(r"LimitRange|(?:maximum|minimum) (cpu|memory) usage"), "let the pod ask for what "
        "the LimitRange allows (--pod-patch): kubectl describe limitrange -n {namespace!q}"),
    (re.compile(r'unable to validate against any security context constraint'), "let the pod run "
        "under a constraint that its service account may use (--pod-patch): kubectl get scc"),
)  # fmt: skip
# How containerd and CRI-O repeat the resolver of Go (net.DNSError).
_NOT_PULLED = (
    (re.compile(r"lookup (\S+)(?: on \S+)?: no such host"), "the nodes' DNS does not know {0}: "
        "correct the registry's name in --image, or add it to that DNS; or run with an image from "
        "a registry that the nodes reach"),
)  # fmt: skip
# What was changed in the probe's pod (k8sext.vantage.proof). The patterns let nothing through that
# a shell would not take as one word.
_CHANGED = (
    (re.compile(r"image is (\w[\w./:@-]*) instead of"), "if {0} is your registry's own copy of the "
        "image, name it: --image {0}; if nobody knows it, see who made the pod: kubectl get pods "
        "-n {namespace!q} -l k8sext.io/run -o yaml"),
    (re.compile(r"container (\w[\w.-]*) was added"), "if a webhook injects the container {0}, keep "
        "it from the probe (--pod-label or --pod-annotation with its opt-out), or run as somebody "
        "who may create pods in {namespace!q}: then a dry run proves what admission adds"),
)  # fmt: skip
BY_WORDS = {"KX903": _DENIED, "KX904": _NOT_PULLED, "KX927": _CHANGED}
FIXES = {
    "KX901": "check --kubeconfig and --context: kubectl version",
    "KX902": "give the Role that this prints: k8sext rbac --for doctor -n {namespace!q}",
    "KX903": "raise the quota or adapt the pod (--pod-patch), or look from elsewhere: "
    "k8sext doctor -n {namespace!q} --from local",
    "KX904": "let the nodes reach that registry, or mirror the image to one that they reach "
    "(skopeo copy docker://docker.io/library/python:3.13-slim "
    "docker://YOUR-REGISTRY/python:3.13-slim) and run with --image YOUR-REGISTRY/python:3.13-slim",
    "KX905": "free a node for it, or steer it with --pod-patch (nodeSelector, tolerations)",
    "KX906": "kubectl get events -n {namespace!q}; give it more time with --pod-start-timeout",
    "KX907": "run again; if a proxy cuts logs, ask its owner for long-lived requests",
    "KX908": "run again with a longer --timeout",
    "KX910": "report it, please, with the kind and the line of the defect; --debug shows more",
    "KX911": "kubectl describe the pod while it starts; the node's runtime refuses it",
    "KX913": "run again; if it stays so, look --from pod: it needs no port-forward",
    "KX926": "see who made it, and delete it if nobody knows: kubectl get pods -n {namespace!q} "
    "-l k8sext.io/run -o yaml",
    "KX927": "see who changed it: kubectl get pods -n {namespace!q} -l k8sext.io/run -o yaml; if "
    "admission does, run as somebody who may create pods in {namespace!q}, for a dry run proves it",
    "KX928": "run again; if it stays so, see who may create, delete and patch pods: kubectl get "
    "rolebindings -n {namespace!q} -o wide",
    "KX929": "k8sext cleanup -n {namespace!q}",
    "KX916": "run again; a longer time limit of the CI job may be needed",
    "KX912": "kubectl get events -n {namespace!q}; a volume of the probe cannot be mounted",
}


def start_failure(
    code: str, namespace: str, what: str, why: str, severity: Severity = Severity.INCONCLUSIVE
) -> Diagnosis:
    """Why the probe of one namespace did not start; `why` is the cluster's own words."""
    place = namespace or "NAMESPACE"
    known = _fix_by_words(code, why, place)
    return Diagnosis(
        code=code,
        severity=severity,
        culprit=Culprit.TOOL_ENVIRONMENT,
        summary=what,
        why=why,
        fix=known or shell.filled(FIXES[code], {"namespace": place}),
        see=f"k8sext explain {code}",
    )


def _fix_by_words(code: str, why: str, namespace: str) -> str:
    """What to do where the words name the cause; "" where they do not."""
    for pattern, fix in BY_WORDS.get(code, ()):
        if match := pattern.search(why):
            named = {str(n): printable(text or "") for n, text in enumerate(match.groups())}
            return shell.filled(fix, {**named, "namespace": namespace})
    return ""


def broke(namespace: str, why: str) -> Diagnosis:
    """A defect of ours ended the run: `why` is its kind and its line."""
    return start_failure("KX910", namespace, "k8sext itself failed", why)


def interrupted(namespace: str) -> Diagnosis:
    """Somebody ended the run."""
    why = "a signal: Ctrl-C, or the end of the CI job"
    return start_failure("KX916", namespace, "the run was interrupted", why)


def from_error(namespace: str, error: K8sextError) -> Diagnosis:
    """An error of the API as a diagnosis."""
    status = getattr(error, "status", 0)
    refused = status == 403 and bool(getattr(error, "genuine", True))
    forbidden = refused or "no right" in error.what
    admission = refused and ("quota" in str(error) or "admission" in str(error))
    code = "KX903" if admission else "KX902" if forbidden else "KX901"
    why = ": ".join(part for part in (error.where, error.why) if part)
    said = start_failure(code, namespace, error.what, why)
    return replace(said, fix=error.fix) if code != "KX903" and error.fix else said
