"""Why a probe pod does not start, or ends too soon: pure, from pod and events to one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from k8sext.model.data import dataclass
from k8sext.model.secret import printable

from .job import CONTAINER


@dataclass(frozen=True, slots=True)
class Trouble:
    """One hindrance: the code, what happened, the cluster's own words, and whether it may pass."""

    code: str
    what: str
    why: str
    final: bool = False


# The container's waiting reasons (kubelet: pkg/kubelet/images, pkg/kubelet/container).
_WAITING = {
    "ErrImagePull": ("KX904", "the probe's image cannot be pulled", False),
    "ImagePullBackOff": ("KX904", "the probe's image cannot be pulled", False),
    "ErrImageNeverPull": ("KX904", "the image is not on the node and may not be pulled", True),
    "InvalidImageName": ("KX904", "the image's name is not valid", True),
    "RegistryUnavailable": ("KX904", "the image registry does not answer", False),
    "CreateContainerConfigError": ("KX912", "the container's configuration is refused", False),
    "CreateContainerError": ("KX911", "the container cannot be created", False),
    "RunContainerError": ("KX911", "the container cannot be started", False),
}

# Events about the Job or its pod; (reason, words) -> code, what, final. First hit wins.
_EVENTS = (
    ("FailedCreate", r"exceeded quota", "KX903", "the pod was not admitted", True),
    ("FailedCreate", r"violates PodSecurity", "KX903", "the pod was not admitted", True),
    ("FailedCreate", r"admission webhook|ValidatingAdmissionPolicy", "KX903",
     "the pod was not admitted", True),
    ("FailedCreate", r"forbidden|denied", "KX903", "the pod was not admitted", True),
    ("FailedCreate", r"", "KX903", "the pod was not created", False),
    ("FailedScheduling", r"", "KX905", "the pod is not scheduled", False),
    ("FailedMount", r"", "KX912", "a volume is not mounted", False),
    ("FailedCreatePodSandBox", r"", "KX911", "the node cannot make the pod's sandbox", False),
)  # fmt: skip


def trouble_of_pod(pod: Mapping[str, Any]) -> Trouble | None:
    """What the pod's own status says, if it says anything bad."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        known = _WAITING.get(waiting.get("reason", ""))
        if known:
            code, what, final = known
            return Trouble(code, what, printable(waiting.get("message") or "", 600), final)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Trouble(
                "KX905", "the pod is not scheduled", printable(condition.get("message") or "")
            )
    return None


def has_run(pod: Mapping[str, Any], container: str) -> bool:
    """Whether a container runs or has run."""
    return any(
        status.get("name") == container
        and {"running", "terminated"} & (status.get("state") or {}).keys()
        for status in (pod.get("status") or {}).get("containerStatuses") or []
    )


def ended_state(pod: Mapping[str, Any], container: str) -> dict[str, Any] | None:
    """The `terminated` state of a container; None while it has not ended."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        if status.get("name") == container:
            ended: dict[str, Any] | None = (status.get("state") or {}).get("terminated")
            return ended
    return None


def trouble_of_end(pod: Mapping[str, Any]) -> Trouble | None:
    """Why the pod ended, or will end, before the agent was done; None where nothing says so.

    Kubernetes documentation, "Pod disruption conditions", and the kubelet's reasons of a pod.
    """
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        return _ended(f"the probe's pod was ended: {status['reason']}", status.get("message"))
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            what = f"the probe's pod was ended: {condition.get('reason', 'disrupted')}"
            return _ended(what, condition.get("message"))
    ended = ended_state(pod, CONTAINER) or {}
    if ended.get("reason") == "OOMKilled":
        limit = "raise its limit with --pod-patch, or spread the bridges with --shards"
        return _ended("the probe's container ran out of memory and was killed", limit)
    if ended.get("exitCode"):
        what = f"the probe's container ended with exit code {ended['exitCode']}"
        return _ended(what, ended.get("message") or ended.get("reason"))
    if pod.get("metadata", {}).get("deletionTimestamp"):
        return _ended("the probe's pod was deleted", "")
    return None


def _ended(what: str, why: object) -> Trouble:
    return Trouble("KX911", printable(what), printable(str(why or ""), 600))


def trouble_of_event(event: Mapping[str, Any]) -> Trouble | None:
    """What an event about the Job or its pod says, if it is of a kind that stops a start."""
    message = printable(str(event.get("message") or ""), 600)
    for reason, words, code, what, final in _EVENTS:
        if event.get("reason") == reason and re.search(words, message):
            return Trouble(code, what, message, final)
    return None
