"""The Alertmanager check against a real Alertmanager on loopback, and against stand-ins."""

import asyncio
import contextlib
import http.server
import json
import random
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from k8sext.agent.check import Seen
from k8sext.agent.fault import Fault
from k8sext.agent.wire.http import Response
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import check_class, end_of, observe, on
from tests.support.ports import HOST, free_ports
from tests.support.prometheus_servers import Server, alertmanager, prometheus
from tests.support.redis_servers import until

MODULE = PROTOCOL = "alertmanager"
SECRET = "canary-4711"
QUICKLY = {"group_wait": "1s", "group_interval": "2s", "repeat_interval": "4s"}
FAILED = "alertmanager_notification_requests_failed_total"


def config(port: int, *more: str) -> dict[str, Any]:
    """Everything goes to a web hook at a port; further receivers by name."""
    hook = {"url": f"http://{HOST}:{port}/hook?token={SECRET}"}
    receivers = [{"name": "hook", "webhook_configs": [hook]}, *({"name": name} for name in more)]
    return {"route": {"receiver": "hook", **QUICKLY}, "receivers": receivers}


def see(server: Server, **expect: Any) -> Observation:
    seen = observe(MODULE, PROTOCOL, HOST, server.port, expect=expect)
    assert SECRET not in repr(seen)
    return seen


def reason(seen: Observation) -> Reason | None:
    stage = end_of(seen) or seen.stage(Stage.VERIFY)
    return stage.reason if stage else None


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


class _Hook(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(type(self).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextlib.contextmanager
def hook() -> Generator[int, None, None]:
    with http.server.ThreadingHTTPServer((HOST, 0), _Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def alert(server: Server) -> None:
    assert server.post("/api/v2/alerts", [{"labels": {"alertname": "x"}}]) == 200


def counted(server: Server, name: str) -> float:
    lines = server.get("/metrics")[1].decode().splitlines()
    mark = f'{name}{{integration="webhook"}} '
    return float(next(line.removeprefix(mark) for line in lines if line.startswith(mark)))


@pytest.fixture(scope="module")
def healthy() -> Iterator[Server]:
    with hook() as port, alertmanager(config(port, "night")) as server:
        alert(server)
        tried = "alertmanager_notification_requests_total"
        until(lambda: counted(server, tried) > 0, "nothing was sent", 30)
        yield server


# -- the real one --------------------------------------------------------------------------------


def test_what_it_sends_arrives(healthy: Server) -> None:
    seen = see(healthy, receivers=["hook", "night"], version=">=0.20", members=1)
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY), said(seen)
    assert seen.fact("version") == "0.25.0"
    assert "receivers: hook, night" in said(seen)


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ({"receivers": ["nobody"]}, Reason.OBJECT_MISSING),
        ({"members": 2}, Reason.DEGRADED),
        ({"version": ">=1"}, Reason.UNSUPPORTED_VERSION),
        ({"path": "/alerts"}, Reason.WRONG_PRODUCT),
    ],
)
def test_expectations(healthy: Server, expect: Any, expected: Reason) -> None:
    assert reason(see(healthy, **expect)) is expected


def test_nothing_that_it_sends_arrives() -> None:
    (dead,) = free_ports(1)
    with alertmanager(config(dead)) as server:
        assert see(server).status is Status.PASS  # nothing was sent yet
        alert(server)
        until(lambda: counted(server, FAILED) > 0, "nothing has failed", 30)
        seen = see(server)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.NOTIFICATIONS_FAIL)
        assert "sends by webhook" in said(seen)


def test_a_configuration_that_was_refused() -> None:
    (dead,) = free_ports(1)
    with alertmanager(config(dead)) as server:
        server.config.write_text("route: {receiver: nobody}")
        assert server.post("/-/reload") == 500
        seen = see(server)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.CONFIG_REFUSED)


def test_members_of_a_cluster() -> None:
    (dead, mesh) = free_ports(2)
    quick = ("--cluster.settle-timeout=1s", f"--cluster.listen-address={HOST}:{mesh}")
    with alertmanager(config(dead), *quick) as server:
        until(lambda: b'"ready"' in server.get("/api/v2/status")[1], "not settled", 30)
        assert (seen := see(server, members=1)).status is Status.PASS
        assert "1 members" in said(seen)
        assert reason(see(server, members=2)) is Reason.DEGRADED


