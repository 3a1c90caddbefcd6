"""Bytes that no server would send, fed to a check's steps without a socket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from k8sext.agent.check import Login, WireCheck
from k8sext.agent.fault import Fault
from k8sext.agent.net.stream import BYTE_BUDGET, Stream
from k8sext.model.plan import Target
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Route

LOGIN = Login({"username": Secret("shop"), "password": Secret("pä"), "database": Secret("shop")})


class Fed(Stream):
    """A stream that has received some bytes and then ended; what is written is counted."""

    def __init__(self, data: bytes) -> None:
        reader = asyncio.StreamReader(limit=1 << 16)
        reader.feed_data(data)
        reader.feed_eof()
        super().__init__(reader, None)
        self.sent = 0

    async def write(self, data: bytes) -> None:
        """Nothing listens."""
        self.sent += len(data)


def broken(dice: random.Random, whole: bytes) -> bytes:
    """`whole` with a few bytes changed, cut, doubled or grown; sometimes nothing of it."""
    kind = dice.randrange(5)
    if kind == 0:
        return dice.randbytes(dice.randrange(200))
    data = bytearray(whole)
    if kind == 1:
        return bytes(data[: dice.randrange(len(data) + 1)])
    if kind == 2:
        at = dice.randrange(len(data))
        return bytes(data[:at] + data[dice.randrange(len(data)) :])
    for _ in range(dice.randrange(1, 8)):
        data[dice.randrange(len(data))] = dice.choice(
            (0, 1, 0x7F, 0xFB, 0xFE, 0xFF, dice.randrange(256))
        )
    return bytes(data)


def survive(cls: type[WireCheck], conversations: Sequence[bytes], count: int, seed: int) -> int:
    """Feed `count` broken conversations to the steps; how many came through all of them.

    Anything but a Fault is the caller's failing test.
    """
    target = Target(
        id="o", service="s", port_key="p", protocol=cls.info.name, route=Route.NAME, host="h",
        port=1, tls=TlsSpec(mode=TlsMode.DISABLE), expect={"version": ">=1", "max_lag_s": 1},
    )  # fmt: skip
    dice = random.Random(seed)

    async def all_of_them() -> int:
        through = 0
        for number in range(count):
            stream = Fed(broken(dice, conversations[number % len(conversations)]))
            check = cls(target, stream)
            check.login = LOGIN
            try:
                for step in (check.handshake, lambda c=check: c.auth(LOGIN), check.verify):
                    await step()
                through += 1
            except Fault:
                pass
            try:
                await check.goodbye()
            except Fault:
                pass
            assert stream.received <= BYTE_BUDGET
            assert stream.sent < 1 << 16
        return through

    return asyncio.run(all_of_them())
