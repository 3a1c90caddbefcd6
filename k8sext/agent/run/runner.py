"""Carries out a plan: every target becomes an observation, side by side, politely.

Manners (docs/architecture.md, "Promises to servers"): one connection a probe; logins one at a time
for each server and credential; one rejected login ends the logins with it; endpoints log in first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from k8sext.agent import expect
from k8sext.agent.check import CheckInfo, Checks, Fault, Login, Seen
from k8sext.agent.fault import raised
from k8sext.agent.login.credentials import LoginSource, Missing
from k8sext.agent.net import families, resolver
from k8sext.agent.net.destinations import out_of_bounds
from k8sext.agent.net.network import Direct, Network
from k8sext.agent.net.stream import Stream
from k8sext.model.plan import Budget, Plan, Target, is_address, join_address
from k8sext.model.result import Json, Observation, StageResult, not_reached
from k8sext.model.words import LOGIN_ENDS, STAGES, Reason, Route, Stage, Status

from . import beside, instead, origin
from .announced import GREETING, AddressVerdict, Look, look_at, target_of, verdict_on
from .callbacks import look_back
from .crowd import Crowd
from .sent import Sent
from .shared import FRONTS, Shared
from .stages import StageLog, connect, converse
from .turns import rejection, spared
from .visits import Visits

MAX_EXPANDED = 16
# Endpoints log in first. One that has not even connected by then is not going to: a dead server
# costs one time-out, not one by address and then another by name.
ENDPOINTS_FIRST_S = 0.5
# A Service is refused until the node has programmed it. kube-proxy writes its rules once a second
# at most (minSyncPeriod), a large cluster's takes longer over it.
PROGRAMMING_S = (0.5, 1.0, 2.0)
LOGIN_ORDER = {Route.ENDPOINT: 0, Route.ORIGIN: 0, Route.NAME: 1, Route.CLUSTER_IP: 1}


def _awaited(target: Target) -> bool:
    """Whether it is an address behind a bridge's name that connections are sent to."""
    return target.route is Route.ENDPOINT and not target.greet_only


