"""What the cluster holds, at one moment, as raw JSON."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from k8sext.errors import K8sextError
from k8sext.model.data import dataclass
from k8sext.model.shell import word

from . import lists
from .lists import Object, Objects, listed, next_of
from .session import ApiError, Session
from .workers import Workers

CONNECTIONS = 4  # a TLS handshake costs more than a short list
# More are not worth the memory: the class *internal* is then told by nodes only.
PODS_AT_MOST = 5000
WORKLOADS = {
    "deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet",
    "cronjobs": "CronJob", "jobs": "Job",
}  # fmt: skip
CONFIGMAPS_PER_PAGE = 100
CONFIG_AT_MOST = 64 << 20  # characters of all ConfigMaps
TEXT_AT_MOST = 1 << 20  # of one value: what a ConfigMap may hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Objects as the API gave them. `skips` names what could not be read, each one sentence."""

    services: Objects = ()
    endpoints: Objects = ()
    endpointslices: Objects = ()
    nodes: Objects = ()
    pods: Objects = ()
    namespaces: Objects = ()
    networkpolicies: Objects = ()
    workloads: Objects = ()  # each with its `kind`, which items of a list do not have
    configmaps: Objects = ()  # name, namespace and data
    server_version: str = ""
    namespace: str | None = None  # None: all
    skips: tuple[str, ...] = ()


def fetch(
    session: Session,
    namespace: str | None,
    selector: str | None = None,
    *,
    extra: tuple[str, ...] = ("nodes", "pods"),
) -> Snapshot:
    """The snapshot of a namespace, or of all (None); `selector` chooses Services by label.

    `extra` of nodes, pods, namespaces, networkpolicies, workloads, configmaps is best effort.
    Raises ApiError (with the Role to ask for) when Services, Endpoints or EndpointSlices may not be
    listed.
    """
    paths = _paths(namespace)
    with Workers(CONNECTIONS) as pool:
        version = pool.submit(session.get, "/version")
        needed = {
            kind: pool.submit(
                listed, session, paths[kind], selector if kind == "services" else None
            )
            for kind in ("endpointslices", "endpoints", "services")
        }
        wished = {
            kind: pool.submit(_READERS.get(kind, _some), session, kind, paths[kind])
            for word in extra
            for kind in (WORKLOADS if word == "workloads" else (word,))
        }
        lists = {kind: _needed(future, namespace) for kind, future in needed.items()}
        found = {kind: future.result() for kind, future in wished.items()}
        server_version, skip = _version(version)
    skips = (*(s for _, s in found.values() if s), *((skip,) if skip else ()))
    more = {kind: items for kind, (items, _) in found.items() if kind not in WORKLOADS}
    if "workloads" in extra:
        more["workloads"] = tuple(
            {**item, "kind": word} for kind, word in WORKLOADS.items() for item in found[kind][0]
        )
    return Snapshot(
        **lists, **more, server_version=server_version, namespace=namespace, skips=skips
    )


def fronts(
    session: Session, namespace: str | None
) -> tuple[Objects | None, Objects | None, tuple[str, ...]]:
    """Ingresses and IngressClasses, None where they could not be read, and what to say of that.

    Whoever may not read them is told so, and everything else goes on.
    """
    paths = _paths(namespace)
    with Workers(2) as pool:
        kinds = ("ingresses", "ingressclasses")
        asked = [pool.submit(_some, session, kind, paths[kind]) for kind in kinds]
        (ingresses, skip), (classes, classes_skip) = (future.result() for future in asked)
    skips = tuple(s for s in (skip, classes_skip if ingresses else "") if s)
    return None if skip else ingresses, None if classes_skip else classes, skips


def later(
    session: Session, kinds: tuple[str, ...], namespace: str | None = None
) -> Callable[[], tuple[dict[str, Objects | None], tuple[str, ...]]]:
    """Begin to read lists that only lint rules need, of all namespaces or of one.

    What is returned waits for them and gives each (None: not read) and what to say of that.
    """
    paths = _paths(namespace)
    where = f"of namespace {namespace}" if namespace else "of all namespaces"
    pool = Workers(max(len(kinds), 1))
    asked = {k: pool.submit(_some, session, f"{k} {where}", paths[k]) for k in kinds}
    pool.close()

    def wait() -> tuple[dict[str, Objects | None], tuple[str, ...]]:
        found = {kind: future.result() for kind, future in asked.items()}
        lists = {kind: None if skip else items for kind, (items, skip) in found.items()}
        return lists, tuple(skip for _, skip in found.values() if skip)

    return wait


