"""Ports that were guessed at: where one address shows the guess right, the others must too."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Endpoint, Port
from k8sext.model.depth import limits, summary
from k8sext.model.report import BridgeReport, Report
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status
from k8sext.registry import report as report_format
from k8sext.registry import report_options
from tests.support.seen import bridge, seen

HERE = PlaceFacts(namespace="dev", vantage="pod", policies=())
PORT = Port(name="http", port=9200, protocol="elasticsearch", protocol_source="well-known port",
            fallback="http")  # fmt: skip
KAFKA = Port(name="kafka", port=9092, protocol="tcp", protocol_source="port name", product="Kafka")
ONE, TWO = "198.51.100.21", "198.51.100.22"


def probe(id: str, route: Route, host: str, protocol: str, port: Port = PORT) -> Observation:
    made = seen(id, route, f"{host}:{port.port}")
    if protocol != port.protocol:
        made = seen(id, route, f"{host}:{port.port}", Stage.CONNECT, status=Status.PASS,
                    guess=port.protocol, guess_reason="wrong_product",
                    guess_detail="HTTP answers, and not as Elasticsearch does")  # fmt: skip
    return replace(made, port=port.name, protocol=protocol)


def judged(*observations: Observation, port: Port = PORT) -> BridgeReport:
    ends = tuple(Endpoint(address=a, port=port.port, port_name=port.name) for a in (ONE, TWO))
    what = bridge(ports=(port,), endpoints=ends)
    return judge([what], observations, (), HERE).bridges[0]


def text(one: BridgeReport, form: str, **options: Any) -> str:
    report = Report(run_id="1", started="2026-11-24T02:00:00Z", duration_s=0.1, tool_version="0",
                    vantages=(), bridges=(one,))  # fmt: skip
    return str(report_format(form).render(report, report_options(**{"width": 120, **options})))


def test_all_of_them_are_something_else() -> None:
    one = judged(probe("o1", Route.NAME, "redis-svc", "http"),
                 probe("o2", Route.ENDPOINT, ONE, "http"))  # fmt: skip
    assert (one.status, one.diagnoses) == (Status.PASS, ())
    (limit,) = limits(one)
    assert limit == "http only; no elasticsearch answers (a guess by its number)"
    for form in ("table", "json", "junit"):
        assert limit in text(one, form)


@pytest.mark.parametrize("name", ["elasticsearch", "http"])
def test_one_of_two_is_another_server(name: str) -> None:
    one = judged(
        probe("o1", Route.NAME, "redis-svc", name),
        probe("o2", Route.ENDPOINT, ONE, "elasticsearch"),
        probe("o3", Route.ENDPOINT, TWO, "http"),
    )
    assert one.status is Status.FAIL
    assert TWO in one.diagnoses[0].summary
    assert one.diagnoses[0].culprit == "wrong-target"


def test_all_of_them_are_what_was_guessed() -> None:
    one = judged(probe("o1", Route.NAME, "redis-svc", "elasticsearch"),
                 probe("o2", Route.ENDPOINT, ONE, "elasticsearch"))  # fmt: skip
    assert (one.status, limits(one)) == (Status.PASS, ())


def tcp(id: str, route: Route, host: str, port: Port = KAFKA) -> Observation:
    made = seen(id, route, f"{host}:9092", Stage.CONNECT, status=Status.PASS)
    rest = (replace(s, status=Status.SKIP, reason=Reason.NOT_APPLICABLE) for s in made.stages[2:])
    return replace(made, port=port.name, protocol="tcp", stages=(*made.stages[:2], *rest))


@pytest.mark.parametrize("width", [80, 120])
def test_what_has_no_check_says_so_everywhere(width: int) -> None:
    one = judged(tcp("o1", Route.NAME, "redis-svc"), tcp("o2", Route.ENDPOINT, ONE), port=KAFKA)
    assert (one.status, one.depth) == (Status.PASS, Stage.CONNECT)
    for form in ("table", "json", "junit"):
        assert "connects; no check for Kafka" in text(one, form, width=width)
    assert "0 of 1 verified past the handshake: 1 only connected to" in text(one, "table").replace(
        "\n", " "
    )
    plain = replace(KAFKA, product="")
    one = judged(tcp("o1", Route.NAME, "redis-svc"), tcp("o2", Route.ENDPOINT, ONE), port=plain)
    assert limits(one) == ("connects; no check for this protocol",)


def run(*bridges: BridgeReport) -> Report:
    return Report(run_id="1", started="", duration_s=0, tool_version="", vantages=(),
                  bridges=bridges)  # fmt: skip


def shallow(reason: Reason = Reason.AUTH_REQUIRED) -> BridgeReport:
    made = seen("o1", Route.NAME, "redis-svc:26379", Stage.AUTH, reason, status=Status.SKIP)
    return replace(judge([bridge()], [made], (), HERE).bridges[0], status=Status.PASS)


def deep() -> BridgeReport:
    made = seen("o1", Route.NAME, "redis-svc:26379")
    return judge([bridge()], [made], (), HERE).bridges[0]


def test_the_last_line_counts_how_deep_it_went() -> None:
    assert summary(run(deep(), deep())) == ""
    assert (
        summary(run(deep(), shallow(), deep(), shallow()))
        == "2 verified by login, 2 only to the handshake (no login configured)"
    )
    none = summary(run(shallow(), shallow()))
    assert none == (
        "0 of 2 verified past the handshake: 2 only to the handshake (no login configured)"
    )
    assert summary(run()) == ""
