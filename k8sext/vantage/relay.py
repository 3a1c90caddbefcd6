"""The vantage `relay`: this machine's checks and drivers, over a relay pod's connections."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from k8sext import registry
from k8sext.agent.drive import drivers
from k8sext.agent.drive.reach import reach
from k8sext.agent.drive.scene import DialPoint, Scene
from k8sext.agent.login.credentials import LoginSource
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.errors import K8sextError
from k8sext.model.codec import to_json
from k8sext.model.data import dataclass
from k8sext.model.plan import Plan, Target
from k8sext.model.result import Observation
from k8sext.model.tls import TlsSpec
from k8sext.model.words import Reason

from . import pod
from .follow import PodRun, Say
from .job import Manifest
from .listen import LogApi
from .start import Trouble
from .through import Through, Tunnel

STOP_POLL_S = 0.2

Dial = Callable[[str, int], Awaitable[Tunnel]]  # pod, port
Records = list[Mapping[str, Any]]


def pod_part(plan: Plan) -> Plan:
    """What the relay needs of the plan: where to go. No check, no Secret, no expectation."""

    def bare(targets: Sequence[Target]) -> tuple[Target, ...]:
        return tuple(
            replace(t, credentials=None, trail=None, tls=TlsSpec(), expect={}) for t in targets
        )

    return replace(plan, targets=bare(plan.targets), companions=bare(plan.companions), modules=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is looked at through the relay, and with what."""

    plan: Plan
    logins: LoginSource
    dial: Dial


def run(
    api: LogApi,
    look: Look,
    job: Manifest,
    start_timeout_s: float,
    say: Say,
    stop: threading.Event,
) -> PodRun:
    """Create the relay's Job, look through it, delete it. Raises as `pod.run` does.

    The records are those of the checks here; what was lost on the way to the pod blames nobody.
    """
    looker = _Looker(look, stop)
    threading.Thread(target=_load_drivers, args=(look.plan,), daemon=True).start()
    (ran,) = pod.run(
        api, pod_part(look.plan), job, start_timeout_s, say, looker.over, looker.on_record
    )
    disbelieved = ran.trouble is not None and ran.trouble.code == "KX928"
    if disbelieved:
        looker.halt.set()
    looker.wait()
    if looker.began and not stop.is_set() and not disbelieved:
        if looker.error:
            raise looker.error
        ran.records = [*looker.records, {"type": "end", "seq": len(looker.records)}]
        ran.ended, ran.trouble = True, None
        if looker.lost:
            why = "part of what was asked for could not be tested"
            ran.trouble = Trouble("KX913", f"the port-forward to the relay: {looker.lost}", why)
    return ran


def _load_drivers(plan: Plan) -> None:
    """Drivers take seconds to import, and a pod takes one to start: both at once."""
    known = registry.clients_by_protocol()
    for protocol in dict.fromkeys(t.protocol for t in plan.targets if t.protocol in known):
        with contextlib.suppress(Exception):  # told of when it is that driver's turn
            known[protocol]().load()


class _Over(threading.Event):
    """Set when there is nothing more to follow: done here, or stopped from outside."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self.outer = outer

    def is_set(self) -> bool:
        return super().is_set() or self.outer.is_set()


class _Looker:
    """Begins when the relay says that it is ready; a thread of its own."""

    def __init__(self, look: Look, stop: threading.Event) -> None:
        self.look, self.stop, self.over = look, stop, _Over(stop)
        self.halt = threading.Event()  # what answers there is not our relay any more
        self.records: Records = []
        self.lost = ""
        self.error: Exception | None = None
        self.began: threading.Thread | None = None

    def on_record(self, run: PodRun, record: Mapping[str, Any]) -> None:
        """A record of the pod's."""
        if record.get("type") == "ready" and self.began is None:
            name = str(run.pod.get("metadata", {}).get("name", ""))
            node = str(run.pod.get("spec", {}).get("nodeName", ""))
            place = run.doubt, name, int(record["port"]), node
            self.began = threading.Thread(target=self._work, args=place, daemon=True)
            self.began.start()

    def wait(self) -> None:
        """Until it is done, where it began."""
        if self.began:
            self.began.join()

    def _work(self, doubt: Callable[[], str], name: str, port: int, node: str) -> None:
        try:
            asyncio.run(self._until_stopped(doubt, name, port, node))
        except Exception as error:  # raised again by whoever waits
            self.error = error
        finally:
            self.over.set()

    async def _until_stopped(
        self, doubt: Callable[[], str], name: str, port: int, node: str
    ) -> None:
        network = Through(functools.partial(proven, self.look.dial, Sight(doubt), name, port))
        work = asyncio.create_task(observe(self.look, network, node))
        while not (self.stop.is_set() or self.halt.is_set()):
            if work in (await asyncio.wait((work,), timeout=STOP_POLL_S))[0]:
                break
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self.records = await work
        await network.close()
        self.lost = network.lost


