"""Why a probe pod does not start: pure functions from the pod and its events to one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8sext.model.secret import printable


@dataclass(frozen=True, slots=True)
class Trouble:
    """One hindrance: the code, what happened, the cluster's own words, and whether it may pass."""

    code: str
    what: str
    why: str
    final: bool = False


# The container's waiting reasons (kubelet: pkg/kubelet/images, pkg/kubelet/container).
_WAITING = {
    "ErrImagePull": ("KX904", "the image cannot be pulled", False),
    "ImagePullBackOff": ("KX904", "the image cannot be pulled", False),
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
    status = pod.get("status", {})
    for container in status.get("containerStatuses") or []:
        waiting = container.get("state", {}).get("waiting") or {}
        known = _WAITING.get(waiting.get("reason", ""))
        if known:
            code, what, final = known
            return Trouble(code, what, printable(waiting.get("message", ""), 600), final)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Trouble("KX905", "the pod is not scheduled", printable(condition["message"]))
    return None


def trouble_of_event(event: Mapping[str, Any]) -> Trouble | None:
    """What an event about the Job or its pod says, if it is of a kind that stops a start."""
    message = printable(str(event.get("message", "")), 600)
    for reason, words, code, what, final in _EVENTS:
        if event.get("reason") == reason and re.search(words, message):
            return Trouble(code, what, message, final)
    return None
