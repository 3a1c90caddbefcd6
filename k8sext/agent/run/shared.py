"""What all probes of one run share: names, slots, turns, and where targets really lead."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

from k8sext.agent.check import Checks
from k8sext.agent.login.credentials import LoginSource
from k8sext.agent.net import resolver
from k8sext.agent.net.network import Network, Way
from k8sext.agent.tls.target import TargetTls, TlsMemory
from k8sext.model.plan import Plan, Target, is_address
from k8sext.model.words import Route

from .turns import Logins, Pace

# Ways for those outside, told beside the bridge's own: no login goes over them.
FRONTS = (Route.INGRESS, Route.NODE_PORT)


class Shared:
    """One for each run. Each name is asked for once, each server has so many slots."""

    def __init__(self, plan: Plan, checks: Checks, logins: LoginSource, network: Network) -> None:
        self.plan, self.checks, self.logins, self.network = plan, checks, logins, network
        self.budget = plan.budget
        self.names: dict[str, asyncio.Task[resolver.DnsAnswer]] = {}
        self.slots: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(self.budget.per_server)
        )
        self.order = Logins(plan.targets)
        self.pace = Pace(self.budget.per_second)
        self.tls_memory = TlsMemory()

    # -- names ----------------------------------------------------------------------------------

    async def resolve(self, name: str) -> resolver.DnsAnswer:
        """Each name is asked for once in a run, whoever needs it. Raises Fault."""
        return await asyncio.shield(await self.look_up(name))

    async def look_up(self, name: str) -> asyncio.Task[resolver.DnsAnswer]:
        """The question, under way: its time begins when there is a way to ask."""
        way = None if name in self.names else await self.network.way()
        if name in self.names:  # by somebody else, while we waited
            if way:
                await way.close()
        else:
            assert way is not None
            self.names[name] = asyncio.create_task(self._ask(name, way))
        return self.names[name]

    async def _ask(self, name: str, way: Way) -> resolver.DnsAnswer:
        try:
            now = asyncio.get_running_loop().time()
            return await way.resolve(name, now + self.budget.resolve_s)
        finally:
            await way.close()

    # -- where targets are really connected to: what consent is asked for -------------------------

    async def led(self, target: Target) -> Target:
        """The target with the aliases through which its name led. Raises Fault."""
        if target.trail is None or is_address(target.host):
            return target
        chain = (await self.resolve(target.host)).cname
        return replace(target, trail=replace(target.trail, chain=chain))

    def at(self, target: Target, address: str) -> Target:
        """The target where it is connected to, with TLS as the owner of its login wants it."""
        if target.trail:
            target = replace(target, trail=replace(target.trail, peer=address))
        return self.logins.prepared(target)

    async def first(self, target: Target) -> tuple[Target, str]:
        """The target at the first address of its name, and that address. Raises Fault."""
        if is_address(target.host):
            return self.at(target, target.host), target.host
        address = (await self.resolve(target.host)).addresses[0]
        return self.at(await self.led(target), address), address

    def tls_of(self, target: Target) -> TargetTls:
        """What encrypts a connection to it."""
        ca = self.logins.file(target.tls.ca_secret, target.tls.ca_key)
        mode = self.checks[target.protocol].default_tls
        pair = None if target.route in FRONTS else self.logins.client_pair(target)
        return TargetTls(target, ca, mode, pair, self.tls_memory)