def _noticed(task: asyncio.Task[str]) -> None:
    """Its error is told to whoever waits; where nobody does any more, it is no news."""
    if not task.cancelled():
        task.exception()


class Sight:
    """Reads the relay's pod again. Tunnels that were opened meanwhile share the next sight."""

    def __init__(self, doubt: Callable[[], str]) -> None:
        self._doubt = doubt
        self._next: asyncio.Task[str] | None = None
        self._one = asyncio.Lock()

    async def doubt(self) -> str:
        """Why the pod is not believed, read after this was asked. Raises K8sextError."""
        if self._next is None:
            self._next = asyncio.create_task(self._read())
            self._next.add_done_callback(_noticed)
        return await asyncio.shield(self._next)

    async def _read(self) -> str:
        async with self._one:
            self._next = None  # whoever comes from now on was not there yet
            return await asyncio.to_thread(self._doubt)


async def proven(dial: Dial, sight: Sight, pod: str, port: int) -> Tunnel:
    """A tunnel to the relay's own pod: nothing goes into it before it is sure whose it is.

    It is opened by the pod's name. Whoever may delete pods and create them may have put another of
    that name there; so the pod is read again once the tunnel is open. Raises K8sextError.
    """
    tunnel = await dial(pod, port)
    try:
        why = await sight.doubt()
        if why:
            raise K8sextError(f"{why}, so nothing was sent there", exit_code=3)
    except BaseException:
        await tunnel.close()
        raise
    return tunnel


async def observe(look: Look, network: Through, node: str) -> Records:
    """Wire checks, then drivers; the same records as the agent writes."""
    plan, until = look.plan, time.monotonic() + look.plan.budget.run_s
    checks = load_checks(plan.modules)
    seen: list[Observation] = []
    runner = Runner(plan, checks, look.logins, seen.append, node=node, network=network)
    await runner.run()
    records: Records = []
    if runner.failed and not network.lost:  # a way that breaks proves nothing of the pod's network
        records.append({"type": "control", **await runner.control()})
    scene = Scene(
        plan=plan,
        wire={o.id: o for o in seen},
        clients=registry.clients_by_protocol(),
        checks=checks,
        logins=look.logins,
        until=until,
        through_doors=True,
    )
    seen += await _by_drivers(scene, network, node)
    records += [{"type": "observation", "observation": to_json(o)} for o in seen]
    return records


async def _by_drivers(scene: Scene, network: Through, node: str) -> list[Observation]:
    """The drivers, each through a port of 127.0.0.1 that stands for its target."""
    chosen = drivers.chosen(scene)
    async with AsyncExitStack() as stack:
        doors = await _doors(stack, network, scene, chosen)
        scene = replace(scene, door=lambda target: doors[target.id])
        found = await drivers.aside(scene)
    return [replace(_unless_lost(o, network.lost), node=node) for o in found]


def _unless_lost(seen: Observation, lost: str) -> Observation:
    """A driver cannot tell a port-forward that broke from a server that hung up."""
    if not lost or seen.ended_by is None:
        return seen
    why = f"the port-forward to the relay: {lost}"
    return replace(seen, stages=drivers.skipped(Reason.VANTAGE_UNPROVEN, why))


async def _doors(
    stack: AsyncExitStack, network: Through, scene: Scene, targets: Sequence[Target]
) -> dict[str, DialPoint]:
    ports: dict[str, int] = {}
    for target in targets:
        door = network.door(target, reach(scene, target))
        ports[target.id] = await stack.enter_async_context(door)
    return {id: DialPoint("127.0.0.1", port) for id, port in ports.items()}
