"""Nothing is sent through a pod that is not proven to be the relay that our Job made."""

import asyncio
import itertools
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from k8sext.agent.login.credentials import NoLogins
from k8sext.errors import K8sextError
from k8sext.model.words import Reason
from k8sext.vantage import follow as following
from k8sext.vantage import listen, relay
from k8sext.vantage.follow import PodRun
from k8sext.vantage.relay import Look
from k8sext.vantage.through import Through
from tests.support.probe_pods import job_of, manifest_of, pod_of, records
from tests.unit.vantage.test_claims import (
    Cluster,
    Later,
    code,
    injected,
    labelled,
    mirrored,
    restarted,
)
from tests.unit.vantage.test_pod import PLAN

RELAYED = replace(PLAN, vantage="relay", modules=("redis",))
JOB = job_of(RELAYED)
MANIFEST = manifest_of(RELAYED)
HELLO, READY = records("hello", "ready", port=40123)
NAME = "k8sext-r1-0-x"


class Listening:
    """A tunnel whose other end writes down what it gets, and never answers."""

    ANSWER_S = 0.05

    def __init__(self) -> None:
        self.words, self.got, self.closed = "", b"", False

    async def send(self, data: bytes) -> None:
        self.got += data

    async def receive(self) -> bytes:
        await asyncio.sleep(self.ANSWER_S)
        return b""

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "LOG_POLL_S", 0.02)
    monkeypatch.setattr(listen, "RETRY_S", 0.02)
    monkeypatch.setattr(following, "ANOTHER_S", 0.3)


class Dialler:
    """Whatever opens port-forwards: which pods were asked for, what they were sent.

    `then` is done as soon as a tunnel has been opened.
    """

    def __init__(self, then: Any = lambda: None) -> None:
        self.then = then
        self.tunnels: list[tuple[str, Listening]] = []

    async def __call__(self, name: str, port: int) -> Any:
        self.tunnels.append((name, Listening()))
        self.then()
        return self.tunnels[-1][1]


def look(api: Cluster, dial: Dialler, seconds: float = 2.0) -> PodRun:
    api.made = JOB
    wanted = Look(plan=RELAYED, logins=NoLogins(), dial=dial)
    return relay.run(api, wanted, MANIFEST, seconds, lambda _: None, threading.Event())


def relay_pod(change: Any = lambda _pod: None, uid: str = "pod-0") -> dict[str, Any]:
    made = pod_of(JOB, uid=uid)
    change(made)
    return made


def test_the_relay_itself_is_spoken_to() -> None:
    """What the tests below compare with: with our own pod there, something is sent."""
    dial = Dialler()
    ran = look(Cluster(relay_pod(), r1=[[HELLO, READY]] * 99), dial)
    assert dial.tunnels[0][0] == NAME
    assert b'"op"' in dial.tunnels[0][1].got
    assert code(ran) == "KX913"  # it does not answer


@pytest.mark.parametrize(
    "pod",
    [labelled(), relay_pod(mirrored, "evil"), relay_pod(injected, "evil")],
    ids=["label only", "forged image", "forged sidecar"],
)
def test_no_tunnel_is_opened_to_a_pod_that_is_not_proven(pod: Any) -> None:
    dial = Dialler()
    api = Cluster(pod, nginx=[[HELLO, READY]] * 99, r1=[[HELLO, READY]] * 99)
    ran = look(api, dial, seconds=1.0)
    assert dial.tunnels == []
    assert code(ran) in ("KX906", "KX927")


@pytest.mark.parametrize(
    "now",
    [relay_pod(uid="evil"), relay_pod(mirrored), relay_pod(restarted), None],
    ids=["deleted and made again", "image patched", "container started anew", "gone"],
)
def test_nothing_is_sent_where_the_pod_was_replaced_before_the_tunnel_was_open(now: Any) -> None:
    api = Cluster(relay_pod(), r1=[[HELLO, READY]] * 99)
    dial = Dialler(lambda: api.now.update({NAME: now}))
    ran = look(api, dial)
    assert dial.tunnels
    assert all(tunnel.got == b"" and tunnel.closed for _, tunnel in dial.tunnels)
    assert code(ran) in ("KX913", "KX928")
    seen = [r["observation"] for r in ran.records if "observation" in r]
    assert not {s["status"] for o in seen for s in o["stages"]} & {"pass", "warn", "fail"}


def test_where_nobody_says_whose_the_pod_is_nothing_is_sent() -> None:
    async def run() -> None:
        def unknown() -> str:
            raise K8sextError("HTTP 500", exit_code=3)

        dial = Dialler()
        sight = relay.Sight(unknown)
        network = Through(lambda: relay.proven(dial, sight, NAME, 40123))
        way = await network.way()
        with pytest.raises(Exception, match="HTTP 500") as found:
            await way.resolve("redis-svc", asyncio.get_running_loop().time() + 1)
        assert getattr(found.value, "reason", None) is Reason.VANTAGE_UNPROVEN
        (tunnel,) = (t for _, t in dial.tunnels)
        assert (tunnel.got, tunnel.closed) == (b"", True)

    asyncio.run(run())


def test_what_a_replaced_relay_let_through_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The watch tells of it while checks are under way."""
    monkeypatch.setattr(Listening, "ANSWER_S", 2.0)
    api = Later(relay_pod(), relay_pod(mirrored), r1=[[HELLO, READY]] * 99)
    ran = look(api, Dialler(api.heard.set))
    assert (code(ran), ran.records) == ("KX928", [])


def test_each_tunnel_is_followed_by_a_sight_that_began_after_it_was_open() -> None:
    """Many tunnels at once share sights, and none takes one that was under way already."""
    clock = itertools.count()
    sights: list[int] = []

    def doubt() -> str:
        sights.append(next(clock))
        time.sleep(0.05)
        return ""

    async def one(sight: relay.Sight) -> tuple[int, int]:
        opened = next(clock)
        await sight.doubt()
        return opened, len(sights)

    async def run() -> None:
        sight = relay.Sight(doubt)
        first = asyncio.create_task(one(sight))
        await asyncio.sleep(0.02)  # the first sight is under way
        done = await asyncio.gather(first, *(one(sight) for _ in range(20)))
        assert all(any(at > opened for at in sights[:seen]) for opened, seen in done)
        assert len(sights) == 2

    asyncio.run(run())
