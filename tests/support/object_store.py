"""What the stand-in remembers: get, list by label, apply and delete of namespaced objects."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .api_server import Reply, Request

SERVICES = "/api/v1/namespaces/dev/services"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/dev/ingresses"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/dev/endpointslices"


@dataclass
class ObjectStore:
    """`kept` by path; `refusals` by method and path (a dry run is `DRY`)."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    refusals: dict[tuple[str, str], Reply] = field(default_factory=dict[tuple[str, str], Reply])
    written: list[str] = field(default_factory=list[str])

    def __call__(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        path = unquote(url.path)
        method = "DRY" if "dryRun" in query else request.method
        if (method, path) in self.refusals:
            return self.refusals[method, path]
        if request.method == "PATCH":
            return self._apply(path, request.json(), dry_run=method == "DRY")
        if request.method == "DELETE":
            self.written.append(f"DELETE {path}")
            return Reply(200, self.kept.pop(path))
        if re.search(r"/(services|endpointslices)$", path):
            return Reply(200, {"items": self._listed(path, query.get("labelSelector", ""))})
        return Reply(200, self.kept[path]) if path in self.kept else missing(path)

    def _apply(self, path: str, body: dict[str, Any], *, dry_run: bool) -> Reply:
        made = copy.deepcopy(body)
        made["metadata"]["uid"] = f"uid-{path.rpartition('/')[2]}"
        if not dry_run:
            self.kept[path] = made
            self.written.append(f"PATCH {path}")
        return Reply(200, made)

    def _listed(self, path: str, selector: str) -> list[dict[str, Any]]:
        kind = path.rpartition("/")[2]
        within = [
            v for k, v in self.kept.items() if k.startswith(path + "/") or (
                "/namespaces/" not in path and f"/{kind}/" in k
            )
        ]  # fmt: skip
        return [i for i in within if all(_fits(i, s) for s in selector.split(",") if s)]


def _fits(item: dict[str, Any], requirement: str) -> bool:
    key, mark, value = re.split(r"(!?=)", requirement, maxsplit=1)
    has = (item["metadata"].get("labels") or {}).get(key)
    return (has != value) if mark == "!=" else (has == value)


def missing(path: str) -> Reply:
    """A 404 as the API server writes it."""
    return Reply(404, {"kind": "Status", "reason": "NotFound", "message": f"{path} not found"})
