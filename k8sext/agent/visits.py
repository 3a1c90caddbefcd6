"""Visits to other bridges of the same plan, by checks that prove a path through several."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from k8sext.model.plan import Target, is_address, join_address
from k8sext.model.words import LOGIN_ENDS, Reason

from . import expect
from .check import Fault, Login, WireCheck

if TYPE_CHECKING:
    from .runner import Runner


class Visits:
    """Opens companions, under the same rules of consent and manners as targets."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.companions = {t.id: t for t in runner.plan.companions}

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

    async def _opened(
        self, stack: AsyncExitStack, one: Target, deadline: float | None
    ) -> WireCheck:
        runner = self.runner
        cls = runner.checks[one.protocol]
        login, secret = self._login(one, cls)
        if login:
            await stack.enter_async_context(runner.login_locks[secret])
            if secret in runner.rejected:
                raise Fault(Reason.LOGIN_REJECTED_BEFORE, "its login was rejected before")
        address = one.host
        if not is_address(address):
            address = (await runner.resolve(one.host)).addresses[0]
        await stack.enter_async_context(runner.slots[join_address(address, one.port)])
        way = await runner.network.way()
        try:
            stream = await way.connect(address, one.port, deadline)  # type: ignore[arg-type]
        except BaseException:
            await way.close()
            raise
        stack.push_async_callback(stream.close)
        stream.tls = runner.tls_of(one)
        good, _ = expect.read(cls.info.expects, one.expect)
        other = cls(replace(one, expect=good), stream)
        other.login, other.around = login, self
        stack.push_async_callback(_goodbye, other)
        try:
            await other.tls()
            await other.handshake()
            await other.auth(login)
        except Fault as fault:
            if login and fault.reason in LOGIN_ENDS:
                runner.rejected.add(secret)
            raise
        return other

    def _login(self, one: Target, cls: type[WireCheck]) -> tuple[Login | None, str]:
        """The login and the key of its lock. Raises Fault where it may not be used."""
        if not cls.info.credential_keys:
            return None, ""
        found = self.runner.logins.lookup(one, cls.info.credential_keys)
        if isinstance(found, Login):
            return found, self.runner.login_key(one)
        if found.reason is not Reason.NO_CREDENTIALS:
            raise Fault(found.reason, found.detail)
        return None, ""


async def _goodbye(other: WireCheck) -> None:
    other.stream.give(0.5)
    try:
        await other.goodbye()
    except Fault:
        pass  # it may be gone; leaving politely is all we owe it
