"""Addresses that a server announces: each looked at once, greeted, judged."""

import asyncio
from typing import ClassVar

import pytest

from k8sext.agent.check import Announced, CheckInfo, Fault, Seen, WireCheck
from k8sext.agent.login.credentials import NoLogins
from k8sext.agent.net.stream import Stream
from k8sext.agent.run.announced import MAX_LOOKED
from k8sext.agent.run.runner import Runner
from k8sext.model.plan import Budget, Plan, Target, split_address
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.loopback import answering

FAST = Budget(stage_s=0.4, resolve_s=0.4, probe_s=2.0, run_s=4.0)


class Toy(WireCheck):
    """The server says HI and then, on `?`, a line of addresses."""

    info: ClassVar[CheckInfo] = CheckInfo(name="toy", summary="", proves="")
    verify_needs_login: ClassVar[bool] = False
    vital: ClassVar[bool] = True
    warns: ClassVar[bool] = False
    greet: ClassVar[bool] = True

    async def handshake(self) -> Seen:
        if await self.stream.read_until() != b"HI\r\n":
            raise Fault(Reason.WRONG_PROTOCOL, "no HI")
        return Seen()

    async def verify(self) -> Seen:
        await self.stream.write(b"?")
        told = (await self.stream.read_until()).decode().split()
        return Seen(
            detail="fine",
            warning=Reason.ALARM if self.warns else None,
            announced=Announced(
                addresses=tuple(told), whom="toys", vital=self.vital, greet=self.greet
            ),
        )


class NotVital(Toy):
    vital: ClassVar[bool] = False


class Warned(NotVital):
    warns: ClassVar[bool] = True


class Mute(Toy):
    greet: ClassVar[bool] = False


class Town:
    """Servers on loopback: one that announces, and those that it may announce."""

    def __init__(self) -> None:
        self.greeted = 0

    async def _good(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.greeted += 1
        writer.write(b"HI\r\n")
        await reader.read()

    async def _other(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400\r\n")
        await reader.read()

    async def see(
        self, check: type[WireCheck], told: str, times: int = 1
    ) -> tuple[Observation, ...]:
        async with answering(self._good) as good, answering(self._other) as other:
            async with answering(self._good) as closed:
                pass
            ports = {"good": good, "other": other, "closed": closed}
            words = told.format(**{name: f"127.0.0.1:{port}" for name, port in ports.items()})
            return await self._seen(check, words, times)

    async def _seen(
        self, check: type[WireCheck], words: str, times: int
    ) -> tuple[Observation, ...]:
        async def told_by(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HI\r\n")
            if await reader.read(1):
                writer.write(words.encode() + b"\r\n")
            await reader.read()

        seen: list[Observation] = []
        async with answering(told_by) as port:
            targets = tuple(
                Target(
                    id=f"o{n}",
                    service="svc",
                    port_key="p",
                    protocol="toy",
                    route=Route.ENDPOINT,
                    host="127.0.0.1",
                    port=port,
                )
                for n in range(times)
            )
            plan = Plan(run_id="t", namespace="dev", targets=targets, modules=(), budget=FAST)
            await Runner(plan, {"toy": check}, NoLogins(), seen.append).run()
        return tuple(seen)


def end(seen: Observation) -> tuple[Status, Reason | None]:
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.status, stage.reason


@pytest.mark.parametrize(
    ("check", "told", "expected"),
    [
        (Toy, "{good}", (Status.PASS, None)),
        (Toy, "", (Status.PASS, None)),
        (Toy, "{good} {closed}", (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)),
        (Toy, "{other}", (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)),
        (Mute, "{other}", (Status.PASS, None)),
        (Toy, "nonsense", (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)),
        (Toy, "169.254.169.254:80", (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)),
        (Toy, "[::ffff:169.254.169.254]:80", (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)),
        (Toy, "[fe80::1%lo]:80", (Status.FAIL, Reason.ANNOUNCED_UNREACHABLE)),
        (NotVital, "{closed}", (Status.WARN, Reason.ANNOUNCED_UNREACHABLE)),
        (Warned, "{closed}", (Status.WARN, Reason.ALARM)),
        (Warned, "{good}", (Status.WARN, Reason.ALARM)),
    ],
)
def test_what_becomes_of_announced_addresses(
    check: type[Toy], told: str, expected: tuple[Status, Reason | None]
) -> None:
    (seen,) = asyncio.run(Town().see(check, told))
    assert end(seen) == expected


def test_the_evidence_names_each_address_and_how_it_ended() -> None:
    (seen,) = asyncio.run(Town().see(Toy, "{good} {closed} {closed}"))
    facts = seen.fact("announced")
    assert isinstance(facts, list)
    assert [f["reached"] for f in facts if isinstance(f, dict)] == [True, False]
    assert isinstance(facts[1], dict)
    assert facts[1]["reason"] == "refused"
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None
    assert stage.detail.startswith("toys are told to go to 127.0.0.1:")
    assert stage.detail.endswith("(refused); fine")


def test_an_address_is_looked_at_once_whoever_announces_it() -> None:
    town = Town()
    seen = asyncio.run(town.see(Toy, "{good} {good}", times=4))
    assert [end(s)[0] for s in seen] == [Status.PASS] * 4
    assert town.greeted == 1


def test_no_more_than_a_few_are_looked_at_and_the_list_is_bounded() -> None:
    told = " ".join(f"127.0.0.{n}:1" for n in range(2, 202))
    (seen,) = asyncio.run(Town().see(Toy, told))
    facts = seen.fact("announced")
    assert isinstance(facts, list)
    assert len(facts) == 32
    assert sum("reached" in f for f in facts if isinstance(f, dict)) == MAX_LOOKED


@pytest.mark.parametrize(
    "address", ["[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80", "[fd00:ec2::254]:80",
                "[fe80::a9fe:a9fe%1]:80", "168.63.129.16:80"],
)  # fmt: skip
def test_nobody_connects_to_where_no_server_has_a_say(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[str] = []
    connect = Stream.connect

    async def noted(host: str, port: int, deadline: float) -> Stream:
        dialled.append(host)
        return await connect(host, port, deadline)

    monkeypatch.setattr(Stream, "connect", noted)
    (seen,) = asyncio.run(Town().see(Toy, f"{{good}} {address}"))
    assert set(dialled) == {"127.0.0.1"}
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None
    assert "metadata service of a cloud" in stage.detail


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:65536", "h:x", "h:٣"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_address(text)
