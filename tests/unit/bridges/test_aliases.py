"""Aliases of Services of this cluster: those that lead nowhere or out are looked at."""

from typing import Any

import pytest

from k8sext.bridges import aliases, discover
from k8sext.kube.snapshot import Snapshot
from k8sext.model.bridge import BridgeClass

OWNED = {"ownerReferences": [{"kind": "Route", "name": "r", "controller": True}]}


def service(namespace: str, name: str, meta: Any = None, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 6379}]
    return {
        "metadata": {"namespace": namespace, "name": name, **(meta or {})},
        "spec": {"ports": ports, **spec},
    }


def alias(target: str, meta: Any = None) -> dict[str, Any]:
    return service("dev", "near", meta, type="ExternalName", externalName=target)


PODS = service("data", "redis", selector={"app": "redis"})
OUT = service("data", "redis")
WHOLE = "redis.data.svc.cluster.local"
CASES: list[tuple[str, Any, list[Any], BridgeClass]] = [
    ("of pods", alias(WHOLE), [PODS], BridgeClass.INTERNAL),
    ("of a way out", alias(WHOLE), [OUT], BridgeClass.BRIDGE),
    ("of a way out, with a dot", alias(f"{WHOLE}."), [OUT], BridgeClass.BRIDGE),
    ("of another alias", alias(WHOLE), [service("data", "redis", type="ExternalName")],
     BridgeClass.BRIDGE),
    ("of nothing", alias(WHOLE), [], BridgeClass.BRIDGE),
    ("of a pod by its own name", alias(f"redis-0.{WHOLE}"), [PODS], BridgeClass.INTERNAL),
    ("of an operator's", alias(WHOLE), [service("data", "redis", OWNED)], BridgeClass.INTERNAL),
    ("of nothing, made by Knative", alias(WHOLE, OWNED), [], BridgeClass.INTERNAL),
    ("of the API", alias("kubernetes.default.svc.cluster.local"),
     [service("default", "kubernetes")], BridgeClass.INTERNAL),
]  # fmt: skip


@pytest.mark.parametrize(("case", "item", "others", "wanted"), CASES, ids=[c[0] for c in CASES])
def test_which_are_looked_at(case: str, item: Any, others: list[Any], wanted: BridgeClass) -> None:
    found = discover.bridges(Snapshot(services=(item,)))
    assert aliases.inside(found)
    (weighed,) = aliases.looked_at(found, [item, *others])
    assert weighed.bridge_class is wanted
    assert bool(weighed.class_reason) is (wanted is BridgeClass.INTERNAL)


def test_names_outside_are_none_of_them() -> None:
    found = discover.bridges(Snapshot(services=(alias("redis.example.com"), OUT)))
    assert not aliases.inside(found)
    assert aliases.looked_at(found, ()) == found
