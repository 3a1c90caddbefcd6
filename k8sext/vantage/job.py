"""The Job that carries a probe pod: a pure function from a plan to one API object."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, cast

from k8sext.errors import K8sextError
from k8sext.model.data import dataclass
from k8sext.model.plan import Plan

DEFAULT_IMAGE = "docker.io/library/python:3.13-slim"
SECRETS_ROOT = "/k8sext/credentials"
CONTAINER = "probe"
RUN_LABEL = "k8sext.io/run"
LABELS = {"app.kubernetes.io/managed-by": "k8sext", "app.kubernetes.io/name": "k8sext-probe"}
# A sidecar's proxy accepts every connection before it dials: evidence would be worthless.
MESH_OPT_OUT_LABELS = {"sidecar.istio.io/inject": "false"}
MESH_OPT_OUT_ANNOTATIONS = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
# Nobody sets this condition, so the pod never becomes ready and no Service sends it traffic.
READINESS_GATE = "k8sext.io/takes-traffic"
TTL_S = 60
GRACE_S = 2
MARGIN_S = 10

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOptions:
    """What the user may say about the probe pod. Times are seconds."""

    image: str = DEFAULT_IMAGE
    image_pull_secrets: tuple[str, ...] = ()
    start_timeout_s: float = 120.0
    ttl_s: int = TTL_S  # how long the ended Job stays if nobody deletes it
    run_as_user: int | None = 65532  # None where the platform assigns it
    mesh: bool = False  # True: let a mesh inject its sidecar
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[Mapping[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    patch: Mapping[str, Any] = field(default_factory=dict[str, Any])
    like: str = ""  # the workload whose pods' labels are taken on
    like_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    shards: int = 1


def name_of(plan: Plan) -> str:
    """The Job's name."""
    return f"k8sext-{plan.run_id}"


def secrets_of(plan: Plan) -> tuple[str, ...]:
    """The Secrets that the plan's targets name, in order, each once."""
    names = [t.credentials.secret for t in plan.everything if t.credentials]
    names += [t.tls.ca_secret for t in plan.everything if t.tls.ca_secret]
    return tuple(dict.fromkeys(names))


def manifest(
    plan: Plan, command: Sequence[str], env: Mapping[str, str], options: PodOptions
) -> Manifest:
    """The Indexed Job for one namespace's plan: code, plan and deadlines in one object."""
    deadline = options.start_timeout_s + plan.budget.run_s + MARGIN_S
    labels = {**LABELS, RUN_LABEL: plan.run_id}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name_of(plan), "namespace": plan.namespace, "labels": labels},
        "spec": {
            "completionMode": "Indexed",
            "completions": plan.shards,
            "parallelism": plan.shards,
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(deadline),
            "ttlSecondsAfterFinished": options.ttl_s,
            "template": _patched(_template(plan, command, env, options), options.patch),
        },
    }


def _template(
    plan: Plan,
    command: Sequence[str],
    env: Mapping[str, str],
    options: PodOptions,
) -> Manifest:
    mesh_annotations = {} if options.mesh else MESH_OPT_OUT_ANNOTATIONS
    secrets = secrets_of(plan)
    user = {} if options.run_as_user is None else {"runAsUser": options.run_as_user}
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "readinessGates": [{"conditionType": READINESS_GATE}],
        "nodeSelector": {"kubernetes.io/os": "linux", **options.node_selector},
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **user,
        },
        "containers": [_container(command, env, options, secrets)],
        "volumes": [_volume(number, secret) for number, secret in enumerate(secrets)],
    }
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": n} for n in options.image_pull_secrets]
    if options.tolerations:
        spec["tolerations"] = [dict(t) for t in options.tolerations]
    return {
        "metadata": {
            "labels": {**_pod_labels(options), RUN_LABEL: plan.run_id},
            "annotations": {**mesh_annotations, **options.annotations},
        },
        "spec": spec,
    }


def _pod_labels(options: PodOptions) -> dict[str, str]:
    """Ours, then the workload's to be taken for (it may have another `name`), then the user's."""
    mesh = {} if options.mesh else MESH_OPT_OUT_LABELS
    return {**LABELS, **options.like_labels, **mesh, **options.labels}


def _container(
    command: Sequence[str], env: Mapping[str, str], options: PodOptions, secrets: Sequence[str]
) -> Manifest:
    field_refs = {"K8SEXT_NODE": "spec.nodeName", "K8SEXT_POD_IP": "status.podIP"}
    return {
        "name": CONTAINER,
        "image": options.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [
            *({"name": n, "value": v} for n, v in env.items()),
            {"name": "K8SEXT_SECRETS", "value": SECRETS_ROOT},
            *(
                {"name": n, "valueFrom": {"fieldRef": {"fieldPath": path}}}
                for n, path in field_refs.items()
            ),
        ],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": f"secret-{number}", "mountPath": f"{SECRETS_ROOT}/{secret}", "readOnly": True}
            for number, secret in enumerate(secrets)
        ],
    }


def _volume(number: int, secret: str) -> Manifest:
    """A whole Secret; optional, so that a missing one fails one bridge and not the pod."""
    return {"name": f"secret-{number}", "secret": {"secretName": secret, "optional": True}}


def _patched(template: Manifest, patch: Mapping[str, Any]) -> Manifest:
    """`--pod-patch` merged in; the probe's command and its K8SEXT_ environment stay as they are."""
    if not patch:
        return template
    merged = cast("Manifest", merge(template, patch))
    before, after = _probe(template), _probe(merged)
    if before is None or after is None:
        raise K8sextError("the pod patch removes the container 'probe'", where="--pod-patch")
    ours = {e["name"]: e for e in before["env"]}
    theirs = {e["name"]: e for e in after["env"] if e["name"].startswith("K8SEXT_")}
    if after["command"] != before["command"] or "args" in after or theirs != ours:
        raise K8sextError(
            "the pod patch changes the probe's command or its K8SEXT_ environment",
            where="--pod-patch",
            fix="remove command, args and K8SEXT_… variables from it",
        )
    return merged


def _probe(template: Manifest) -> Manifest | None:
    containers = template["spec"].get("containers") or []
    return next((c for c in containers if c.get("name") == CONTAINER), None)


def merge(base: object, patch: object) -> object:
    """`patch` over `base`: mappings merge, lists of named things merge by name or key.

    None removes a key; any other list or value replaces.
    """
    if isinstance(base, dict) and isinstance(patch, Mapping):
        out = dict(cast("Manifest", base))
        for key, value in cast("Mapping[str, object]", patch).items():
            if value is None:
                out.pop(key, None)
            else:
                out[key] = merge(out.get(key), value)
        return out
    if isinstance(base, list) and isinstance(patch, list):
        return _merge_lists(cast("list[object]", base), cast("list[object]", patch))
    return copy.deepcopy(patch)


def _merge_lists(base: list[object], patch: list[object]) -> list[object]:
    for by in ("name", "key"):
        if all(isinstance(item, Mapping) and by in item for item in [*base, *patch]):
            items = {cast("Manifest", item)[by]: item for item in base}
            for item in patch:
                mark = cast("Manifest", item)[by]
                items[mark] = merge(items.get(mark), item)
            return list(items.values())
    return copy.deepcopy(patch)
