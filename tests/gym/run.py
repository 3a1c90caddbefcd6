"""Runs cases on the lab: servers first, then each case in fresh namespaces, some side by side."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.gym import actions, objects, pods, score
from tests.gym.case import Case, listed
from tests.lab import guise
from tests.lab.cluster import apps, kubeapi
from tests.lab.demo import K8SEXT
from tests.lab.guise import Guise, Wardrobe, roles
from tests.lab.guises.ingress import ROLE as INGRESS_ROLE
from tests.lab.guises.ingress import class_of
from tests.lab.lab import Lab
from tests.lab.place import LabError

STAGE_TIMEOUT_S = 2
"""Shorter than the product's own 3 s: silence is waited for in dozens of cases."""
AT_ONCE = 3
RUN_LIMIT_S = 90
_NOT_RUN = (
    LabError,
    LookupError,
    OSError,
    ValueError,
    TypeError,
    subprocess.SubprocessError,
)
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "Endpoints": "/api/v1/namespaces/{namespace}/endpoints",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
}


_LATE = {"Service": 1, "Ingress": 2}


class Locks:
    """Names that a case holds while it runs: all at once or none, so that nobody waits in a ring.

    The cluster as a whole is one of them: everybody holds it a little, a case that harms it alone.
    """

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._running = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def holding(self, names: Iterable[str]) -> Generator[None]:
        """Wait for the names, then have them inside this block."""
        wanted = set(names)
        alone = actions.CLUSTER_LOCK in wanted

        def free() -> bool:
            if alone:
                return self._running == 0
            return not wanted & self._held and actions.CLUSTER_LOCK not in self._held

        with self._changed:
            self._changed.wait_for(free)
            self._held |= wanted
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._running -= 1
                self._changed.notify_all()


