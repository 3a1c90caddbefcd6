"""One case on the lab: its servers, its objects in a namespace, and doctor on that."""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.gym import actions, objects, pods, score, standing
from tests.gym.case import Case
from tests.gym.verdict import listed
from tests.lab.cluster import apps, kubeapi
from tests.lab.component import write_private
from tests.lab.guise import Guise, Wardrobe, roles
from tests.lab.guises.ingress import ROLE as INGRESS_ROLE
from tests.lab.guises.ingress import class_of
from tests.lab.lab import K8SEXT, Lab
from tests.lab.place import LabError

STAGE_TIMEOUT_S = 2
"""Shorter than the product's own 3 s: silence is waited for in dozens of cases."""
RUN_LIMIT_S = 90
_INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"


def servers_of(wardrobe: Wardrobe, case: Case, run: str = "", at_once: int = 1) -> dict[str, Guise]:
    """The servers of a case, those that others lean on first; with `run` nobody else's."""
    ready: dict[str, Guise] = {}
    locks = {name: threading.Lock() for name in case.servers}

    def need(name: str) -> Guise:
        with locks[name]:
            return found(name)

    def found(name: str) -> Guise:
        if name not in ready:
            spec = dict(case.servers[name])
            role = roles()[str(spec.pop("role", name))]
            copy = str(spec.pop("copy", "")) + attached(case, name) + run
            peers: dict[str, Guise] = {}
            for option in role.leans_on:
                value = spec.get(option)
                if isinstance(value, str):
                    peers[option] = need(value)
                else:
                    others = listed(value or [])
                    peers |= {f"{option}{n}": need(o) for n, o in enumerate(others)}
            ready[name] = wardrobe.get(role.name, spec, peers, copy)
        return ready[name]

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(need, case.servers))
    return {name: ready[name] for name in case.servers}


