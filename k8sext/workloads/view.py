"""From objects to workloads with the bridges that they use: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from k8sext.bridges import annotations as notes
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Finding
from k8sext.model.workload import Held, Stray, Use, Workload, WorkloadView

from . import held, sources, traits, uses
from .hosts import plain
from .names import Names, names

Object = Mapping[str, Any]
Key = tuple[str, str, str]  # (kind, namespace, name)
OURS = "app.kubernetes.io/managed-by"
ENDED = ("Succeeded", "Failed")
STRAYS_AT_MOST = 100
_HASH = "pod-template-hash"


class WorkloadObjects(Protocol):
    """What is needed of k8sext.kube.snapshot.Snapshot. Items of `workloads` have their `kind`."""

    @property
    def services(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def pods(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def workloads(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def configmaps(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def namespace(self) -> str | None: ...  # noqa: D102


@dataclass(slots=True)
class _Runs:
    """One workload: its pod template, its annotations, the nodes of its pods."""

    spec: Object
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    nodes: set[str] = field(default_factory=set[str])
    held: list[Held] = field(default_factory=list[Held])


def view(
    objects: WorkloadObjects,
    bridges: Sequence[Bridge],
    *,
    complete: bool = True,
    skipped: Sequence[str] = (),
) -> WorkloadView:
    """The workloads that use one of `bridges` or name a Service that is not there, in order.

    `complete` says that `objects.services` are all Services of their namespaces (no selector chose
    among them). `skipped` is what could not be read.
    """
    seen = {(_meta(s, "namespace"), _meta(s, "name")) for s in objects.services}
    spaces = {objects.namespace} if objects.namespace else {space for space, _ in seen}
    index = names(bridges, seen, {s for s in spaces if s}, complete=complete)
    maps = {
        (_meta(m, "namespace"), _meta(m, "name")): m.get("data") or {} for m in objects.configmaps
    }
    runs = _runs(objects)
    found = [_workload(key, run, index, maps) for key, run in sorted(runs.items())]
    kept = [w for w in found if w.uses or w.strays or w.traits.reads]
    kept.sort(key=lambda w: (w.namespace, w.kind, w.name))
    return WorkloadView(workloads=tuple(kept), without=len(found) - len(kept), notes=tuple(skipped))


def listed(view: WorkloadView, findings: Iterable[Finding]) -> WorkloadView:
    """Only the workloads that use a bridge or of whom something was found; the rest is counted.

    Names of Services that do not exist, and what pods hold, are left out: a finding tells of those
    that matter.
    """
    said = {f.object for f in findings}
    kept = tuple(replace(w, strays=(), held=()) for w in view.workloads if w.uses or w.ref in said)
    return replace(view, workloads=kept, without=view.without + len(view.workloads) - len(kept))


def _meta(item: Object, key: str) -> str:
    return str((item.get("metadata") or {}).get(key) or "")


# -- what runs -------------------------------------------------------------------------------------


def _runs(objects: WorkloadObjects) -> dict[Key, _Runs]:
    found: dict[Key, _Runs] = {}
    jobs: dict[tuple[str, str], Key] = {}  # a CronJob's Jobs
    for item in objects.workloads:
        if _labels(item).get(OURS) == "k8sext":
            continue
        key = (str(item.get("kind")), _meta(item, "namespace"), _meta(item, "name"))
        owner = _owner(item)
        if key[0] == "Job" and owner and owner.get("kind") == "CronJob":
            jobs[key[1:]] = ("CronJob", key[1], str(owner.get("name")))
        elif not _ended(item):
            template = _template(item)
            found[key] = _Runs(template.get("spec") or {}, _labels(template), _annotations(item))
    for pod in objects.pods:
        _add_pod(found, jobs, pod)
    return found


def _add_pod(found: dict[Key, _Runs], jobs: Mapping[tuple[str, str], Key], pod: Object) -> None:
    if _labels(pod).get(OURS) == "k8sext" or _status(pod).get("phase") in ENDED:
        return
    key = _runs_for(pod, jobs, found)
    spec = pod.get("spec") or {}
    run = found.setdefault(key, _Runs(spec, _labels(pod), _annotations(pod)))
    if node := spec.get("nodeName"):
        run.nodes.add(str(node))
    if not held.reloaded({**_annotations(pod), **run.annotations}):
        run.held += held.of_pod(pod)


def _runs_for(pod: Object, jobs: Mapping[tuple[str, str], Key], known: Iterable[Key]) -> Key:
    """The workload of a pod: its owner, a ReplicaSet's Deployment, a Job's CronJob, or itself."""
    space, owner = _meta(pod, "namespace"), _owner(pod)
    if not owner or owner.get("kind") == "Node":  # static pods belong to their node
        return ("Pod", space, _meta(pod, "name"))
    kind, name = str(owner.get("kind")), str(owner.get("name"))
    if kind == "ReplicaSet":
        deployment = name.removesuffix(f"-{_labels(pod).get(_HASH)}")
        above: Key = ("Deployment", space, deployment)
        return above if above in known else (kind, space, name)
    if kind == "Job":
        return jobs.get((space, name), (kind, space, name))
    return (kind, space, name)


def _owner(item: Object) -> Object | None:
    owners = (item.get("metadata") or {}).get("ownerReferences") or []
    return next((o for o in owners if o.get("controller")), None)


def _template(item: Object) -> Object:
    spec = item.get("spec") or {}
    if item.get("kind") == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return spec.get("template") or {}


def _ended(item: Object) -> bool:
    """A Job that is done; other workloads have no end."""
    conditions = _status(item).get("conditions") or []
    done = {c.get("type") for c in conditions if c.get("status") == "True"}
    return item.get("kind") == "Job" and bool(done & {"Complete", "Failed"})


def _status(item: Object) -> Object:
    return item.get("status") or {}


def _labels(item: Object) -> Mapping[str, str]:
    return (item.get("metadata") or {}).get("labels") or {}


def _annotations(item: Object) -> Mapping[str, str]:
    return (item.get("metadata") or {}).get("annotations") or {}


# -- what it uses ----------------------------------------------------------------------------------


def _workload(key: Key, run: _Runs, index: Names, maps: sources.ConfigMaps) -> Workload:
    kind, namespace, name = key
    aliases = frozenset(_aliases(run.spec))
    found: list[Use] = []
    strays: list[Stray] = []
    secrets: set[str] = set()
    every: list[sources.Told] = []
    for container in _containers(run.spec):
        told = sources.read(container, run.spec, namespace, maps)
        every.append(told)
        named, stray = uses.of_container(told, namespace, index, aliases)
        found += [uses.with_own_secret(u, told, index) for u in named]
        found += list(uses.by_secret(told, namespace, index, {u.bridge for u in found}))
        strays += stray
        if image := traits.image_use(container, namespace, index):
            found.append(image)
        secrets |= set(told.secrets)
    return Workload(
        namespace=namespace,
        kind=kind,
        name=name,
        uses=tuple(sorted(found, key=lambda u: (u.bridge, u.likely, u.container, u.where))),
        strays=tuple(strays[:STRAYS_AT_MOST]),
        secrets=tuple(sorted(secrets)),
        nodes=tuple(sorted(run.nodes)),
        held=tuple(run.held),
        ignore=notes.parse(run.annotations, frozenset()).ignore,
        traits=traits.traits(run.spec, run.labels, every),
    )


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or []
    yield from spec.get("containers") or []


def _aliases(spec: Object) -> Iterator[str]:
    for item in spec.get("hostAliases") or []:
        yield from (plain(str(h)) for h in item.get("hostnames") or [])
