"""Client probes, after the wire probes: one for each bridge port, each under a watchdog.

A driver keeps no deadline, so it runs in a daemon thread that is left behind when its time is up.
Its login is the wire probe's, and only one that nobody has rejected (docs/architecture.md,
"Promises to servers").
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from k8sext.agent.fault import Fault, raised
from k8sext.agent.login.consent import short_of
from k8sext.agent.tls.target import TargetTls
from k8sext.model.plan import Target
from k8sext.model.result import Observation, StageResult, not_reached
from k8sext.model.secret import printable
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Route, Stage, Status

from .client import ClientProbe, Dial, Notes, resolve
from .reach import login_of, placed, reach
from .scene import Clients, Scene

AT_ONCE = 8
ORDER = (Route.NAME, Route.ORIGIN, Route.ENDPOINT)

# What a wire probe met that keeps the driver, and the login that it would send, at home.
REJECTED = (
    Reason.AUTH_REJECTED, Reason.PASSWORD_EXPIRED, Reason.ACCOUNT_LOCKED, Reason.LOCKED_OUT,
    Reason.LOOPBACK_ONLY_USER, Reason.LOGIN_REJECTED_BEFORE,
)  # fmt: skip
NOT_USABLE = (
    Reason.NO_CONSENT, Reason.CONSENT_ELSEWHERE, Reason.KEY_NOT_ALLOWED, Reason.TLS_DEMANDED,
    Reason.SECRET_FORBIDDEN, Reason.SECRET_MISSING,
    Reason.SECRET_KEY_MISSING, Reason.NO_CREDENTIALS,
)  # fmt: skip
UNCONNECTED = (Stage.RESOLVE, Stage.CONNECT)
UNSAFE = {
    Reason.TLS_NOT_OFFERED: "TLS is asked for and not offered: no driver may go on in clear",
    Reason.TOO_MUCH: "drivers would take in whatever this server sends",
}


def load(modules: Sequence[str]) -> Clients:
    """The client probes that the named modules under k8sext.checks.clients define."""
    found: dict[str, type[ClientProbe]] = {}
    for name in modules:
        module = importlib.import_module(f"k8sext.checks.clients.{name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ClientProbe) and "info" in vars(value):
                found |= dict.fromkeys(value.info.protocols, value)
    return found


async def aside(scene: Scene) -> list[Observation]:
    """`observe` in a thread that nobody waits for when the run is interrupted."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[Observation]] = loop.create_future()

    def tell(found: list[Observation], error: Exception | None) -> None:
        if done.cancelled():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(found)

    def run() -> None:
        found, caught = list[Observation](), None
        try:
            found = observe(scene)
        except Exception as error:
            caught = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: interrupted
            loop.call_soon_threadsafe(tell, found, caught)

    threading.Thread(target=run, daemon=True).start()
    return await done


def observe(scene: Scene) -> list[Observation]:
    """One observation for each bridge port whose protocol has a driver, in the plan's order."""
    targets = chosen(scene)
    by_server: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        by_server[_login_key(target)].append(target)
    found: dict[str, Observation] = {}

    def one_after_another(targets: Sequence[Target]) -> None:
        rejected = _rejected(scene, targets[0])
        for target in targets:
            seen = _probe(scene, target, rejected)
            found[target.id] = seen
            rejected = rejected or bool(seen.ended_by and seen.ended_by.reason in REJECTED)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one_after_another, by_server.values()))
    return [found[t.id] for t in targets]


def chosen(scene: Scene) -> list[Target]:
    """The targets that drivers try, one for each bridge port."""
    return list(_chosen(scene))


def _chosen(scene: Scene) -> Iterator[Target]:
    """By name where the vantage has names; else one address that works, or the first."""
    ports: dict[tuple[str, str], list[Target]] = defaultdict(list)
    for target in scene.plan.targets:
        usual = target.protocol in scene.clients and target.route in ORDER
        if usual and not target.greet_only and not _was_a_guess(scene, target):
            ports[target.service, target.port_key].append(target)
    for targets in ports.values():
        yield min(targets, key=lambda t: (ORDER.index(t.route), _ended(scene, t) is not None))


def _was_a_guess(scene: Scene, target: Target) -> bool:
    """Whether the wire probe may have been made in another way than the target says: as something
    else, or without TLS. A driver would fail where nothing is wrong.
    """
    seen = scene.wire.get(target.id)
    other = seen is not None and seen.protocol != target.protocol
    return other or any(one.protocol == target.protocol for one in target.instead)


