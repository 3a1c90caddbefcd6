"""KX618: pods read a Secret when they started, and it has been changed since then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Object, Rule, Subject, key_of
from k8sext.model.shell import part, word
from k8sext.model.words import Culprit, Severity
from k8sext.model.workload import Held, Workload

_RESTARTED_BY_KUBECTL = ("Deployment", "StatefulSet", "DaemonSet")
_CLOCKS_DIFFER = timedelta(seconds=2)  # the node's, which started the pod, and the API server's
_NAMED_AT_MOST = 3
# Whoever makes a release sets these; the time of its entry is then not that of the data.
_RELEASE_LABELS = ("f:helm.sh/chart", "f:app.kubernetes.io/version")


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each bridge, its Secret and a workload whose pods hold the old login."""
    for secret in subject.objects.secrets:
        namespace, name = key_of(secret)
        for bridge in subject.bridges:
            if bridge.namespace == namespace and name in _named(bridge):
                for workload in subject.workloads:
                    if workload.namespace == namespace and bridge.ref in workload.bridges:
                        yield from _of_workload(secret, bridge, workload)


def _named(bridge: Bridge) -> set[str]:
    refs = [bridge.credentials, *(ref for _, ref in bridge.credentials_by_port)]
    return {ref.secret for ref in refs if ref}


def _of_workload(secret: Object, bridge: Bridge, workload: Workload) -> Iterator[Finding]:
    name = key_of(secret)[1]
    old: dict[str, Held] = {}
    changed, sure = "", False
    for held in workload.held:
        entry = _last_change(secret, held.keys) if held.secret == name else None
        if entry and _time(entry) > _parsed(held.since) + _CLOCKS_DIFFER:
            old.setdefault(held.pod, held)
            changed, sure = str(entry["time"]), not _of_a_release(entry)
    if old:
        yield _finding(name, changed, bridge, workload, sorted(old), sure=sure)


def _last_change(secret: Object, keys: Sequence[str]) -> Mapping[str, Any] | None:
    """The youngest entry of managedFields that owns one of these keys of the data.

    The API server renews an entry's time when its manager changes a value or a field, and not when
    it applies the same again (API reference, ManagedFieldsEntry.time).
    """
    wanted = {f"f:{key}" for key in keys}
    found: list[Mapping[str, Any]] = []
    for entry in secret["metadata"].get("managedFields") or ():
        fields = entry.get("fieldsV1") or {}
        data = {**(fields.get("f:data") or {}), **(fields.get("f:stringData") or {})}
        if entry.get("time") and data and (not wanted or wanted & set(data)):
            found.append(entry)
    return max(found, key=_time, default=None)


def _of_a_release(entry: Mapping[str, Any]) -> bool:
    """Whether the entry may be younger than its data, because labels change with every release."""
    labels = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
    return any(label in labels for label in _RELEASE_LABELS)


def _time(entry: Mapping[str, Any]) -> datetime:
    return _parsed(str(entry["time"]))


def _parsed(text: str) -> datetime:
    """RFC 3339, as the API writes all times."""
    return datetime.fromisoformat(text)


def _finding(
    secret: str, changed: str, bridge: Bridge, workload: Workload, pods: list[str], *, sure: bool
) -> Finding:
    rest = f" and {len(pods) - _NAMED_AT_MOST} more" if len(pods) > _NAMED_AT_MOST else ""
    named = ", ".join(pods[:_NAMED_AT_MOST]) + rest
    maybe = "" if sure else " (or only the labels of a new release)"
    command = _restart(workload)
    return Finding(
        code=RULE.code,
        severity=Severity.WARN if sure else Severity.NOTE,
        object=workload.ref,
        summary=f"Secret {secret} was changed at {changed}{maybe}, when these pods of "
        f"{workload.title} had started already: {named}. They read it at their start, so they "
        f"still log in to {bridge.service} with the old values",
        fix=f"restart the pods, so that they read the Secret again: {command}"
        if command
        else f"delete the pods ({named}), so that new ones read the Secret",
        command=command,
        bridge=bridge.ref,
        of_bridge=True,
        culprit=RULE.culprit,
    )


def _restart(workload: Workload) -> str:
    if workload.kind not in _RESTARTED_BY_KUBECTL:
        return ""
    what = f"{workload.kind.lower()}/{part(workload.name)}"
    return f"kubectl rollout restart -n {word(workload.namespace)} {what}"


RULE = Rule(
    code="KX618",
    line="pods read a Secret when they started, and it has been changed since then",
    judge=judge,
    culprit=Culprit.CREDENTIALS,
)
