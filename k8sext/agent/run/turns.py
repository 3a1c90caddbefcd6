"""Whose turn it is: logins on one server come one after another, and a rejected one comes once.

Turns are counted by server and *user*, because that is what servers limit (PostgreSQL CONNECTION
LIMIT, MySQL MAX_USER_CONNECTIONS): bridges with Secrets of their own share a turn if the Secrets
name the same user. Rejections are counted by server and *values*: one login that two Secrets hold
is tried once, and another password for the same user is another login.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from k8sext.agent.check import Login
from k8sext.agent.login.credentials import Missing
from k8sext.agent.seen import NAMES
from k8sext.model.data import dataclass
from k8sext.model.plan import Target, join_address
from k8sext.model.result import Json
from k8sext.model.words import Reason, Route

# What a server does not look at when it says whether a login is good.
_BESIDE_LOGIN = tuple(name for name in NAMES if name != "username")
MANY = 1 << 20


class Turns:
    """At most `width` holders of each key at a time; whoever needs several keys takes all at once.

    With `weight` MANY (and that width) one holder keeps all others out.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.wide: dict[str, int] = {}
        self.held: Counter[str] = Counter()
        self.waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def turn(self, keys: Iterable[str], weight: int = 1) -> AsyncGenerator[None]:
        """Hold all keys for the length of the block."""
        mine = frozenset(keys)
        while not self.free(mine, weight):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(waiter)
            await waiter
        self._hold(mine, weight)
        try:
            yield
        finally:
            self._hold(mine, -weight)
            self._wake()

    def free(self, keys: Iterable[str], weight: int = 1) -> bool:
        """Whether there is room for one more holder of all keys."""
        return all(self.held[k] + weight <= self.wide.get(k, self.width) for k in keys)

    def widen(self, keys: Iterable[str], width: int) -> None:
        """Let more of them go on at a time from now on."""
        self.wide |= dict.fromkeys(keys, max(width, self.width))
        self._wake()

    def _hold(self, keys: Iterable[str], weight: int) -> None:
        for key in keys:
            self.held[key] += weight

    def _wake(self) -> None:
        """All of them look again, in the order in which they came."""
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            if not waiter.done():  # given up meanwhile
                waiter.set_result(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Where a login was tried, and how the server refused it; no value of it."""

    service: str
    port: int
    address: str
    reason: Reason
    detail: str

    def facts(self) -> dict[str, Json]:
        """As evidence of a probe that did not try it again."""
        return {
            "tried_at": f"{self.service}:{self.port}",
            "tried_address": self.address,
            "rejected_as": self.reason.value,
            "rejected_with": self.detail,
        }


class Logins:
    """The order of all logins of one run."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self.turns = Turns(1)
        self.ahead = Turns(2)  # whoever is next may connect before its turn
        self.behind: dict[str, set[str]] = defaultdict(set)  # addresses of a virtual address
        self.systems: dict[str, str] = {}  # identity by address, once a server has told it
        self.rejected: dict[tuple[str, int], Rejection] = {}
        self.full: set[str] = set()  # had no connection left even when we held none
        for target in targets:
            if target.route is Route.ENDPOINT:
                self.behind[target.server].add(target.address)

    def servers(self, target: Target, address: str) -> frozenset[str]:
        """What the connection may lead to: its address, its bridge, and what is behind a name."""
        known = {target.server, join_address(address, target.port)}
        if target.route is not Route.ENDPOINT:
            known |= self.behind[target.server]
        return frozenset(known | {self.systems[a] for a in known if a in self.systems})

    def keys(self, target: Target, address: str, login: Login) -> frozenset[str]:
        """What its turn is counted under."""
        user = login.get("username")
        return frozenset(f"{server}\0{user}" for server in self.servers(target, address))

    def rejection(self, target: Target, address: str, login: Login) -> Rejection | None:
        """Where the same login was rejected by what the connection may lead to."""
        mark = _mark(login)
        found = (self.rejected.get((s, mark)) for s in sorted(self.servers(target, address)))
        return next((r for r in found if r), None)

    def reject(self, target: Target, address: str, login: Login, said: Rejection) -> None:
        """Note that a login was rejected; of several addresses nobody knows which one it was."""
        here = join_address(address, target.port)
        for server in (target.server, here, self.systems.get(here, "")):
            if server:
                self.rejected.setdefault((server, _mark(login)), said)

    def identified(self, target: Target, address: str, identity: Json) -> None:
        """A server has said who it is: its addresses share what is counted."""
        if identity and isinstance(identity, str):
            here = join_address(address, target.port)
            self.systems[here] = f"{target.protocol}\0{identity}"

    def hangs(self, keys: Iterable[str]) -> None:
        """A login was not answered in time: the others need not wait for one another any more."""
        for turns in (self.turns, self.ahead):
            turns.widen(keys, 4)


def _mark(login: Login) -> int:
    """Equal for equal values, and nothing else can be read from it (Python salts its hashes)."""
    kept = ((w, v.reveal()) for w, v in login.values.items() if w not in _BESIDE_LOGIN)
    return hash(tuple(sorted(kept)))


def rejection(target: Target, address: str, reason: Reason, detail: str) -> Rejection:
    """What became of the login of a target; `detail` is masked already."""
    return Rejection(
        service=target.service,
        port=target.port,
        address=join_address(address, target.port),
        reason=reason,
        detail=detail,
    )


def spared(target: Target, before: Rejection) -> Missing:
    """Why the login of a target is not tried, and how it would end."""
    own = before.service == target.service
    where = "on another route" if own else f"at {before.service} ({before.address})"
    why = f"this login was rejected {where}; trying again could lock it out"
    return Missing(Reason.LOGIN_REJECTED_BEFORE, why, before.facts())


class Pace:
    """No more than so many new connections a second to one address."""

    def __init__(self, per_second: int) -> None:
        self.per_second = max(1, per_second)
        self.begun: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=self.per_second))

    async def wait(self, address: str) -> float:
        """Until one more may begin; returns the seconds that were waited."""
        loop = asyncio.get_running_loop()
        asked, begun = loop.time(), self.begun[address]
        at = max(asked, begun[0] + 1.0) if len(begun) == self.per_second else asked
        begun.append(at)  # before the wait: whoever asks meanwhile comes after this one
        if at > asked:
            await asyncio.sleep(at - asked)
        return at - asked
