"""A defect of ours, or of the standard library, costs one probe and not the run."""

import asyncio
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Login, Seen, WireCheck
from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Status
from tests.support.loopback import answering


class Rude(WireCheck):
    """Breaks after its stages, where nobody expects it."""

    info: ClassVar[CheckInfo] = CheckInfo(name="rude", summary="", proves="", ports=())
    verify_needs_login = False

    async def handshake(self) -> Seen:
        return Seen()

    async def auth(self, login: Login | None) -> Seen | None:
        return None

    async def verify(self) -> Seen:
        return Seen()

    async def goodbye(self) -> None:
        await self.stream.close()
        raise ZeroDivisionError


def test_the_other_probes_are_seen_all_the_same() -> None:
    seen: list[Observation] = []

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with answering(serve) as port:
            targets = tuple(
                Target(
                    id=f"o-{protocol}",
                    service="svc",
                    port_key="p",
                    protocol=protocol,
                    route=Route.ENDPOINT,
                    host="127.0.0.1",
                    port=port,
                    server=protocol,
                )
                for protocol in ("rude", "tcp")
            )
            plan = Plan(
                run_id="t",
                namespace="dev",
                targets=targets,
                modules=("tcp",),
                budget=Budget(stage_s=2, run_s=10),
            )
            checks = {**load_checks(plan.modules), "rude": Rude}
            await Runner(plan, checks, GivenValues({}), seen.append).run()

    asyncio.run(run())
    by = {o.protocol: o for o in seen}
    assert len(seen) == 2
    assert by["tcp"].status is Status.PASS
    assert by["rude"].status is Status.INCONCLUSIVE
    ended = by["rude"].ended_by
    assert ended is not None
    assert ended.reason is Reason.INTERNAL_ERROR
    assert "ZeroDivisionError" in ended.detail


class _Plain:
    """What lies under TLS."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


class _Gone:
    """A TLS transport after the server's reset, as CPython 3.11 leaves it."""

    def __init__(self, transport: object) -> None:
        self.transport = transport

    def close(self) -> None: ...

    async def wait_closed(self) -> None:
        raise ConnectionResetError

    def abort(self) -> None:
        raise AttributeError("'NoneType' object has no attribute '_abort'")


def test_close_never_raises() -> None:
    plain = _Plain()
    stream = Stream(None, _Gone(plain))  # type: ignore[arg-type] # pyright: ignore
    stream.writer = _Gone(_Gone(plain))  # type: ignore[assignment] # pyright: ignore
    asyncio.run(stream.close())
    assert plain.aborted
