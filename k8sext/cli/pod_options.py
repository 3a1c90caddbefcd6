"""What may be said about the probe pod on the command line: texts in, PodOptions out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from k8sext.errors import K8sextError
from k8sext.reading import files
from k8sext.vantage.job import DEFAULT_IMAGE, TTL_S, PodOptions

SHARDS_AT_MOST = 32
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# Kubernetes documentation, "Labels and Selectors": syntax and character set.
_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DNS = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"({_DNS}/)?{_NAME}")
_VALUE = re.compile(rf"({_NAME})?")
# The Job's own: another value would be refused, or the pod would not be found again.
_OURS = re.compile(r"k8sext\.io/.*|batch\.kubernetes\.io/.*|controller-uid|job-name")


def pod_options(
    *,
    image: str | None = None,
    pull_secrets: Sequence[str] | None = None,
    patch: Path | None = None,
    start_timeout: float = 120.0,
    ttl: float = TTL_S,
    mesh: bool = False,
    node_selector: Sequence[str] | None = None,
    tolerations: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    annotations: Sequence[str] | None = None,
    like: str | None = None,
    shards: int = 1,
) -> PodOptions:
    """The probe pod as asked for. Raises K8sextError (usage) with one sentence."""
    _between("--pod-start-timeout", start_timeout, 1, 3600)
    _between("--pod-ttl", ttl, 0, 3600)
    _between("--shards", shards, 1, SHARDS_AT_MOST)
    return PodOptions(
        image=image or DEFAULT_IMAGE,
        image_pull_secrets=tuple(pull_secrets or ()),
        start_timeout_s=start_timeout,
        ttl_s=int(ttl),
        mesh=mesh,
        node_selector=pairs("--node-selector", node_selector or ()),
        tolerations=tuple(toleration(text) for text in tolerations or ()),
        labels=_not_ours("--pod-label", pairs("--pod-label", labels or ())),
        annotations=pairs("--pod-annotation", annotations or (), free=True),
        patch=_patch(patch) if patch else {},
        like=like or "",
        shards=shards,
    )


def _between(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise K8sextError(f"{value:g} is not between {least:g} and {most:g}", where=option)


def pairs(option: str, texts: Sequence[str], *, free: bool = False) -> dict[str, str]:
    """`KEY=VALUE` texts as a mapping; `free` values may be any text, as annotations are."""
    found: dict[str, str] = {}
    for text in texts:
        key, mark, value = text.partition("=")
        if not mark:
            raise K8sextError(f"{text!r} is not KEY=VALUE", where=option)
        if not _KEY.fullmatch(key):
            raise K8sextError(f"{key!r} is not a key that Kubernetes accepts", where=option)
        if not free and not _VALUE.fullmatch(value):
            raise K8sextError(f"{value!r} is not a label value", where=option)
        found[key] = value
    return found


def _not_ours(option: str, labels: dict[str, str]) -> dict[str, str]:
    for key in labels:
        if _OURS.fullmatch(key):
            raise K8sextError(f"{key!r} is set by the run itself", where=option)
    return labels


def toleration(text: str) -> dict[str, str]:
    """`KEY[=VALUE][:EFFECT]`; without a value any value is tolerated, `:` alone is everything."""
    rest, mark, effect = text.partition(":")
    key, equals, value = rest.partition("=")
    if mark and effect and effect not in EFFECTS:
        raise K8sextError(f"{effect!r} is not one of {', '.join(EFFECTS)}", where="--toleration")
    if equals and not key:
        raise K8sextError(f"{text!r} has a value and no key", where="--toleration")
    if not (mark or key) or (key and not _KEY.fullmatch(key)) or not _VALUE.fullmatch(value):
        raise K8sextError(f"{text!r} is not KEY[=VALUE][:EFFECT]", where="--toleration")
    found = {"operator": "Equal", "value": value} if equals else {"operator": "Exists"}
    return {**({"key": key} if key else {}), **found, **({"effect": effect} if effect else {})}


def _patch(path: Path) -> Mapping[str, Any]:
    found = files.mapping(path, "the pod patch")
    if not found:
        raise K8sextError("the pod patch is not a mapping (metadata, spec)", where=str(path))
    return found