def test_a_prometheus_is_no_alertmanager() -> None:
    with prometheus({}) as other:
        assert reason(see(other)) is Reason.WRONG_PRODUCT


# -- counters ------------------------------------------------------------------------------------


def metrics(**counts: tuple[int, int]) -> str:
    lines = ["# TYPE x counter", "alertmanager_config_last_reload_successful 1"]
    for name, (tried, failed) in counts.items():
        labels = f'{{integration="{name}"}}'
        lines.append(f"alertmanager_notification_requests_total{labels} {tried}")
        lines.append(f"{FAILED}{labels} {failed}")
    return "\n".join(lines) + "\n"


def verified(*bodies: str, status: Any = None, **expect: Any) -> Seen | Fault:
    """The verify step, where these metrics are told one after the other."""
    told = iter(bodies)
    given = {"cluster": {"status": "disabled"}, "versionInfo": {"version": "0.25.0"}}
    replies: dict[str, Callable[[], str]] = {
        "/api/v2/status": lambda: json.dumps(status or given),
        "/api/v2/receivers": lambda: '[{"name": "hook"}]',
        "/-/ready": lambda: "OK",
        "/metrics": lambda: next(told, bodies[-1]),
    }

    async def get(path: str, headers: Any = None) -> Response:
        return Response(200, "OK", {}, replies[path]().encode())

    async def run() -> Seen | Fault:
        check: Any = on(MODULE, PROTOCOL, b"", expect=expect)
        check.http = SimpleNamespace(kept=True)
        check.get = get
        try:
            check.recognise(await get("/api/v2/status"))
            found: Seen = await check.verify()
            return found
        except Fault as fault:
            return fault

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("first", "second", "lost"),
    [
        ({"webhook": (0, 0)}, {}, False),
        ({"webhook": (9, 0), "email": (5, 0)}, {}, False),
        ({"webhook": (9, 9)}, {}, True),  # none has ever succeeded
        ({"webhook": (9, 3)}, {"webhook": (9, 3)}, False),  # long ago
        ({"webhook": (9, 3)}, {"webhook": (11, 3)}, False),  # it works again
        ({"webhook": (9, 3)}, {"webhook": (11, 4)}, False),  # some of it arrives
        ({"webhook": (9, 3)}, {"webhook": (11, 5)}, True),  # fails now
        ({"webhook": (9, 3), "email": (2, 2)}, {"webhook": (9, 3), "email": (2, 2)}, True),
    ],
)
def test_counters(first: Any, second: Any, lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module(), "LOOK_AGAIN_S", 0)
    found = verified(metrics(**first), metrics(**(second or first)))
    assert isinstance(found, Seen)
    assert (found.warning is Reason.NOTIFICATIONS_FAIL) is lost


def module() -> Any:
    return sys.modules[check_class(MODULE, PROTOCOL).__module__]


def test_receivers_are_told_apart_where_the_metrics_do() -> None:
    lines = [
        'alertmanager_notification_requests_total{integration="webhook",receiver_name="day"} 4',
        'alertmanager_notification_requests_total{integration="webhook",receiver_name="night"} 2',
        f'{FAILED}{{integration="webhook",receiver_name="day"}} 0',
        f'{FAILED}{{integration="webhook",receiver_name="night"}} 2',
    ]
    found = verified("\n".join(lines))
    assert isinstance(found, Seen)
    assert "sends by webhook to night" in found.detail


@pytest.mark.parametrize("seed", range(40))
def test_any_metrics_are_no_defect_of_ours(seed: int) -> None:
    rng = random.Random(seed)
    parts = [FAILED, "alertmanager_notification_requests_total", "{", "}", 'integration="', '"',
             " 1", " NaN", " 1e999", "\n", "\x1b", "é", ","]  # fmt: skip
    text = "".join(rng.choice(parts) for _ in range(400))
    found = verified(text, text)
    assert isinstance(found, Seen)
    json.dumps(dict(found.evidence), allow_nan=False)


@pytest.mark.parametrize(
    "status", [[1], {"cluster": []}, {"cluster": {"status": 1}, "versionInfo": {"version": []}}]
)
def test_another_answer_is_another_product(status: Any) -> None:
    found = verified("", status=status)
    assert isinstance(found, Fault)
    assert found.reason is Reason.WRONG_PRODUCT
