"""The Prometheus check against a real Prometheus on loopback."""

import contextlib
import http.server
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from k8sext.model.result import Observation
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import end_of, observe
from tests.support.ports import HOST, free_ports
from tests.support.prometheus_servers import ITSELF, Server, alertmanager, prometheus
from tests.support.redis_servers import until

WORD = "canary-4711"
HASHED = "$2b$04$abcdefghijklmnopqrstuu8uNdElapPlueyZpFN0aEKfrTYBnbu5y"  # bcrypt, cost 4
ALWAYS = {"groups": [{"name": "g", "rules": [{"alert": "Always", "expr": "vector(1)"}]}]}


def job(name: str, *ports: int, **more: Any) -> dict[str, Any]:
    return {
        "job_name": name,
        "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}],
        **more,
    }


def see(server: Server, **expect: Any) -> Observation:
    given = {"path": server.base, **expect} if server.base else expect
    return observe("prometheus", "prometheus", HOST, server.port, expect=given)


def reason(seen: Observation) -> Reason | None:
    stage = end_of(seen) or seen.stage(Stage.VERIFY)
    return stage.reason if stage else None


def said(seen: Observation) -> str:
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    return stage.detail


class _Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith("/metrics") else 404)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"shop 1\n")

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture(scope="module")
def shop() -> Iterator[int]:
    """Something with metrics."""
    with http.server.ThreadingHTTPServer((HOST, 0), _Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextlib.contextmanager
def scraped(*jobs: dict[str, Any], **more: Any) -> Generator[Server, None, None]:
    """A Prometheus that has asked every target of these jobs at least once."""
    with prometheus({"scrape_configs": [*jobs], **more.pop("config", {})}, **more) as server:
        wanted = sum(len(j["static_configs"][0]["targets"]) for j in jobs)

        def asked() -> bool:
            found = server.data("/api/v1/query?query=count(up)")["result"]
            return bool(found) and int(found[0]["value"][1]) == wanted

        until(asked, "not every target was scraped", 30)
        yield server


@pytest.fixture(scope="module")
def healthy(shop: int) -> Iterator[Server]:
    with scraped(job("shop", shop)) as server:
        yield server


def test_targets_that_are_up(healthy: Server) -> None:
    seen = see(healthy, jobs=["shop"], version=">=2.40")
    assert (seen.status, seen.depth) == (Status.PASS, Stage.VERIFY), said(seen)
    assert (seen.fact("product"), str(seen.fact("version"))[:5]) == ("prometheus", "2.42.")
    assert (seen.fact("targets"), seen.fact("targets_down")) == (1, 0)


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ({"jobs": ["till"]}, Reason.OBJECT_MISSING),
        ({"jobs": ["shop"], "targets": 2}, Reason.TARGET_DOWN),
        ({"targets": 2}, Reason.TARGET_DOWN),
        ({"targets": 1}, None),
        ({"alertmanagers": 1}, Reason.UNEXPECTED),
        ({"version": ">=3"}, Reason.UNSUPPORTED_VERSION),
        ({"path": "/prometheus"}, Reason.WRONG_PRODUCT),
    ],
)
def test_expectations(healthy: Server, expect: Any, expected: Reason | None) -> None:
    assert reason(see(healthy, **expect)) is expected


def test_targets_that_are_down_each_in_their_own_words(shop: int) -> None:
    (dead,) = free_ports(1)
    page = job("page", shop, metrics_path="/actuator", params={"token": ["canary-4711"]})
    with scraped(job("shop", shop), job("gone", dead), page) as server:
        seen = see(server)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.TARGET_DOWN)
        assert "2 of 3 targets are down" in said(seen)
        assert f"gone {HOST}:{dead} (dial tcp {HOST}:{dead}: connect: connection" in said(seen)
        assert "404 Not Found" in said(seen)
        assert "canary-4711" not in repr(seen)
        assert reason(see(server, jobs=["gone"])) is Reason.TARGET_DOWN
        assert see(server, jobs=["gone"]).status is Status.FAIL
        assert "canary-4711" not in repr(see(server, jobs=["page"]))


def test_a_job_whose_targets_are_dropped(shop: int) -> None:
    dropped = job("shop", shop, relabel_configs=[{"action": "drop", "source_labels": ["job"]}])
    with prometheus({"scrape_configs": [dropped]}) as server:
        pools = "/api/v1/scrape_pools"
        until(lambda: bool(server.data(pools)["scrapePools"]), "the job is not known", 30)
        seen = see(server, jobs=["shop"])
        assert reason(seen) is Reason.OBJECT_MISSING
        assert "its relabel_configs drop all" in said(seen)
        assert "it is not configured, or" in said(see(server, jobs=["other"]))


