"""Where targets are really connected to: what consent is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k8sext.model.plan import Target, is_address

if TYPE_CHECKING:
    from .runner import Runner


class Places:
    """Fills in what the objects did not say of a target's trail: where its name led."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    async def led(self, target: Target) -> Target:
        """The target with the aliases through which its name led. Raises Fault."""
        if target.trail is None or is_address(target.host):
            return target
        chain = (await self.runner.resolve(target.host)).cname
        return replace(target, trail=replace(target.trail, chain=chain))

    def at(self, target: Target, address: str) -> Target:
        """The target where it is connected to, with TLS as the owner of its login wants it."""
        if target.trail:
            target = replace(target, trail=replace(target.trail, peer=address))
        return self.runner.logins.prepared(target)

    async def first(self, target: Target) -> tuple[Target, str]:
        """The target at the first address of its name, and that address. Raises Fault."""
        if is_address(target.host):
            return self.at(target, target.host), target.host
        address = (await self.runner.resolve(target.host)).addresses[0]
        return self.at(await self.led(target), address), address
