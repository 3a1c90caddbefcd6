"""HTTP answers that no honest server gives, for checks that read JSON."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from k8sext.agent.check import Fault, Login, WireCheck
from k8sext.agent.net.stream import Stream
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage
from tests.support.converse import left_to_itself, on

ODD: tuple[Any, ...] = (None, True, -1, 1e308, "", "red", [], {}, [[]], {"": {}}, "x" * 500)
STATUSES = (200, 200, 200, 302, 401, 403, 404, 500, 503)


def odd(rng: random.Random, keys: Sequence[str], values: Sequence[Any] = (), depth: int = 0) -> Any:
    """JSON with the right keys at the wrong places."""
    if depth > 4 or rng.random() < 0.2:
        return rng.choice((*ODD, *values))
    if rng.random() < 0.2:
        return [odd(rng, keys, values, depth + 1) for _ in range(rng.randrange(3))]
    some = rng.sample(list(keys), min(5, len(keys)))
    return {key: odd(rng, keys, values, depth + 1) for key in some}


class Nowhere:
    """What lies beside a check that is fed: nothing can be reached."""

    reached = False

    @asynccontextmanager
    async def elsewhere(
        self, check: WireCheck, address: str, mode: TlsMode
    ) -> AsyncGenerator[Stream]:
        """No other server."""
        if not self.reached:
            raise Fault(Reason.ANNOUNCED_UNREACHABLE, address)
        yield check.stream

    @asynccontextmanager
    async def visit(self, check: WireCheck, key: str) -> AsyncGenerator[WireCheck]:
        """No other bridge."""
        if not self.reached:
            raise Fault(Reason.COMPANION_FAILED, key)
        yield check

    async def consents(self, check: WireCheck, name: str) -> bool:
        """Wherever the name leads."""
        return self.reached


def hostile(
    module: str,
    protocol: str,
    keys: Sequence[str],
    values: Sequence[Any] = (),
    headers: Sequence[str] = (),
    expect: Mapping[str, Any] | None = None,
    rounds: int = 300,
) -> None:
    """Feed a check such answers: a Fault or a result comes out of it, never anything else."""
    rng = random.Random(6)

    def answer() -> bytes:
        text = json.dumps(odd(rng, keys, values)).encode()
        more = "".join(f"{h}\r\n" for h in headers if rng.random() < 0.5).encode()
        said = b"HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s"
        return said % (rng.choice(STATUSES), more, len(text), text)

    async def once() -> None:
        check = on(module, protocol, b"".join(answer() for _ in range(9)), expect=expect or {})
        check.around = Nowhere()
        if rng.random() < 0.7:
            values = {"username": Secret("u"), "password": Secret("canary-4711")}
            check.login = Login(values)
        await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)

    for _ in range(rounds):
        asyncio.run(once())