def test_a_configuration_that_was_refused(shop: int) -> None:
    with scraped(job("shop", shop)) as server:
        server.config.write_text("scrape_configs: [{}]")
        assert server.post("/-/reload") == 500
        seen = see(server)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.CONFIG_REFUSED)


def test_a_rule_that_cannot_be_evaluated(shop: int) -> None:
    bad = {"record": "twice", "expr": 'label_replace(up, "job", "x", "", "")'}
    rules = {"groups": [{"name": "g", "rules": [bad, {"record": "fine", "expr": "up"}]}]}
    with scraped(job("shop", shop), job("other", shop), rules=rules) as server:
        until(lambda: b'"err"' in server.get("/api/v1/rules")[1], "the rule works")
        seen = see(server)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.RULE_FAILING)
        assert "rule twice (vector" in said(seen)
        assert seen.fact("rules") == 2


def test_alerts_that_do_not_arrive() -> None:
    (dead,) = free_ports(1)
    itself = {"job_name": "itself", "static_configs": [{"targets": [ITSELF]}]}
    to = {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{dead}"]}]}]}
    config = {"scrape_configs": [itself], "alerting": to}
    with prometheus(config, "--rules.alert.resend-delay=1s", rules=ALWAYS) as server:
        grew = "/api/v1/query?query=increase(prometheus_notifications_errors_total[3m])%3E0"
        until(lambda: bool(server.data(grew)["result"]), "no error was counted", 60)
        seen = see(server, alertmanagers=1)
        assert (seen.status, reason(seen)) == (Status.WARN, Reason.NOTIFICATIONS_FAIL), said(seen)
        assert f"Alertmanager {HOST}:{dead}" in said(seen)


def test_alerts_that_arrive(shop: int) -> None:
    config = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
    with alertmanager(config) as other:
        to = {"static_configs": [{"targets": [f"{HOST}:{other.port}"]}]}
        with scraped(
            job("shop", shop), rules=ALWAYS, config={"alerting": {"alertmanagers": [to]}}
        ) as server:
            known = "/api/v1/alertmanagers"
            until(lambda: bool(server.data(known)["activeAlertmanagers"]), "not known", 30)
            seen = see(server, alertmanagers=1)
            assert seen.status is Status.PASS, said(seen)
            assert f"alerts go to {HOST}:{other.port}" in said(seen)


def test_an_agent(shop: int) -> None:
    config = {"scrape_configs": [job("shop", shop)]}
    with prometheus(config, "--enable-feature=agent") as server:
        up = '"health":"up"'
        until(lambda: up in server.get("/api/v1/targets")[1].decode(), "not scraped", 30)
        seen = see(server, jobs=["shop"])
        assert seen.status is Status.PASS, said(seen)
        assert (seen.fact("product"), seen.fact("agent")) == ("prometheus-agent", True)


def test_under_another_path(shop: int) -> None:
    with scraped(job("shop", shop), base="/monitoring") as server:
        assert see(server).status is Status.PASS
        bare = observe("prometheus", "prometheus", HOST, server.port)
        assert reason(bare) is Reason.WRONG_PRODUCT
        assert "expect.path may be /monitoring" in said(bare)


def test_a_login() -> None:
    """Basic, of its own (`--web.config.file`), which keeps bcrypt hashes."""
    with prometheus({}, users={"shop": HASHED}, login=("shop", WORD)) as server:
        good = {"username": "shop", "password": WORD}
        for login, expected in (
            (good, Reason.PASSWORD_IN_CLEAR),
            ({**good, "password": "other"}, Reason.AUTH_REJECTED),
            (None, Reason.AUTH_REQUIRED),
        ):
            seen = observe("prometheus", "prometheus", HOST, server.port, login=login)
            stage = seen.stage(Stage.AUTH)
            assert stage is not None
            assert stage.reason is expected
            assert WORD not in repr(seen)
            assert (seen.depth is Stage.VERIFY) is (login == good)


def test_an_alertmanager_is_no_prometheus() -> None:
    config = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
    with alertmanager(config) as other:
        assert reason(see(other)) is Reason.WRONG_PRODUCT
