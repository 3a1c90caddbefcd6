"""How a run resolves and connects: from here, or from where a relay stands."""

from __future__ import annotations

from typing import Protocol

from . import resolver
from .resolver import DnsAnswer
from .stream import Stream


class Way(Protocol):
    """Resolves and connects within the deadlines that it is given (loop time, seconds)."""

    async def resolve(self, name: str, deadline: float) -> DnsAnswer:
        """Addresses of a name. Raises Fault."""
        ...

    async def connect(self, address: str, port: int, deadline: float) -> Stream:
        """A connection to an IP address. Raises Fault."""
        ...

    async def close(self) -> None:
        """Give back what is not used; a stream that was connected stays."""
        ...


class Network(Protocol):
    """Gives ways. `lag_s` is how much later than its deadline an answer may come in, seconds."""

    lag_s: float
    anywhere: bool  # False: only where the plan leads

    async def way(self) -> Way:
        """A way that is ready, so that no stage's time is spent on making it. Never raises: what
        is wrong with it, its methods say.
        """
        ...


class Direct:
    """This machine's own network."""

    lag_s = 0.0
    anywhere = True

    def __init__(self, config: resolver.Config | None = None) -> None:
        self.config = config or resolver.read_config()

    async def way(self) -> Way:
        """Itself: nothing needs to be made."""
        return self

    async def resolve(self, name: str, deadline: float) -> DnsAnswer:
        """Asks the DNS servers that resolv.conf names."""
        return await resolver.resolve(name, self.config, deadline)

    async def connect(self, address: str, port: int, deadline: float) -> Stream:
        """A TCP connection."""
        return await Stream.connect(address, port, deadline)

    async def close(self) -> None:
        """Nothing is held."""