def _paths(namespace: str | None) -> dict[str, str]:
    within = f"/namespaces/{namespace}" if namespace else ""
    return {
        "services": f"/api/v1{within}/services",
        "endpoints": f"/api/v1{within}/endpoints",
        "endpointslices": f"/apis/discovery.k8s.io/v1{within}/endpointslices",
        "nodes": "/api/v1/nodes",
        "pods": f"/api/v1{within}/pods",
        "namespaces": f"/api/v1/namespaces{f'/{namespace}' if namespace else ''}",
        "networkpolicies": f"/apis/networking.k8s.io/v1{within}/networkpolicies",
        "ingresses": f"/apis/networking.k8s.io/v1{within}/ingresses",
        "ingressclasses": "/apis/networking.k8s.io/v1/ingressclasses",
        "configmaps": f"/api/v1{within}/configmaps",
        **{kind: f"/apis/apps/v1{within}/{kind}" for kind in WORKLOADS},
        **{kind: f"/apis/batch/v1{within}/{kind}" for kind in ("cronjobs", "jobs")},
    }


def _some(session: Session, kind: str, path: str) -> tuple[Objects, str]:
    """What may be missing: (items, why there are none)."""
    try:
        if kind == "pods":
            return _few(session, kind, path)
        if path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
            return (session.get(path, resourceVersion="0"),), ""
        return listed(session, path), ""
    except K8sextError as error:
        return (), f"{kind} were not read: {_why(error)}"


def _few(session: Session, kind: str, path: str) -> tuple[Objects, str]:
    """All of them, if they are not too many: the API server is asked to stop before that."""
    page = session.get(path, resourceVersion="0", limit=PODS_AT_MOST)
    items = tuple(page.get("items") or ())
    if next_of(page) or len(items) > PODS_AT_MOST:
        return (), f"{kind} were not compared: more than {PODS_AT_MOST}"
    return items, ""


def _why(error: K8sextError) -> str:
    """In a word, for a note: the whole error would repeat where the API server is."""
    if isinstance(error, ApiError):
        return error.reason or str(error.status)
    return error.what


def _configmaps(session: Session, kind: str, path: str) -> tuple[Objects, str]:
    """Page by page, without what nobody reads of them, up to CONFIG_AT_MOST in all."""
    kept: list[Object] = []
    size, token, given = 0, "", set[str]()
    while True:
        try:
            page = session.get(path, limit=CONFIGMAPS_PER_PAGE, **{"continue": token or None})
        except K8sextError as error:
            what = "not all read" if kept else "not read"
            return tuple(kept), f"{kind} were {what}: {_why(error)}"
        for item in page.get("items") or []:
            data = {k: v for k, v in (item.get("data") or {}).items() if len(v) <= TEXT_AT_MOST}
            size += sum(map(len, data.values()))
            meta = {key: item["metadata"].get(key) for key in ("name", "namespace")}
            kept.append({"metadata": meta, "data": data})
        token = next_of(page)
        if not token:
            return tuple(kept), ""
        if size > CONFIG_AT_MOST:
            return tuple(kept), f"{kind} were not all read: more than {CONFIG_AT_MOST >> 20} MiB"
        if token in given or len(given) >= lists.PAGES_AT_MOST:
            return tuple(kept), f"{kind} were not all read: their list does not end"
        given.add(token)


_READERS = {"configmaps": _configmaps}


def _needed(future: Future[Objects], namespace: str | None) -> Objects:
    try:
        return future.result()
    except ApiError as error:
        if error.status != 403 or not error.genuine:
            raise
        scope = f"-n {word(namespace)}" if namespace else "-A"
        more = "" if namespace else ", or name one namespace with -n"
        raise error.placed(
            where="cluster" if namespace is None else f"namespace {namespace}",
            fix=f"ask for the Role that `k8sext rbac --for doctor {scope}` prints{more}",
        ) from None


def _version(future: Future[dict[str, Any]]) -> tuple[str, str]:
    """Nothing depends on it: what answers in its place is a note."""
    try:
        return str(future.result().get("gitVersion", "")), ""
    except K8sextError as error:
        return "", f"the server's version was not read: {_why(error)}"