class Runner:
    """One run of one plan. `emit` takes records: `{"type": "observation", …}` and the like."""

    def __init__(
        self,
        plan: Plan,
        checks: Checks,
        logins: LoginSource,
        emit: Callable[[Observation], None],
        config: resolver.Config | None = None,
        node: str = "",
        network: Network | None = None,
    ) -> None:
        self.plan, self.checks, self.logins, self.emit = plan, checks, logins, emit
        self.node = node
        self.network = network or Direct(config)
        self.budget: Budget = plan.budget
        self.shared = Shared(plan, checks, logins, self.network)
        self.slots, self.order = self.shared.slots, self.shared.order
        self.slow_servers = {
            server
            for t in plan.targets
            if t.active and checks[t.protocol].info.active
            for server in self.order.servers(t, t.host)
        }
        self.expectable: dict[str, set[str]] = defaultdict(set)  # by any port of a Service
        for target in plan.targets:
            if target.route not in FRONTS:
                self.expectable[target.service] |= set(checks[target.protocol].info.expects)
        self.endpoints_left: dict[str, int] = defaultdict(int)
        self.endpoints_done: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.sent = Sent()
        self.reached: set[str] = set()  # servers of which an endpoint has accepted a connection
        self.unreached: set[str] = set()  # servers of which an endpoint has not
        self.looks: dict[tuple[str, str], asyncio.Task[AddressVerdict]] = {}
        self.visits = Visits(self.shared)
        self.crowd = Crowd(self.order, self.attempt, self.full_for)
        self.connected = False
        self.failed = False

    async def run(self) -> None:
        """Probe everything; each target is observed exactly once, in time or out of it."""
        for target in self.plan.targets:
            if _awaited(target):
                self.endpoints_left[target.server] += 1
        tasks = {asyncio.create_task(self._target(t)): t for t in self.plan.targets}
        done, late = await asyncio.wait(tasks, timeout=self.budget.run_s) if tasks else ((), ())
        for task in late:
            task.cancel()
            self._unknown(tasks[task], Reason.OUT_OF_TIME, "the run's time was up")
        for task in done:
            error = task.exception()
            if error is not None:  # a defect of ours costs this probe, not those beside it
                self._unknown(tasks[task], Reason.INTERNAL_ERROR, raised(error))

    def _unknown(self, target: Target, reason: Reason, detail: str) -> None:
        """No stage is known to have ended, and that is nobody's fault."""
        self._observed(target, not_reached(Status.INCONCLUSIVE, reason, detail))

    # -- one target -----------------------------------------------------------------------------

    async def _target(self, target: Target) -> None:
        try:
            if target.fallback and not await self._name_failed(target):
                return
            await self._probe(target)
        finally:
            if _awaited(target):
                self.endpoints_left[target.server] -= 1
                if not self.endpoints_left[target.server]:
                    self.endpoints_done[target.server].set()

    async def _name_failed(self, target: Target) -> bool:
        """The cluster IP is tried only when the bridge's name does not resolve."""
        try:
            await self.shared.resolve(target.service)
        except Fault:
            return True
        return False

    async def _probe(self, target: Target) -> None:
        log = StageLog(target, self.budget, asyncio.get_running_loop().time())
        addresses = await self._resolve_stage(log, target)
        if self.network.anywhere:
            addresses = families.usable_first(addresses)
        if not addresses or target.ask_only:
            self._observed(target, log.results())
            return
        log.target = target = await self.shared.led(target)
        first, extra = addresses[0], addresses[1:MAX_EXPANDED]
        if why := beside.refused(target, first):
            beside.not_asked(log, why)
            self._observed(target, log.results())
            return
        work = [self._connect_and_talk(log, target, first)]
        if target.expand:
            work += [self._expanded(target, n, a) for n, a in enumerate((first, *extra), 1)]
        await asyncio.gather(*work)

    async def _expanded(self, target: Target, number: int, address: str) -> None:
        """One address of an outside name, as an endpoint of its own."""
        one = replace(
            target,
            id=f"{target.id}.{number}",
            route=Route.ENDPOINT,
            host=address,
            expand=False,
        )
        log = StageLog(one, self.budget, asyncio.get_running_loop().time())
        log.skip(Stage.RESOLVE, Reason.NOT_APPLICABLE)
        await self._connect_and_talk(log, one, address)

    async def _resolve_stage(self, log: StageLog, target: Target) -> tuple[str, ...]:
        if is_address(target.host):
            log.skip(Stage.RESOLVE, Reason.NOT_APPLICABLE)
            return (target.host,)
        found: list[resolver.DnsAnswer] = []

        async def step() -> Seen:
            answer = await self.shared.resolve(target.host)
            found.append(answer)
            evidence: dict[str, Json] = {"name": answer.name, "server": answer.server}
            evidence["addresses"] = [*answer.addresses]
            evidence["cname"] = [*answer.cname]
            return Seen(evidence=evidence)

        await self.shared.look_up(target.host)
        await log.run(Stage.RESOLVE, step, self.budget.resolve_s, self.network.lag_s)
        return found[0].addresses if found else ()

    async def _connect_and_talk(self, log: StageLog, target: Target, address: str) -> None:
        target = self.shared.at(target, address)
        if LOGIN_ORDER.get(target.route, 1) and self.endpoints_left[target.server]:
            # Before a slot is taken: the endpoints that are waited for need slots themselves.
            await self._after_endpoints(target.server)
        await self.crowd.attempt(log, target, address)
        if instead.is_wanted(log):
            again = instead.next_log(log, asyncio.get_running_loop().time())
            await self._connect_and_talk(again, again.target, address)
            return
        instead.note(log)
        if target.beside:
            await self._ask_beside(log, target)
        await self._look_further(log, target, address)
        if target.origin:
            await origin.ask(log, self.shared.resolve)
        self._observed(target, log.results())

    async def _ask_beside(self, log: StageLog, target: Target) -> None:
        """What the bridge itself answers to the same question."""
        assert target.beside is not None
        if Stage.HANDSHAKE not in log.done:
            return
        one = beside.target_of(target, target.beside)
        side = StageLog(one, self.budget, asyncio.get_running_loop().time())
        found = await self._resolve_stage(side, one)
        if found:
            async with self.slots[join_address(found[0], one.port)]:
                side.started = asyncio.get_running_loop().time()
                nothing = Missing(Reason.NO_CREDENTIALS, "")
                await self._talk(side, one, found[0], None, nothing, GREETING)
        beside.note(log, side.results())

    async def _after_endpoints(self, server: str) -> None:
        done = self.endpoints_done[server]
        try:
            async with asyncio.timeout(ENDPOINTS_FIRST_S):
                await done.wait()
        except TimeoutError:
            if server in self.reached:
                await done.wait()

    def _login(self, target: Target, info: CheckInfo) -> tuple[Login | None, Missing]:
        if not info.credential_keys or target.greet_only or target.route in FRONTS:
            return None, Missing(Reason.NO_CREDENTIALS, "")
        found = self.logins.lookup(target, info.credential_keys)
        nothing = Missing(Reason.NO_CREDENTIALS, "")
        return (found, nothing) if isinstance(found, Login) else (None, found)

    async def attempt(self, log: StageLog, target: Target, address: str) -> None:
        """One connection, with the login where there is one."""
        async with self.slots[join_address(address, target.port)]:
            log.started = asyncio.get_running_loop().time()
            login, missing = self._login(target, self.checks[target.protocol].info)
            log.secrets = self.sent.to(address, login)
            if login:
                await self._talk_logged_in(log, target, address, login)
            else:
                only = GREETING if target.greet_only else STAGES
                await self._talk(log, target, address, None, missing, only)

    def full_for(self, target: Target, address: str) -> frozenset[str]:
        """What a server's word that it has no connection left is counted under."""
        login, _ = self._login(target, self.checks[target.protocol].info)
        return self.order.keys(target, address, login or Login({}))

    async def _talk_logged_in(
        self, log: StageLog, target: Target, address: str, login: Login
    ) -> None:
        """Logins on one server come one after another, endpoints before the virtual address.

        Whoever is next may connect before its turn, so that two dead addresses cost one time-out;
        not where the server speaks first and counts those that keep it waiting (MySQL), nor where
        a turn may take long: a broker hangs up on who says nothing for ten seconds.
        """
        loop, keys = asyncio.get_running_loop(), self.order.keys(target, address, login)
        slow = self.slow_servers & self.order.servers(target, address)
        if self.checks[target.protocol].info.server_speaks_first or slow:
            async with self.order.turns.turn(keys):
                log.started = loop.time()
                stream = await self._open(log, target, address)
                await self._log_in(log, target, address, stream, login)
            return
        async with self.order.ahead.turn(keys):
            log.started = loop.time()
            stream = await self._open(log, target, address)
            if stream is None:
                return
            waits = loop.time()
            try:
                async with self.order.turns.turn(keys):
                    log.started += loop.time() - waits
                    await self._log_in(log, target, address, stream, login)
            except asyncio.CancelledError:  # the run's time is up
                await stream.close()
                raise

    async def _log_in(
        self, log: StageLog, target: Target, address: str, stream: Stream | None, login: Login
    ) -> None:
        if stream is None:
            return
        before = self.order.rejection(target, address, login)
        if before:
            await self._converse(log, target, stream, None, spared(target, before))
            return
        missing = Missing(Reason.NO_CREDENTIALS, "")
        fault = await self._converse(log, target, stream, login, missing)
        if fault and (fault.counted or fault.reason in LOGIN_ENDS):
            detail = log.done[Stage.AUTH].detail
            said = rejection(target, address, fault.reason, detail)
            self.order.reject(target, address, login, said)
        elif log.hung:
            self.order.hangs(self.order.keys(target, address, login))
        verified = log.done.get(Stage.VERIFY)
        if verified:
            self.order.identified(target, address, verified.evidence.get("identity"))

    # -- addresses that a server tells of -------------------------------------------------------

    async def _look_further(self, log: StageLog, target: Target, peer: str) -> None:
        """Where clients are sent on to, and whom the server calls back."""
        if log.announced and log.announced.addresses:
            stages = GREETING if log.announced.greet else ()
            await look_at(log, log.announced, self._looker(target, peer, stages))
        if log.callbacks:
            await look_back(log, log.callbacks, self._looker(target, peer, ()), self._led_to)

    async def _led_to(self, name: str) -> str:
        """An address of a name, "" where it has none or this vantage has no resolver of its own."""
        if not self.network.anywhere:
            return ""
        try:
            async with asyncio.timeout(self.budget.resolve_s):
                return next(iter((await self.shared.resolve(name)).addresses), "")
        except (Fault, TimeoutError):
            return ""

    def _looker(self, target: Target, peer: str, stages: Sequence[Stage]) -> Look:
        """Looks at an address, once in a run whoever tells of it."""
        here = join_address(peer, target.port)

        async def look(address: str) -> AddressVerdict:
            if address in (here, target.address):
                return AddressVerdict(address=address)  # where we have just been
            key = (target.protocol if stages else "", address)
            if key not in self.looks:
                work = self._look(target, address, here, stages)
                self.looks[key] = asyncio.create_task(work)
            return await asyncio.shield(self.looks[key])

        return look

    async def _look(
        self, target: Target, address: str, peer: str, only: Sequence[Stage]
    ) -> AddressVerdict:
        try:
            one = target_of(target, address)
        except ValueError:
            why = "not an address"
            return AddressVerdict(address=address, reason=Reason.NAME_NOT_A_NAME, detail=why)
        if not self.network.anywhere:
            return AddressVerdict(address=address, seen=False)
        log = StageLog(one, self.budget, asyncio.get_running_loop().time())
        found = await self._resolve_stage(log, one)
        if found and (why := out_of_bounds(found[0], peer)):
            return AddressVerdict(address=address, reason=Reason.NO_ROUTE, detail=why)
        if found:
            async with self.slots[join_address(found[0], one.port)]:
                log.started = asyncio.get_running_loop().time()
                nothing = Missing(Reason.NO_CREDENTIALS, "")
                await self._talk(log, one, found[0], None, nothing, only)
        return verdict_on(address, log.results())

    async def _talk(
        self,
        log: StageLog,
        target: Target,
        address: str,
        login: Login | None,
        missing: Missing,
        only: Sequence[Stage] = STAGES,
    ) -> None:
        stream = await self._open(log, target, address)
        if stream:
            await self._converse(log, target, stream, login, missing, only)

    async def _open(self, log: StageLog, target: Target, address: str) -> Stream | None:
        """The connect stage; None where it failed."""
        tls, pauses = self.shared.tls_of(target), self._pauses(target)
        log.started += await self.shared.pace.wait(address)
        stream = await connect(log, address, target.port, tls, self.network, pauses)
        if stream is None:
            self.failed = True
            if _awaited(target):
                self.unreached.add(target.server)
            return None
        stream.fingerprints = self.plan.fingerprints
        self.connected = True
        if _awaited(target):
            self.reached.add(target.server)
        return stream

    def _pauses(self, target: Target) -> Sequence[float]:
        """A name may be refused although every address behind it accepts, while its node programs
        the Service; where one of them does not, or the objects explain it, a refusal is final.
        """
        server = target.server
        known = not self.endpoints_left[server] and server not in self.reached
        final = known or server in self.unreached or target.nowhere
        return () if final or target.route is not Route.NAME else PROGRAMMING_S

    async def _converse(
        self,
        log: StageLog,
        target: Target,
        stream: Stream,
        login: Login | None,
        missing: Missing,
        only: Sequence[Stage] = STAGES,
    ) -> Fault | None:
        """What follows on an open connection; the fault that ended the login, if one did."""
        cls = self.checks[target.protocol]
        good, wrong = expect.read(cls.info.expects, target.expect, self.expectable[target.service])
        check = cls(replace(target, expect=good), stream)
        check.around = self.visits
        return await converse(log, check, login, missing, wrong, only)

    def _observed(self, target: Target, stages: tuple[StageResult, ...]) -> None:
        observation = Observation(
            id=target.id,
            namespace=self.plan.namespace,
            service=target.service,
            port=target.port_key,
            protocol=target.protocol,
            vantage=self.plan.vantage,
            route=target.route,
            target=target.address,
            stages=stages,
            node=self.node,
            via=target.via,
        )
        self.failed = self.failed or observation.status in (Status.FAIL, Status.INCONCLUSIVE)
        self.emit(observation)

    # -- the vantage itself -----------------------------------------------------------------------

    async def control(self) -> dict[str, object]:
        """Whether this place can resolve and connect at all; asked only when a target failed."""
        known = {"connected": self.connected}
        name = self.plan.control.name
        if not name:
            return {**known, "dns": None, "api": None}
        way = await self.network.way()
        deadline = asyncio.get_running_loop().time() + self.budget.stage_s
        try:
            answer = await way.resolve(name, deadline)
        except Fault as fault:
            await way.close()
            return {**known, "dns": False, "api": None, "words": fault.detail}
        address = self.plan.control.address or answer.addresses[0]
        try:
            stream = await way.connect(address, self.plan.control.port, deadline)
        except Fault as fault:
            await way.close()
            return {**known, "dns": True, "api": False, "words": fault.detail}
        await stream.close()
        return {**known, "dns": True, "api": True}
