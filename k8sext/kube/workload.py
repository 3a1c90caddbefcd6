"""The labels of a workload's pods, for a probe that network policies are to treat like them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from k8sext.errors import K8sextError

from .session import Session

KINDS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset"}
# Set by controllers, each for one pod or one revision: a probe that carries them would be counted.
_CONTROLLERS = re.compile(
    r"pod-template-hash|pod-template-generation|controller-revision-hash|controller-uid|job-name"
    r"|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index"
    r"|batch\.kubernetes\.io/.*|k8sext\.io/.*"
)


def labels_like(session: Session, namespace: str, workload: str) -> dict[str, str]:
    """What the pods of `KIND/NAME` or `NAME` are labelled with, less what controllers set.

    Raises K8sextError (usage) when there is no such workload, or more than one of that name, and
    when a Service that publishes pods that are not ready would send its traffic to the probe.
    """
    kinds, name = _parsed(workload)
    found = {kind: item for kind in kinds for item in _named(session, namespace, kind, name)}
    if len(found) != 1:
        what = f"is more than one: {', '.join(f'{k}/{name}' for k in found)}"
        raise K8sextError(
            f"{workload!r} {what if found else 'is no Deployment, StatefulSet or DaemonSet here'}",
            where=f"--like, namespace {namespace}",
        )
    (item,) = found.values()
    labels = kept(item["spec"]["template"].get("metadata", {}).get("labels") or {})
    _refuse_published(session, namespace, labels)
    return labels


def kept(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that people gave."""
    return {key: value for key, value in labels.items() if not _CONTROLLERS.fullmatch(key)}


def _parsed(workload: str) -> tuple[tuple[str, ...], str]:
    kind, slash, name = workload.partition("/")
    if not slash:
        return tuple(KINDS), workload
    word = kind.lower().split(".")[0]
    word = SHORT.get(word, word.removesuffix("s"))
    if word not in KINDS or not name:
        known = ", ".join(f"{k}/NAME" for k in KINDS)
        raise K8sextError(f"{workload!r} is none of NAME, {known}", where="--like")
    return (word,), name


def _named(session: Session, namespace: str, kind: str, name: str) -> list[dict[str, Any]]:
    path = f"/apis/apps/v1/namespaces/{namespace}/{KINDS[kind]}"
    return list(session.get(path, fieldSelector=f"metadata.name={name}").get("items") or [])


def _refuse_published(session: Session, namespace: str, labels: Mapping[str, str]) -> None:
    """The probe never becomes ready, which keeps every other Service from it."""
    for service in session.get(f"/api/v1/namespaces/{namespace}/services").get("items") or []:
        spec = service.get("spec", {})
        selector = spec.get("selector") or {}
        fits = selector and all(labels.get(k) == v for k, v in selector.items())
        if fits and spec.get("publishNotReadyAddresses"):
            name = service["metadata"]["name"]
            raise K8sextError(
                f"Service {name} publishes pods that are not ready and would send to the probe",
                where="--like",
                fix="run without --like, or give with --pod-label what the policies select alone",
            )
