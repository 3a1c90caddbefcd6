"""Brings the cluster to what is desired; all of it is dry-run on the server beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from k8sext.errors import K8sextError
from k8sext.kube.session import ApiError
from k8sext.model.data import dataclass
from k8sext.model.secret import printable

from . import ingress
from .desired import MANAGER, Object, objects
from .spec import BridgeSpec

APPLY = "application/apply-patch+yaml"
_KINDS = {
    "Service": ("api/v1", "services"),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
}
CREATED, CHANGED, SAME, REMOVED = "+", "~", "=", "-"


class ApplyApi(Protocol):
    """What is asked of the API session."""

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """GET."""
        ...

    def patch(
        self, path: str, body: object, content_type: str, /, **params: object
    ) -> dict[str, Any]:
        """PATCH."""
        ...

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        """DELETE."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One object: `+` created, `~` changed, `=` as it was, `-` removed; and what is different."""

    mark: str
    ref: str
    detail: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One object to be applied, as the server would have it."""

    wanted: Object
    change: Change


def path_of(item: Mapping[str, Any]) -> str:
    """The API path of an object of ours."""
    meta = item["metadata"]
    group, plural = _KINDS[item["kind"]]
    return f"/{group}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"


def plan(api: ApplyApi, specs: Sequence[BridgeSpec], *, adopt: bool, force: bool) -> list[Planned]:
    """Refuse what is not ours, then dry-run everything on the server; nothing is written."""
    wanted = [item for spec in specs for item in objects(spec)]
    live = {path_of(item): _live(api, path_of(item)) for item in wanted}
    for item in wanted:
        _refuse_foreign(item, live[path_of(item)], adopt=adopt)
    for spec in specs:
        service, *rest = objects(spec)
        slices = [item for item in rest if item["kind"] == "EndpointSlice"]
        if slices and not _is_ours(live[path_of(service)]):
            _refuse_beside(api, spec, slices)
    return [_dry_run(api, item, live[path_of(item)], force or adopt) for item in wanted]


def stale(api: ApplyApi, specs: Sequence[BridgeSpec]) -> list[str]:
    """Paths of what is ours and a bridge no longer wants: slices of another address family, the
    Ingress.
    """
    found: list[str] = []
    for spec in specs:
        kept = {path_of(item) for item in objects(spec)}
        path = _slices_path(spec)
        names = (f"{path}/{item['metadata']['name']}" for item in _slices(api, spec, ours=True))
        found += [name for name in names if name not in kept]
        front = path_of({"kind": "Ingress", "metadata": _meta_of(spec)})
        if front not in kept and _is_ours(_live_if_readable(api, front)):
            found.append(front)
    return found


def _meta_of(spec: BridgeSpec) -> dict[str, str]:
    """Name and namespace of what is called as the bridge is."""
    return {"name": spec.name, "namespace": spec.namespace}


def _live_if_readable(api: ApplyApi, path: str) -> dict[str, Any] | None:
    """Whoever makes no Ingress needs no right on them: what cannot be read is nobody's loss."""
    try:
        return api.get(path)
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise


def _slices_path(spec: BridgeSpec) -> str:
    return f"/apis/discovery.k8s.io/v1/namespaces/{spec.namespace}/endpointslices"


def _slices(api: ApplyApi, spec: BridgeSpec, *, ours: bool) -> list[Mapping[str, Any]]:
    """The slices of a bridge's Service there are: ours, or everybody else's."""
    mark = "=" if ours else "!="
    selector = (
        f"kubernetes.io/service-name={spec.name},"
        f"endpointslice.kubernetes.io/managed-by{mark}{MANAGER}"
    )
    try:
        return api.get(_slices_path(spec), labelSelector=selector).get("items") or []
    except ApiError as error:
        raise _helped(error, f"{spec.namespace}/endpointslices") from error


