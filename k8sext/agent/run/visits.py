"""Visits to other bridges of the same plan, by checks that prove a path through several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

from k8sext.agent import expect
from k8sext.agent.check import Fault, Login, WireCheck
from k8sext.agent.login.consent import short_of
from k8sext.agent.net.destinations import out_of_bounds
from k8sext.agent.net.stream import Stream
from k8sext.agent.tls.target import TargetTls
from k8sext.model.plan import Target, is_address, join_address, split_address
from k8sext.model.scrub import shown
from k8sext.model.tls import TlsMode
from k8sext.model.words import LOGIN_ENDS, Reason, Route

from .announced import target_of
from .shared import Shared
from .turns import rejection

# Who acts (`--active`) may keep a turn for twenty seconds. The visitor goes ahead before: its own
# server would hang up on a connection that says nothing for so long, and the wait is a part of the
# visiting stage, of which the visit itself needs the rest.
SHARE_OF_STAGE = 1 / 3


class Visits:
    """Opens companions, under the same rules of consent and manners as targets."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.companions = {t.id: t for t in shared.plan.companions}

    @asynccontextmanager
    async def visit(self, check: WireCheck, key: str) -> AsyncGenerator[WireCheck]:
        """See `WireCheck.visit`. The deadline is that of the visiting check's stage."""
        one = self.companions.get(dict(check.target.companions).get(key, ""))
        if one is None:
            text = f"expect.{key}: {check.target.expect.get(key)!r} is no bridge of this namespace"
            raise Fault(Reason.BAD_EXPECTATION, text)
        async with AsyncExitStack() as stack:
            try:
                other = await self._opened(stack, one, check.stream.deadline)
            except Fault as fault:
                words = fault.detail or fault.reason.value.replace("_", " ")
                text = f"{one.service}:{one.port} ({one.protocol}): {words}"
                raise Fault(Reason.COMPANION_FAILED, text, **fault.evidence) from fault
            yield other

    @asynccontextmanager
    async def elsewhere(
        self, check: WireCheck, address: str, mode: TlsMode
    ) -> AsyncGenerator[Stream]:
        """See `WireCheck.elsewhere`. Within the stage's deadline, and never to a place that no
        server has a say in (`destinations.out_of_bounds`).
        """
        stream = await self._dialled(check, address)
        try:
            if mode is not TlsMode.DISABLE:
                stream.tls = self._tls_elsewhere(check, address, mode)
                await stream.start_tls()
            yield stream
        finally:
            await stream.close()

    async def consents(self, check: WireCheck, name: str) -> bool:
        """See `WireCheck.consents`."""
        shared, own = self.shared, check.target
        ways = [t for t in shared.plan.targets if t.service == own.service and t.trail]
        ways.sort(key=lambda t: (t.host != name, t.route is not Route.NAME))
        way = ways[0] if ways else own
        try:
            way, _ = await shared.first(replace(way, host=name))
        except Fault:
            return False
        return isinstance(shared.logins.lookup(way, check.info.credential_keys), Login)

    async def _dialled(self, check: WireCheck, address: str) -> Stream:
        shared = self.shared
        if not shared.network.anywhere:
            text = f"{address}, where the server sends its clients, cannot be asked from here"
            raise Fault(Reason.VANTAGE_UNPROVEN, text)
        try:
            host, port = split_address(address)
            if not is_address(host):
                host = (await shared.resolve(host)).addresses[0]
            why = out_of_bounds(host, check.stream.peer)
            if why:
                raise Fault(Reason.NO_ROUTE, why)
            async with shared.slots[join_address(host, port)]:
                return await self._connected(host, port, check.stream.deadline)
        except ValueError as error:
            text = f"clients are sent on to {address!r}, which is no address"
            raise Fault(Reason.ANNOUNCED_UNREACHABLE, text) from error
        except Fault as fault:
            words = fault.detail or fault.reason.value.replace("_", " ")
            text = f"clients are sent on to {address} ({words})"
            raise Fault(Reason.ANNOUNCED_UNREACHABLE, text, **fault.evidence) from fault

    def _tls_elsewhere(self, check: WireCheck, address: str, mode: TlsMode) -> TargetTls:
        """TLS as with the check's own server, by the same authority, for another name."""
        spec = check.target.tls
        host = split_address(address)[0]
        one = replace(
            target_of(check.target, address),
            tls=replace(spec, mode=mode, server_name=host),
        )
        return TargetTls(one, self.shared.logins.file(spec.ca_secret, spec.ca_key))

    async def _opened(
        self, stack: AsyncExitStack, one: Target, deadline: float | None
    ) -> WireCheck:
        """Connected, greeted and logged in. One login at a time, as everywhere; what follows may
        take as long as the visiting check waits for something, and keeps nobody.
        """
        shared = self.shared
        one, address = await shared.first(one)
        login = self._login(one, shared.checks[one.protocol])
        async with AsyncExitStack() as turn:
            if login:
                keys = shared.order.keys(one, address, login)
                with suppress(TimeoutError):
                    async with asyncio.timeout(shared.budget.stage_s * SHARE_OF_STAGE):
                        await turn.enter_async_context(shared.order.turns.turn(keys))
                if shared.order.rejection(one, address, login):
                    raise Fault(Reason.LOGIN_REJECTED_BEFORE, "its login was rejected before")
            other = await self._greeted(stack, one, address, login, deadline)
            try:
                await other.auth(login)
            except Fault as fault:
                if login and fault.reason in LOGIN_ENDS:
                    words = shown(fault.detail, login.secrets)
                    said = rejection(one, address, fault.reason, words)
                    shared.order.reject(one, address, login, said)
                raise
        return other

    async def _greeted(
        self,
        stack: AsyncExitStack,
        one: Target,
        address: str,
        login: Login | None,
        deadline: float | None,
    ) -> WireCheck:
        shared = self.shared
        cls = shared.checks[one.protocol]
        await stack.enter_async_context(shared.slots[join_address(address, one.port)])
        stream = await self._connected(address, one.port, deadline)
        stack.push_async_callback(stream.close)
        stream.tls = shared.tls_of(one)
        good, _ = expect.read(cls.info.expects, one.expect)
        other = cls(replace(one, expect=good), stream)
        other.around = self
        stack.push_async_callback(_goodbye, other)
        await other.tls()
        if login and (why := short_of(login.tls, stream.reached)):
            raise Fault(Reason.TLS_DEMANDED, why)
        other.login = login
        await other.handshake()
        return other

    async def _connected(self, address: str, port: int, deadline: float | None) -> Stream:
        await self.shared.pace.wait(address)
        way = await self.shared.network.way()
        try:
            stream = await way.connect(address, port, deadline)  # type: ignore[arg-type]
        except BaseException:
            await way.close()
            raise
        stream.fingerprints = self.shared.plan.fingerprints
        return stream

    def _login(self, one: Target, cls: type[WireCheck]) -> Login | None:
        """The login, if there is one. Raises Fault where it may not be used."""
        if not cls.info.credential_keys:
            return None
        found = self.shared.logins.lookup(one, cls.info.credential_keys)
        if isinstance(found, Login):
            return found
        if found.reason is not Reason.NO_CREDENTIALS:
            raise Fault(found.reason, found.detail)
        return None


async def _goodbye(other: WireCheck) -> None:
    other.stream.give(0.5)
    try:
        await other.goodbye()
    except Fault:
        pass  # it may be gone; leaving politely is all we owe it
