"""Names, parts of Kubernetes, and waiting: for a while, or for the pods of a workload."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from typing import Any, cast

from tests.gym import pods
from tests.gym.reader import Schema
from tests.lab.cluster import dns, kubeapi, records, resources

from .action import MAPPING, NUMBER, TEXT, TEXTS, Action, World, shape

DNS_LOCK, CLUSTER_LOCK = "dns", "cluster"
PODS_S = 60
"""A Spring application beside two others needs half of it on two cores."""
WORKLOAD: Mapping[str, Schema] = {
    "kind": {"type": "text", "enum": list(pods.WORKLOADS)},
    "name": TEXT,
}
STATES: Schema = {"type": "text", "enum": list(pods.STATES)}
BROKEN: Schema = {"type": "text", "enum": ["servfail", "refused", "silent", "empty"]}


@contextlib.contextmanager
def _dns(world: World, value: Mapping[str, Any]) -> Generator[None]:
    name = str(value["name"])
    if "records" in value:
        with records.name_has(world.lab.place, name, world.fill(value["records"])):
            yield
        return
    if "broken" in value:
        with dns.name_broken(world.lab.place, name, cast("dns.Broken", value["broken"])):
            yield
        return
    known = world.servers
    addresses = [known[a].address if a in known else a for a in value.get("addresses", [])]
    with world.lab.name_set_to(name, *addresses):
        yield


@contextlib.contextmanager
def _cluster(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """A part of Kubernetes itself stops or hangs."""
    with contextlib.ExitStack() as stack:
        if "stop" in value:
            stack.enter_context(world.lab.server(value["stop"]).stopped())
        if "freeze" in value:
            stack.enter_context(world.lab.server(value["freeze"]).frozen())
        yield


@contextlib.contextmanager
def _pause(world: World, value: float) -> Generator[None]:
    time.sleep(value)
    yield


@contextlib.contextmanager
def _settle(world: World, value: float) -> Generator[None]:
    try:
        yield
    finally:
        time.sleep(value)


@contextlib.contextmanager
def _await(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Until the pods of a workload are there and as they should be, wherever the case has it."""
    give_up = time.monotonic() + float(value.get("seconds", PODS_S))
    state = pods.STATES[value.get("for", "Ready")]
    for namespace in world.namespaces:
        pods.await_all(
            world.lab.place, namespace, value["kind"], value["name"], state, give_up=give_up
        )
    yield


@contextlib.contextmanager
def _remove(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """Objects taken away when all is up; they do not come back, their namespace ends anyway."""
    for namespace in world.namespaces:
        pods.remove(world.lab.place, namespace, value["kind"], value["name"])
    yield


@contextlib.contextmanager
def _change(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """An object that is there already is changed; it goes with its namespace."""
    named = {"apiVersion": value.get("apiVersion", "v1"), "kind": value["kind"]}
    for namespace in world.namespaces:
        item = {**named, "metadata": {"name": value["name"], "namespace": namespace}}
        path = resources.path_of(world.lab.place, item)
        kubeapi.merge(world.lab.place, path, world.fill(value["merge"]))
    yield


TABLE: Mapping[str, Action] = {
    "change": Action(
        shape({"kind": TEXT, "name": TEXT, "merge": MAPPING}, {"apiVersion": TEXT}), _change
    ),
    "dns": Action(
        shape({"name": TEXT}, {"addresses": TEXTS, "records": TEXTS, "broken": BROKEN}),
        _dns,
        locks=(DNS_LOCK,),
    ),
    "cluster": Action(shape({}, {"stop": TEXT, "freeze": TEXT}), _cluster, locks=(CLUSTER_LOCK,)),
    "pause": Action(NUMBER, _pause),
    "settle": Action(NUMBER, _settle),
    "await": Action(shape(WORKLOAD, {"for": STATES, "seconds": NUMBER}), _await),
    "remove": Action(shape(WORKLOAD), _remove),
}