@dataclass(frozen=True)
class Gym:
    """A lab that is up, with its wardrobe."""

    lab: Lab
    wardrobe: Wardrobe
    locks: Locks
    say: Callable[[str], None]
    reports: Path | None = None
    """Where doctor's JSON of every run is kept: `ID.json`, `ID.twin.json`."""

    @staticmethod
    def on(lab: Lab, say: Callable[[str], None], reports: Path | None = None) -> Gym:
        """A gym on a lab; what an earlier one left is cleared away."""
        guise.clear(lab.place)
        return Gym(lab, Wardrobe(lab.place), Locks(), say, reports)

    def run(self, cases: Sequence[Case]) -> score.Board:
        """All of them, some side by side."""
        began = time.monotonic()
        order = sorted(cases, key=_patience)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(self._one, case) for case in order]
            try:
                results = {f.result().case.id: f.result() for f in running}
            except (
                BaseException
            ):  # an interrupt: those that run undo what they did, no other starts
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return score.Board([results[c.id] for c in cases], time.monotonic() - began)

    def _one(self, case: Case) -> score.Result:
        try:
            apps.provide(self.lab.place, *case.apps)
            result = self._alone_in_turn(case) if case.apart else self._in_turn(case)
        except _NOT_RUN as problem:
            error = f"{type(problem).__name__}: {problem}"
            result = score.Result(case, f"error: {error}", error=error)
        self.say(line_of(result))
        return result

    def _in_turn(self, case: Case) -> score.Result:
        """The case, while nobody else has its servers."""
        servers = self._servers(case)
        names = {s.name for s in servers.values()}
        with self.locks.holding(names | _locks_of(case)):
            began = time.monotonic()
            servers = self._servers(case)  # another case may have broken one meanwhile
            try:
                result = self._both(case, servers)
            except BaseException:  # something may not have been undone
                self.wardrobe.forget(servers.values())
                raise
            return replace(result, seconds=time.monotonic() - began)

    def _alone_in_turn(self, case: Case) -> score.Result:
        with self.locks.holding(_locks_of(case)):
            began = time.monotonic()
            return replace(self._apart(case), seconds=time.monotonic() - began)

    def _servers(self, case: Case, run: str = "") -> dict[str, Guise]:
        """The servers of a case, those that others lean on first; with `run` nobody else's."""
        ready: dict[str, Guise] = {}

        def need(name: str) -> Guise:
            if name not in ready:
                spec = dict(case.servers[name])
                role = roles()[str(spec.pop("role", name))]
                copy = str(spec.pop("copy", "")) + _attached(case, name) + run
                peers: dict[str, Guise] = {}
                for option in role.leans_on:
                    value = spec.get(option)
                    if isinstance(value, str):
                        peers[option] = need(value)
                    else:
                        others = listed(value or [])
                        peers |= {f"{option}{n}": need(o) for n, o in enumerate(others)}
                ready[name] = self.wardrobe.get(role.name, spec, peers, copy)
            return ready[name]

        for name in case.servers:
            need(name)
        return ready

    def _both(self, case: Case, servers: Mapping[str, Guise]) -> score.Result:
        """With the fault, then with the fault taken away."""
        run = _Run(self.lab, case, servers)
        case = run.case
        with contextlib.ExitStack() as stack:
            healthy = stack.enter_context(run.namespace([*case.setup]))
            broken = (
                ""
                if case.control
                else stack.enter_context(run.namespace([*case.setup, *case.fault]))
            )
            both = [healthy, *([broken] if broken else [])]
            self.lab.await_rules(*both)
            run.await_fronts(both)
            stack.enter_context(actions.done(run.world(*both), case.setup))
            if case.control:
                return score.judge_control(case, self._seen(run, healthy, ""))
            with actions.done(run.world(broken), case.fault):
                result = score.judge_fault(case, self._seen(run, broken, ""))
            return self._twin(run, healthy, result)

    def _apart(self, case: Case) -> score.Result:
        """The same where pods register with servers: each run has its own, one after the other."""
        if case.control:
            with self._alone(case, []) as (run, healthy):
                return score.judge_control(run.case, self._seen(run, healthy, ""))
        with self._alone(case, case.fault) as (run, broken):
            result = score.judge_fault(run.case, self._seen(run, broken, ""))
        with self._alone(case, []) as (run, healthy):
            return self._twin(run, healthy, result)

    @contextlib.contextmanager
    def _alone(self, case: Case, fault: Sequence[Mapping[str, Any]]) -> Generator[tuple[_Run, str]]:
        """One run of such a case, set up; its pods are gone before its servers are."""
        servers = self._servers(case, f"alone {secrets.token_hex(4)}")
        try:
            run = _Run(self.lab, case, servers)
            with run.namespace([*case.setup, *fault]) as name:
                self.lab.await_rules(name)
                run.await_fronts([name])
                with actions.done(run.world(name), [*case.setup, *fault]):
                    yield run, name
        finally:
            self.wardrobe.forget(servers.values())

    def _twin(self, run: _Run, namespace: str, result: score.Result) -> score.Result:
        """The verdict, and what came out without the fault."""
        wanted = str(run.case.expect.get("healthy", "pass"))
        got, wrong = score.judge_healthy(run.case, self._seen(run, namespace, ".twin"), wanted)
        twin = f"{got} ({'; '.join(wrong)})" if wrong else ""
        return replace(result, twin=twin, false_alarm=bool(wrong))

    def _seen(self, run: _Run, namespace: str, which: str) -> score.Seen:
        seen = run.doctor(namespace)
        if self.reports:
            self.reports.mkdir(parents=True, exist_ok=True)
            (self.reports / f"{run.case.id}{which}.json").write_text(seen.text)
        return seen