class Scene:
    """One case on the lab."""

    def __init__(self, lab: Lab, case: Case, servers: Mapping[str, Guise]) -> None:
        self.lab, self.servers = lab, servers
        self.facts = {**_facts(lab, servers), **apps.references(case.apps)}
        self.fill = objects.filler(self.facts)
        self.case = replace(case, expect=self.fill(case.expect))
        self.reached_beyond = False
        """Whether objects of a namespace that is gone were seen in the whole cluster."""

    def world(self, *namespaces: str) -> actions.World:
        """What actions see, in the namespaces that they are about."""
        return actions.World(self.lab, self.servers, self.fill, namespaces)

    @contextlib.contextmanager
    def namespace(self, steps: Sequence[Mapping[str, Any]]) -> Generator[str]:
        """A fresh namespace with the case's objects, after the steps that edit objects."""
        name, place = f"{standing.PREFIX}{secrets.token_hex(4)}", self.lab.place
        far: list[str] = []
        try:
            self.create(name, steps, far)
            yield name
        finally:
            kubeapi.request(place, f"/api/v1/namespaces/{name}", method="DELETE")
            standing.remove(place, far)
            self.reached_beyond |= bool(far)
            if self.case.apart:
                pods.await_gone(place, name)

    def create(self, name: str, steps: Sequence[Mapping[str, Any]], far: list[str]) -> None:
        """The namespace and the case's objects in it, after the steps that edit objects; the paths
        of what reaches beyond it go to `far`.
        """
        fill = objects.filler({**self.facts, "namespace": name})
        authority = self.lab.ca.read_text()
        bridges = fill(list(self.case.bridges))
        made = objects.objects_of(bridges, self.servers, self._login, authority)
        raw = fill([*self.case.objects])
        edited = actions.edited([*made, *raw], fill(list(steps)))
        standing.stand(self.lab.place, name, edited, far)

    def doctor(
        self, namespace: str, node: str = "", fault: Sequence[Mapping[str, Any]] = ()
    ) -> score.Seen:
        """Doctor on a namespace, from a certain node or any; with a fault, what the fault adds."""
        there = ["--node-selector", f"kubernetes.io/hostname={node}"] if node else []
        words = [*there, *self.case.doctor, *actions.words_of(fault)]
        with tempfile.TemporaryDirectory(prefix="gym-") as folder:
            files = self._written(Path(folder), namespace)
            fill = objects.filler({**self.facts, **files, "namespace": namespace})
            with actions.meanwhile(self.world(namespace), fault):
                return self._look(namespace, fill(words))

    def _written(self, folder: Path, namespace: str) -> dict[str, str]:
        """The case's files, written out, and how `${…}` speaks of them."""
        fill = objects.filler({**self.facts, "namespace": namespace})
        for name, content in self.case.files.items():
            filled = fill(content)
            text = filled if isinstance(filled, str) else json.dumps(filled)
            write_private(folder / name, text)
        return {f"file.{name}": str(folder / name) for name in self.case.files}

    def await_fronts(self, namespaces: Sequence[str]) -> None:
        """Until the case's ingress controller has taken over every Ingress of its class."""
        served = {class_of(s) for s in self.servers.values() if s.role.name == INGRESS_ROLE.name}
        give_up = time.monotonic() + 10
        for namespace in namespaces if served else ():
            path = _INGRESSES.format(namespace=namespace)
            while any(_untaken(item, served) for item in self._items(path)):
                if time.monotonic() > give_up:
                    raise LabError(f"the ingress controller leaves out an Ingress of {namespace}")
                time.sleep(0.1)

    def _items(self, path: str) -> list[Mapping[str, Any]]:
        found = kubeapi.get(self.lab.place, path) or {}
        return list(found.get("items", []))

    def _login(self, server: Guise) -> Mapping[str, str]:
        return server.role.login(self.lab.place)

    def _look(self, namespace: str, words: Sequence[str]) -> score.Seen:
        argv = [K8SEXT, "doctor", "-n", namespace, "-o", "json"]
        defaults = {
            "--image": self.lab.probe_image,
            "--stage-timeout": str(STAGE_TIMEOUT_S),
        }
        for option, value in defaults.items():
            argv += [] if option in words else [option, value]
        done = self.lab.run([*argv, *words], timeout=RUN_LIMIT_S)
        if done.returncode < 0:  # a crash is no verdict
            raise LabError(f"doctor ended by signal {-done.returncode}: {done.stderr[-2000:]}")
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {}
        text = done.stdout + done.stderr
        return score.Seen(done.returncode, report, text.replace(namespace, "NAMESPACE"))


def _untaken(item: Mapping[str, Any], served: set[str]) -> bool:
    mine = item["spec"].get("ingressClassName") in served
    return mine and not item.get("status", {}).get("loadBalancer")


def attached(case: Case, name: str) -> str:
    """What attaches itself to a server: it is seen there, so only cases with the same share it."""
    found = [
        spec
        for other, spec in case.servers.items()
        for option in roles()[str(spec.get("role", other))].attaches
        if spec.get(option) == name
    ]
    return json.dumps(found, sort_keys=True) if found else ""


def changed(case: Case) -> set[str]:
    """Its servers that no other case may use after it: something of it is left in them."""
    if "--active" in (*case.doctor, *actions.words_of(case.fault)):  # it writes, marked or not
        return set(case.servers)
    around = {name: {name} for name in case.servers}
    for name, spec in case.servers.items():
        for option in roles()[str(spec.get("role", name))].leans_on:
            for other in listed(spec.get(option, [])):
                joined = around[name] | around[other]
                for member in joined:
                    around[member] = joined
    return actions.changed_by((*case.setup, *case.fault), around.__getitem__)


def _facts(lab: Lab, servers: Mapping[str, Guise]) -> dict[str, str]:
    """What `${…}` may speak of."""
    facts = {"ca": lab.ca.read_text()}
    for name, server in servers.items():
        facts |= {f"{name}.address": server.address, f"{name}.port": str(server.port)}
        facts |= {f"{name}.{k}": v for k, v in server.role.login(lab.place).items()}
    return facts
