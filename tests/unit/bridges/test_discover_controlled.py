"""Whose endpoints they are: an endpoints controller's, or those that people wrote."""

from __future__ import annotations

from typing import Any

import pytest

from k8sext.bridges import discover
from k8sext.kube.snapshot import Snapshot

Object = dict[str, Any]
A, B = "198.51.100.21", "198.51.100.66"
OWN, MIRROR = "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"
POD: Object = {"targetRef": {"kind": "Pod", "name": "theirs"}}
LABEL = {"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}


def field(manager: str, *owned: str) -> Object:
    return {"manager": manager, "fieldsV1": {f"f:{name}": {} for name in owned}}


def piece(*addresses: str, keeper: str = "", name: str = "1", **more: Any) -> Object:
    labels = {"kubernetes.io/service-name": "redis-svc"}
    if keeper:
        labels["endpointslice.kubernetes.io/managed-by"] = keeper
    return {
        "metadata": {"name": f"redis-svc-{name}", "namespace": "dev", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a], **more} for a in addresses],
        "ports": [{"name": "redis", "port": 6379}],
    }


def legacy(*addresses: str, meta: Object | None = None, **more: Any) -> Object:
    subset = {"addresses": [{"ip": a, **more} for a in addresses],
              "ports": [{"name": "redis", "port": 6379}]}  # fmt: skip
    about = {"name": "redis-svc", "namespace": "dev", **(meta or {})}
    return {"metadata": about, "subsets": [subset]}


def controlled(slices: list[Object], endpoints: list[Object]) -> dict[str, bool]:
    service = {
        "metadata": {"name": "redis-svc", "namespace": "dev"},
        "spec": {"clusterIP": "198.19.0.9", "ports": [{"name": "redis", "port": 6379}]},
    }
    found = Snapshot(
        services=(service,), endpoints=tuple(endpoints), endpointslices=tuple(slices),
        server_version="v1.35.0",
    )  # fmt: skip
    (made,) = discover.bridges(found)
    return {e.address: e.controlled for e in made.endpoints}


@pytest.mark.parametrize(
    ("slices", "endpoints", "said"),
    [
        # by hand, whatever the label says of who
        ([piece(A)], [], {A: False}),
        ([piece(A, keeper="k8sext")], [], {A: False}),
        ([piece(A, keeper="terraform")], [], {A: False}),
        ([piece(A, keeper="mesh.example/agent")], [], {A: False}),
        # left behind by a selector that is gone
        ([piece(A, keeper=OWN)], [], {A: True}),
        ([piece(A), piece(B, keeper=OWN, name="2")], [], {A: False, B: True}),
        # one address in both: somebody wrote it
        ([piece(A), piece(A, keeper=OWN, name="2")], [], {A: False}),
        ([piece(A, keeper=OWN), piece(A, name="2")], [], {A: False}),
        # mirrored: as its Endpoints
        ([piece(A, keeper=MIRROR)], [legacy(A)], {A: False}),
        ([piece(A, keeper=MIRROR)], [], {A: False}),
        ([piece(A, keeper=MIRROR, **POD)], [], {A: True}),
        ([piece(A, keeper=MIRROR)], [legacy(A, **POD)], {A: True}),
        ([piece(A, keeper=MIRROR)], [legacy(A, meta=LABEL)], {A: True}),
        # Endpoints alone
        ([], [legacy(A)], {A: False}),
        ([], [legacy(A, **POD)], {A: True}),
        ([], [legacy(A, meta=LABEL)], {A: True}),
        ([], [legacy(A, meta={"managedFields": [field("kube-controller-manager", "subsets")]})],
         {A: True}),
        ([], [legacy(A, meta={"managedFields": [field("kubectl-client-side-apply", "subsets")]})],
         {A: False}),
        ([], [legacy(A, meta={"managedFields": [field("kube-controller-manager", "metadata"),
                                                field("kubectl", "subsets")]})], {A: False}),
    ],
)  # fmt: skip
def test_who_wrote_where_a_service_leads(
    slices: list[Object], endpoints: list[Object], said: dict[str, bool]
) -> None:
    assert controlled(slices, endpoints) == said
