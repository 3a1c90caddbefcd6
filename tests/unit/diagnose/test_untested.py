"""What nobody looked at is said in a sentence, and is no pass."""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.codes import rows_untested
from k8sext.diagnose.codes.row import Row
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.diagnosis import NOT_TESTED
from k8sext.model.report import BridgeReport, Gate, Report, gated, not_deep_enough
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Stage, Status
from k8sext.registry import report as report_format
from k8sext.registry import report_options
from tests.support.seen import ADDRESS, PORT, at, bridge, by_name, name_alone, seen

HERE = PlaceFacts(namespace="dev", vantage="pod", policies=())
LOCAL = replace(HERE, vantage="local")
UDP = Port(name="syslog", port=514, protocol="tcp", protocol_source="fallback", transport="UDP")
ENDS = (Endpoint(address=ADDRESS, port=514, port_name="syslog"),)
GUESS = Port(name="", port=9200, protocol="elasticsearch", protocol_source="service name",
             guessed=True)  # fmt: skip


def judged(
    what: Bridge, observations: Sequence[Observation], context: PlaceFacts = HERE
) -> BridgeReport:
    return judge([what], observations, (), context).bridges[0]


def outside(*ports: Port, **more: Any) -> Bridge:
    base: dict[str, Any] = {"kind": Kind.EXTERNAL_NAME, "external_name": "db.example.com",
                            "endpoints": (), "cluster_ips": ()}  # fmt: skip
    return bridge(ports=ports, **{**base, **more})


def codes(report: BridgeReport) -> list[str]:
    return [d.code for d in report.diagnoses]


def guess_probe(ended: Stage, reason: Reason, **more: Any) -> Observation:
    made = seen("o1", Route.NAME, "redis-svc:9200", ended, reason, **more)
    return replace(made, port="9200", protocol="elasticsearch")