def _ended(scene: Scene, target: Target) -> StageResult | None:
    seen = scene.wire.get(target.id)
    return seen.ended_by if seen else None


def _login_key(target: Target) -> str:
    secret = target.credentials.secret if target.credentials else target.service
    return f"{target.server}\0{secret}"


def _rejected(scene: Scene, like: Target) -> bool:
    """Whether the wire probes' login was rejected anywhere on this server."""
    same = (t for t in scene.plan.targets if _login_key(t) == _login_key(like))
    return any(_auth_reason(scene, t) in REJECTED for t in same)


def _auth_reason(scene: Scene, target: Target) -> Reason | None:
    seen = scene.wire.get(target.id)
    reasons = [s.reason for s in seen.stages if s.reason] if seen else []
    return next((r for r in reasons if r in REJECTED), None)


# -- one probe -----------------------------------------------------------------------------------


def _probe(scene: Scene, target: Target, rejected: bool) -> Observation:
    probe = scene.clients[target.protocol]()
    client = probe.name()
    at = placed(scene, target)
    why = _why_not(scene, at, rejected) or _missing(probe)
    if why is not None:
        return _observation(scene, target, client, skipped(*why))
    dial = _dial(scene, at)
    short = short_of(dial.login.tls, dial.reached) if dial.login else ""
    if short:
        return _observation(scene, target, client, skipped(Reason.TLS_DEMANDED, short))
    left = scene.until - time.monotonic()
    if left <= 0:
        notes = Notes()
        notes.failed(Fault(Reason.OUT_OF_TIME, "the run's time was up"))
        return _observation(scene, target, client, notes.results())
    stages = watched(probe, dial, min(scene.budget.probe_s, left))
    return _observation(scene, target, client, stages)


def _missing(probe: ClientProbe) -> tuple[Reason, str] | None:
    try:
        probe.load()
    except Exception as error:  # half a driver raises anything
        text = f"{probe.info.package} cannot be imported here: {type(error).__name__}: {error}"
        return Reason.DRIVER_MISSING, printable(text)
    return None


def _why_not(scene: Scene, target: Target, rejected: bool) -> tuple[Reason, str] | None:
    """Why no driver is tried; None where one may."""
    seen = scene.wire.get(target.id)
    if target.expect.get("unreachable"):
        return Reason.NOT_APPLICABLE, "the bridge is one that must not be reachable"
    if seen is None:
        return Reason.NOT_REACHED, "there is no wire probe to compare with"
    if rejected:
        why = "the wire probe's login was rejected; trying again could lock it out"
        return Reason.LOGIN_REJECTED_BEFORE, why
    if scene.through_doors and seen.ended_by and seen.ended_by.stage in UNCONNECTED:
        return Reason.NOT_REACHED, "the wire probe was not connected, so there is nothing to try"
    why = _tls_forbids(scene, target, seen)
    if why:
        return Reason.NOT_REACHED, why
    kept = (_kept_home(s, s.reason) for s in seen.stages if s.reason)
    return next((k for k in kept if k), None)


def _tls_forbids(scene: Scene, target: Target, seen: Observation) -> str:
    """What the driver cannot do as the wire probe does, or must not do a second time."""
    stage = seen.stage(Stage.TLS)
    if stage is None or stage.status is Status.SKIP:
        return ""
    info, tls = scene.clients[target.protocol].info, _target_tls(scene, target)
    if stage.status is Status.FAIL and info.failed_tls_counts:
        return "one more failed TLS handshake would count against this host at the server"
    if target.tls.ca_secret and tls.ca is None:
        return "there is no CA to verify the server with"
    if stage.evidence.get("client_certificate") == "presented" and not info.presents:
        return f"the server asks for a certificate, and {info.driver} takes one from files only"
    if tls.wants_chain and not tls.wants_name and not info.chain_alone:
        return f"{info.driver} cannot verify a chain without a name"
    return ""


def _kept_home(stage: StageResult, reason: Reason) -> tuple[Reason, str] | None:
    if reason in UNSAFE and stage.status is Status.FAIL:
        return Reason.NOT_REACHED, UNSAFE[reason]
    if reason is Reason.AUTH_REQUIRED:
        return Reason.NO_CREDENTIALS, "the server asks for a login and none is configured"
    if stage.stage is Stage.AUTH and reason in NOT_USABLE:
        return reason, stage.detail
    return None