class _Run:
    """One case on the lab."""

    def __init__(self, lab: Lab, case: Case, servers: Mapping[str, Guise]) -> None:
        self.lab, self.servers = lab, servers
        self.facts = {**_facts(lab, servers), **apps.references(case.apps)}
        self.fill = objects.filler(self.facts)
        self.case = replace(case, expect=self.fill(case.expect))

    def world(self, *namespaces: str) -> actions.World:
        """What actions see, in the namespaces that they are about."""
        return actions.World(self.lab, self.servers, self.fill, namespaces)

    @contextlib.contextmanager
    def namespace(self, steps: Sequence[Mapping[str, Any]]) -> Generator[str]:
        """A fresh namespace with the case's objects, after the steps that edit objects."""
        name = f"gym-{secrets.token_hex(4)}"
        fill = objects.filler({**self.facts, "namespace": name})
        authority = self.lab.ca.read_text()
        bridges = fill(list(self.case.bridges))
        made = objects.objects_of(bridges, self.servers, self._login, authority)
        raw = fill([*self.case.objects])
        try:
            self._create(name, actions.edited([*made, *raw], fill(list(steps))))
            yield name
        finally:
            kubeapi.request(self.lab.place, f"/api/v1/namespaces/{name}", method="DELETE")
            if self.case.apart:
                pods.await_gone(self.lab.place, name)

    def doctor(self, namespace: str) -> score.Seen:
        """Doctor on a namespace."""
        fill = objects.filler({**self.facts, "namespace": namespace})
        return self._look(namespace, fill(list(self.case.doctor)))

    def await_fronts(self, namespaces: Sequence[str]) -> None:
        """Until the case's ingress controller has taken over every Ingress of its class."""
        served = {class_of(s) for s in self.servers.values() if s.role.name == INGRESS_ROLE.name}
        give_up = time.monotonic() + 10
        for namespace in namespaces if served else ():
            path = _PATHS["Ingress"].format(namespace=namespace)
            while any(_untaken(item, served) for item in self._items(path)):
                if time.monotonic() > give_up:
                    raise LabError(f"the ingress controller leaves out an Ingress of {namespace}")
                time.sleep(0.1)

    def _items(self, path: str) -> list[Mapping[str, Any]]:
        found = kubeapi.get(self.lab.place, path) or {}
        return list(found.get("items", []))

    def _login(self, server: Guise) -> Mapping[str, str]:
        return server.role.login(self.lab.place)

    def _create(self, namespace: str, everything: Sequence[dict[str, Any]]) -> None:
        meta: dict[str, Any] = {"name": namespace}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
        placed: list[dict[str, Any]] = [
            {**o, "metadata": {"namespace": namespace, **o["metadata"]}} for o in everything
        ]
        # Services late: kube-proxy then never writes rules for one that has no endpoints yet. And
        # Ingresses last: their controller then never sees one without its Service.
        placed.sort(key=lambda o: _LATE.get(str(o.get("kind")), 0))
        for item in (space, *placed):
            self._apply(item)
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        give_up = time.monotonic() + 20
        while kubeapi.get(self.lab.place, account) is None:
            if time.monotonic() > give_up:
                raise LabError(f"namespace {namespace} gets no service account")
            time.sleep(0.05)

    def _apply(self, item: dict[str, Any]) -> None:
        """Server-side apply; straight to the API for the usual kinds, a third of kubectl's time."""
        kind = str(item.get("kind"))
        if kind not in _PATHS:
            self.lab.apply([item])
            return
        meta = item["metadata"]
        path = _PATHS[kind].format(namespace=meta.get("namespace", ""))
        kubeapi.apply(self.lab.place, f"{path}/{meta['name']}", item)

    def _look(self, namespace: str, words: Sequence[str]) -> score.Seen:
        argv = [K8SEXT, "doctor", "-n", namespace, "-o", "json"]
        defaults = {
            "--image": self.lab.probe_image,
            "--stage-timeout": str(STAGE_TIMEOUT_S),
        }
        for option, value in defaults.items():
            argv += [] if option in words else [option, value]
        done = self.lab.run([*argv, *words], timeout=RUN_LIMIT_S)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {}
        text = done.stdout + done.stderr
        return score.Seen(done.returncode, report, text.replace(namespace, "NAMESPACE"))


def _untaken(item: Mapping[str, Any], served: set[str]) -> bool:
    mine = item["spec"].get("ingressClassName") in served
    return mine and not item.get("status", {}).get("loadBalancer")


def _attached(case: Case, name: str) -> str:
    """What attaches itself to a server: it is seen there, so only cases with the same share it."""
    found = [
        spec
        for other, spec in case.servers.items()
        for option in roles()[str(spec.get("role", other))].attaches
        if spec.get(option) == name
    ]
    return json.dumps(found, sort_keys=True) if found else ""


def _facts(lab: Lab, servers: Mapping[str, Guise]) -> dict[str, str]:
    """What `${…}` may speak of."""
    facts = {"ca": lab.ca.read_text()}
    for name, server in servers.items():
        facts |= {f"{name}.address": server.address, f"{name}.port": str(server.port)}
        facts |= {f"{name}.{k}": v for k, v in server.role.login(lab.place).items()}
    return facts


def _locks_of(case: Case) -> set[str]:
    return actions.locks_of((*case.setup, *case.fault))


def _patience(case: Case) -> tuple[bool, int]:
    """Cases that need the whole cluster come last; those with slow servers while others run."""
    alone = actions.CLUSTER_LOCK in _locks_of(case)
    return alone, len(case.servers)


def line_of(result: score.Result) -> str:
    """One case of the scoreboard."""
    mark = "ok " if result.ok else "BAD"
    kind = "control" if result.case.control else "fault"
    text = f"{mark} {kind:7} {result.case.id:36} {result.case.expected:24} {result.got:24}"
    more = [*result.wrong, *([f"without the fault: {result.twin}"] if result.twin else [])]
    return f"{text} {result.seconds:5.1f} s" + "".join(f"\n      {m}" for m in more)