UNTESTED: dict[str, tuple[Bridge, list[Observation], str]] = {
    "udp": (bridge(ports=(UDP,), endpoints=ENDS), [name_alone()], "KX922"),
    "sctp": (bridge(ports=(replace(UDP, transport="SCTP"),), endpoints=ENDS), [name_alone()],
             "KX922"),
    "no port": (outside(), [name_alone()], "KX923"),
    "headless without a port": (
        bridge(kind=Kind.HEADLESS, ports=(), cluster_ips=()), [name_alone()], "KX923"),
    "guess refused": (outside(GUESS), [guess_probe(Stage.CONNECT, Reason.REFUSED)], "KX924"),
    "guess silent": (outside(GUESS), [guess_probe(Stage.CONNECT, Reason.TIMED_OUT)], "KX924"),
    "guess answered by another": (
        outside(GUESS), [guess_probe(Stage.HANDSHAKE, Reason.WRONG_PROTOCOL)], "KX924"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(UNTESTED))
def test_nothing_tested_is_a_skip_with_its_reason(case: str) -> None:
    what, probes, code = UNTESTED[case]
    report = judged(what, probes)
    assert codes(report) == [code]
    assert report.status is Status.SKIP
    assert report.skipped == report.diagnoses[0].summary
    assert report.diagnoses[0].fix


def test_how_to_tell_us_is_a_command_that_leaves_the_port_to_who_knows_it() -> None:
    (said,) = judged(outside(GUESS), [guess_probe(Stage.CONNECT, Reason.REFUSED)]).diagnoses
    assert "annotate service -n dev redis-svc --overwrite k8sext.io/ports=PORT/" in said.fix
    assert "a guess (from the Service's name)" in said.summary


def test_from_here_a_service_without_addresses_cannot_be_tested() -> None:
    report = judged(bridge(endpoints=()), [], LOCAL)
    assert (report.status, codes(report)) == (Status.SKIP, ["KX925"])


@pytest.mark.parametrize(
    ("what", "reason", "code"),
    [
        (outside(), Reason.NAME_NOT_FOUND, "KX201"),
        (outside(), Reason.NAME_NO_ADDRESS, "KX202"),
        (outside(), Reason.DNS_SERVER_FAILURE, "KX205"),
        (outside(replace(UDP, port=53)), Reason.NAME_NOT_FOUND, "KX201"),
    ],
)
def test_a_name_that_leads_nowhere_fails(what: Bridge, reason: Reason, code: str) -> None:
    report = judged(what, [name_alone(reason=reason)])
    assert (report.status, codes(report)[0]) == (Status.FAIL, code)
    assert ":0" not in report.diagnoses[0].summary


def test_a_name_that_leads_nowhere_fails_at_a_guessed_port_too() -> None:
    report = judged(outside(GUESS), [guess_probe(Stage.RESOLVE, Reason.NAME_NOT_FOUND)])
    assert (report.status, codes(report)) == (Status.FAIL, ["KX201"])


def test_a_guess_that_is_right_is_judged_as_any_port() -> None:
    login = guess_probe(Stage.AUTH, Reason.AUTH_REJECTED)
    assert codes(judged(outside(GUESS), [login])) == ["KX601"]
    full = guess_probe(Stage.HANDSHAKE, Reason.TOO_MANY_CONNECTIONS)
    assert codes(judged(outside(GUESS), [full])) == ["KX704"]
    good = replace(seen("o1", Route.NAME, "redis-svc:9200"), port="9200")
    assert judged(outside(GUESS), [good]).status is Status.PASS


def test_a_guess_that_we_had_no_time_for_is_not_tested() -> None:
    late = guess_probe(Stage.CONNECT, Reason.OUT_OF_TIME, status=Status.INCONCLUSIVE)
    report = judged(outside(GUESS), [late])
    assert (report.status, codes(report)) == (Status.INCONCLUSIVE, ["KX908"])


def test_a_lost_record_of_a_name_is_no_skip() -> None:
    assert codes(judged(outside(), [])) == ["KX907"]


def test_beside_a_port_that_passes_the_other_is_noted() -> None:
    report = judged(bridge(ports=(PORT, UDP)), [by_name(), at()])
    assert (report.status, codes(report), report.skipped) == (Status.PASS, ["KX922"], "")


def test_beside_a_port_that_fails_the_failure_comes_first() -> None:
    down = [by_name(Stage.CONNECT, Reason.REFUSED), at(ended=Stage.CONNECT, reason=Reason.REFUSED)]
    report = judged(bridge(ports=(PORT, UDP)), down)
    assert (report.status, codes(report)) == (Status.FAIL, ["KX301", "KX922"])


# -- gates and formats ----------------------------------------------------------------------------


def run(*bridges: BridgeReport, **gate: Any) -> Report:
    return Report(run_id="1", started="2026-11-24T02:00:00Z", duration_s=0.1, tool_version="0",
                  vantages=(), bridges=bridges, gate=Gate(**gate))  # fmt: skip


def text(report: Report, form: str, width: int = 120) -> str:
    return str(report_format(form).render(report, report_options(width=width)))


SKIPPED = judged(outside(), [name_alone()])
PASSED = judged(bridge(), [by_name(), at()])
MIXED = judged(bridge(ports=(PORT, UDP)), [by_name(), at()])


def test_where_nothing_was_tested_the_exit_code_is_5() -> None:
    assert run(SKIPPED).exit_code == 5
    assert run(SKIPPED, allow_empty=True).exit_code == 0
    assert run(SKIPPED, PASSED).exit_code == 0
    assert "nothing was tested (--allow-empty accepts that)" in text(run(SKIPPED), "table")


@pytest.mark.parametrize("one", [SKIPPED, MIXED], ids=["nothing", "a port of two"])
@pytest.mark.parametrize("form", ["table", "junit"])
def test_require_fails_what_was_not_tested_with_a_sentence(one: BridgeReport, form: str) -> None:
    report = run(one, require=Stage.CONNECT)
    assert (gated(report, one), report.exit_code) == (Status.FAIL, 1)
    assert one.diagnoses[0].summary in not_deep_enough(report, one)
    assert "--require connect wants more" in text(report, form).replace("\n     ", " ")


def test_what_is_ignored_on_purpose_meets_the_gate() -> None:
    what = replace(bridge(ports=(PORT, UDP)), ignore=(("KX922", "known"),))
    one = judged(what, [by_name(), at()])
    assert gated(run(one, require=Stage.VERIFY), one) is Status.PASS


def test_junit_has_a_skipped_case_with_the_reason() -> None:
    for one in (SKIPPED, MIXED):
        written = text(run(one), "junit")
        assert "<skipped message=" in written
        assert one.diagnoses[0].summary.split(":")[0] in written
    assert "<failure" not in text(run(MIXED), "junit")


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_has_a_row_for_what_was_not_tested(width: int) -> None:
    lines = text(run(MIXED), "table", width).splitlines()
    assert next(x.split()[:3] for x in lines if x.strip().startswith("·")) == [
        "·",
        "redis-svc",
        "udp",
    ]
    assert any("UDP is not tested" in x for x in lines)
    assert all(len(x) <= width for x in lines if "see" not in x)


def test_every_code_that_says_so_has_few_words_for_the_table() -> None:
    grid: Any = importlib.import_module("k8sext.reports._grid")
    assert tuple(grid.NOT_TESTED) == NOT_TESTED
    assert {r.code for r in vars(rows_untested).values() if isinstance(r, Row)} == set(NOT_TESTED)