def _target_tls(scene: Scene, target: Target) -> TargetTls:
    """What the wire probe asked of TLS; nothing is connected by it."""
    ca = scene.logins.file(target.tls.ca_secret, target.tls.ca_key)
    mode = scene.checks[target.protocol].default_tls
    return TargetTls(target, ca, mode, scene.logins.client_pair(target))


def _dial(scene: Scene, target: Target) -> Dial:
    door, seen = scene.door(target), scene.wire[target.id]
    asked = _target_tls(scene, target)
    tls = _tls(asked, seen)
    verified = tls is not TlsMode.DISABLE and asked.wants_chain
    return Dial(
        host=door.host,
        port=door.port,
        server_name=_server_name(asked, seen),
        protocol=target.protocol,
        tls=tls,
        verified=verified,
        named=verified and asked.wants_name,
        ca=asked.ca,
        pair=asked.pair,
        login=login_of(scene, target),
        expect=target.expect,
        seconds=scene.budget.stage_s,
        reach=None if scene.through_doors else reach(scene, target),
    )


def _server_name(asked: TargetTls, seen: Observation) -> str:
    """A name of the bridge that the certificate has, where the wire probe saw one."""
    matching = seen.fact("matching")
    fitting = [n for n in asked.names if isinstance(matching, list) and n in matching]
    return (fitting[0] if fitting else asked.names[0]).removesuffix(".")


def _tls(asked: TargetTls, seen: Observation) -> TlsMode:
    """What the wire probe did, so that no driver needs to try: `prefer` logs in twice."""
    stage = seen.stage(Stage.TLS)
    mode = asked.mode or TlsMode.DISABLE
    used = stage is not None and stage.status is not Status.SKIP
    if not used and (stage is None or stage.reason is Reason.NOT_APPLICABLE):
        return TlsMode.DISABLE
    if used and mode is TlsMode.DISABLE:
        return TlsMode.REQUIRE  # the protocol's own preference, as with PostgreSQL
    return mode


def watched(probe: ClientProbe, dial: Dial, seconds: float) -> tuple[StageResult, ...]:
    """Run a driver for at most `seconds`; never raises, and never waits longer."""
    notes = Notes(dial.login)
    thread = threading.Thread(target=_look, args=(probe, dial, notes), daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        notes.unfinished(seconds)
    return notes.results()


def _look(probe: ClientProbe, dial: Dial, notes: Notes) -> None:
    try:
        address = resolve(dial.host, dial.port, notes)
        if dial.reach is not None and address not in dial.reach:
            text = f"its name leads to {address} now, where the login may not go"
            notes.skipped(Stage.CONNECT, Reason.CONSENT_ELSEWHERE, text)
            return
        probe.look(replace(dial, host=address), notes)
    except Fault as fault:
        notes.failed(fault)
    except Exception as error:
        notes.failed(_fault_of(probe, error))


def _fault_of(probe: ClientProbe, error: Exception) -> Fault:
    """The driver's error in our words; one that nobody knows is a defect, of whoever raised it."""
    try:
        fault = probe.fault_for(error)
    except Exception as second:  # nothing that reads an error may hide it
        fault, error = None, second
    if fault is not None:
        return fault
    if f"/{probe.info.driver}/" in traceback.extract_tb(error.__traceback__)[-1].filename:
        return Fault(Reason.WRONG_PROTOCOL, f"the driver cannot read the answer: {raised(error)}")
    return Fault(Reason.INTERNAL_ERROR, raised(error))


def skipped(reason: Reason, detail: str) -> tuple[StageResult, ...]:
    """The stages of a driver that was not tried, or whose try says nothing."""
    return not_reached(Status.SKIP, reason, detail)


def _observation(
    scene: Scene, target: Target, client: str, stages: tuple[StageResult, ...]
) -> Observation:
    return Observation(
        id=f"{target.id}-client",
        namespace=scene.plan.namespace,
        service=target.service,
        port=target.port_key,
        protocol=target.protocol,
        vantage=scene.plan.vantage,
        route=target.route,
        target=target.address,
        stages=stages,
        client=client,
    )