def _refuse_beside(api: ApplyApi, spec: BridgeSpec, wanted: Sequence[Object]) -> None:
    """Slices of others would go on sending a part of the connections where they did before."""
    led = {
        _pair(a, p)
        for s in wanted
        for e in s["endpoints"]
        for a in e["addresses"]
        for p in s["ports"]
    }
    for item in _slices(api, spec, ours=False):
        for endpoint in item.get("endpoints") or []:
            for port in item.get("ports") or []:
                there = _pair(endpoint["addresses"][0], port)
                if there not in led:
                    raise K8sextError(
                        f"EndpointSlice/{spec.namespace}/{item['metadata']['name']} is not ours "
                        f"and leads Service {spec.name} to {there}; it would stay beside the new",
                        where=spec.source,
                        fix=_fix_beside(spec, item),
                    )


def _pair(address: str, port: Mapping[str, Any]) -> str:
    return f"[{address}]:{port.get('port')}" if ":" in address else f"{address}:{port.get('port')}"


def _fix_beside(spec: BridgeSpec, item: Mapping[str, Any]) -> str:
    labels = item["metadata"].get("labels") or {}
    by = str(labels.get("endpointslice.kubernetes.io/managed-by", ""))
    # A mirrored slice comes back as long as its Endpoints are there.
    mirrored = by.startswith("endpointslicemirroring-controller")
    kind, name = (
        ("Endpoints", spec.name) if mirrored else ("EndpointSlice", item["metadata"]["name"])
    )
    return f"delete {kind}/{name} first, or name that address as well"


def apply(api: ApplyApi, planned: Sequence[Planned], *, force: bool) -> None:
    """Write what the plan says; what is beside a Service is owned by it, and goes with it."""
    owners: dict[tuple[str, str], str] = {}
    written: list[str] = []
    for item in planned:
        wanted = item.wanted
        meta = wanted["metadata"]
        service = _service_of(wanted)
        if service:
            wanted = _owned(wanted, service, owners[meta["namespace"], service])
        try:
            made = _apply(api, wanted, force, dry_run=False)
        except K8sextError as error:
            raise _halfway(error, written) from error
        written.append(_ref(wanted))
        if wanted["kind"] == "Service":
            owners[meta["namespace"], meta["name"]] = made["metadata"]["uid"]


def _service_of(item: Object) -> str:
    """The Service of a slice or an Ingress; "" of a Service itself."""
    meta = item["metadata"]
    if item["kind"] == "Ingress":
        return str(meta["name"])
    return str(meta["labels"].get("kubernetes.io/service-name", ""))


def _halfway(error: K8sextError, written: Sequence[str]) -> K8sextError:
    """The dry run passed and this did not (the cluster changed in between): say what is there."""
    if not written:
        return error
    done = f"already written: {', '.join(written)}; run it again to finish"
    fix = f"{error.fix}; {done}" if error.fix else done
    return K8sextError(
        error.what, where=error.where, why=error.why, fix=fix, exit_code=error.exit_code
    )


def _owned(item: Object, service: str, uid: str) -> Object:
    owner = {"apiVersion": "v1", "kind": "Service", "name": service, "uid": uid}
    return {**item, "metadata": {**item["metadata"], "ownerReferences": [owner]}}


def _live(api: ApplyApi, path: str) -> dict[str, Any] | None:
    try:
        return api.get(path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise _helped(error, path.rpartition("/namespaces/")[2]) from error


def _refuse_foreign(wanted: Object, live: Mapping[str, Any] | None, *, adopt: bool) -> None:
    """A Service with a selector is never ours; what others manage is only with --adopt."""
    if live is None:
        return
    ref = _ref(wanted)
    if wanted["kind"] == "Service" and live.get("spec", {}).get("selector"):
        raise K8sextError(
            f"{ref} has a selector: it leads to pods",
            fix="choose another name, or remove its selector first",
        )
    by = (live["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by")
    if not _is_ours(live) and not adopt:
        raise K8sextError(
            f"{ref} exists and is managed by {by or _managers(live)}",
            fix="take it over with --adopt, or choose another name",
        )


def _is_ours(live: Mapping[str, Any] | None) -> bool:
    labels = (live or {}).get("metadata", {}).get("labels") or {}
    return bool(labels.get("app.kubernetes.io/managed-by") == MANAGER)


def _managers(live: Mapping[str, Any]) -> str:
    names = [m.get("manager", "") for m in live["metadata"].get("managedFields") or []]
    return ", ".join(dict.fromkeys(n for n in names if n)) or "somebody else"


def _dry_run(api: ApplyApi, wanted: Object, live: Mapping[str, Any] | None, force: bool) -> Planned:
    result = _apply(api, wanted, force, dry_run=True)
    ref = _ref(wanted)
    if live is None:
        return Planned(wanted, Change(CREATED, ref, _description(wanted)))
    lines = list(_differences(_shape(live), _shape(result), ""))
    if not lines:
        return Planned(wanted, Change(SAME, ref, ""))
    return Planned(wanted, Change(CHANGED, ref, "; ".join(lines)))


def _apply(api: ApplyApi, item: Object, force: bool, *, dry_run: bool) -> dict[str, Any]:
    params: dict[str, object] = {"fieldManager": MANAGER, "force": str(force).lower()}
    if dry_run:
        params["dryRun"] = "All"
    try:
        return api.patch(path_of(item), item, APPLY, **params)
    except ApiError as error:
        raise _helped(error, _ref(item)) from error


def _helped(error: ApiError, ref: str = "") -> K8sextError:
    """The API's refusals in our words; exit code 1 conflict, 2 bad input, 3 rights."""
    if error.status == 409:
        return K8sextError(
            f"{ref} has fields that others manage",
            why=error.message,
            fix="--force-conflicts takes them over",
            exit_code=1,
        )
    # RBAC says `User "…" cannot VERB …`; quotas and admission are 403 as well, with other words.
    if error.status == 403 and " cannot " in error.message:
        return K8sextError(
            f"no right to provision {ref}",
            why=error.message,
            fix="k8sext rbac --for provision prints the Role that gives it",
            exit_code=3,
        )
    if error.status in (404, 422, 400):
        return K8sextError(f"{ref or error.where} is refused", why=error.message)
    return error


_KEPT = ("labels", "annotations")
_ALLOCATED = ("clusterIP", "clusterIPs")  # a dry run shows a placeholder


def _shape(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a difference is looked for in: no status, no bookkeeping."""
    meta = {k: v for k, v in item["metadata"].items() if k in _KEPT}
    rest = {k: v for k, v in item.items() if k not in ("metadata", "status", "apiVersion", "kind")}
    if item.get("kind") == "Service":
        rest["spec"] = {k: v for k, v in item["spec"].items() if k not in _ALLOCATED}
    return {"metadata": meta, **rest}


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):  # pyright: ignore[reportUnknownArgumentType]
        for n, (one, other) in enumerate(zip(old, new, strict=True)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _differences(one, other, f"{path}[{n}]")
    elif old != new:
        yield f"{path} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    """Live objects are others' words: no control characters reach the terminal."""
    return printable("none" if value is None else str(value), 80)


def _ref(item: Mapping[str, Any]) -> str:
    return f"{item['kind']}/{item['metadata']['namespace']}/{item['metadata']['name']}"


def _description(item: Object) -> str:
    """One line about a new object."""
    if item["kind"] == "Service":
        spec = item["spec"]
        ports = ", ".join(f"{p['port']} → {p['targetPort']} {p['name']}" for p in spec["ports"])
        return f"{spec['type']}, {spec.get('externalName', '')} {ports}".replace(",  ", ", ")
    if item["kind"] == "Ingress":
        return ingress.description(item)
    return ", ".join(a for e in item["endpoints"] for a in e["addresses"])
