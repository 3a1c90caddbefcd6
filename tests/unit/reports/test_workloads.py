"""The workloads in every format: their verdicts, and what no verdict may say."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.doctor import saved
from k8sext.model.bridge import Port
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.report import BridgeReport, Gate, Report, verdicts
from k8sext.model.words import Culprit, Reason, Severity, Stage, Status
from k8sext.model.workload import How, Use, Workload, WorkloadView
from tests.support.sample_report import only, sample, view, with_workloads
from tests.support.seen import bridge, by_name
from tests.unit.reports.test_json import STRICT
from tests.unit.reports.test_junit import agrees, check


def render(report: Report, form: str = "table", **options: object) -> str:
    return str(registry.report(form).render(report, registry.report_options(**options)))


def statuses(report: Report) -> dict[str, Status]:
    return {v.workload.name: v.status for v in verdicts(report)}


def test_a_workload_is_as_well_as_the_worst_that_it_needs() -> None:
    assert statuses(with_workloads()) == {
        "report": Status.PASS,
        "late": Status.INCONCLUSIVE,
        "shop": Status.FAIL,
        "wrong-port": Status.FAIL,
    }


def test_a_bridge_with_a_finding_is_no_pass_for_that_workload() -> None:
    by_name = {v.workload.name: dict(v.bridges) for v in verdicts(with_workloads())}
    assert by_name["report"] == {"dev/cache-svc": Status.PASS}
    assert by_name["wrong-port"] == {"dev/cache-svc": Status.FAIL}
    assert by_name["shop"]["dev/search-svc"] is Status.WARN
    assert by_name["late"]["dev/other-svc"] is Status.SKIP  # nobody looked at it


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (Gate(), (Status.FAIL, 1)), (Gate(fail_on="never"), (Status.PASS, 3)),
        (Gate(fail_on="warn"), (Status.FAIL, 1)),
    ],
)  # fmt: skip
def test_the_gate_holds_for_workloads_too(gate: Gate, expected: tuple[Status, int]) -> None:
    report = with_workloads(gate=gate)
    assert (statuses(report)["wrong-port"], report.exit_code) == expected


def test_a_wrong_port_alone_fails_the_run() -> None:
    """No probe tells of it: the bridge itself is well."""
    well = only(sample(), Status.PASS)
    assert well.exit_code == 0
    wrong = replace(well, workloads=view(), findings=with_workloads().findings)
    assert wrong.exit_code == 1


TWO = (
    Port(name="amqp", port=5672, protocol="rabbitmq", protocol_source="port name"),
    Port(name="http", port=15672, protocol="rabbitmq-management", protocol_source="port name"),
)


def _half(*uses: int | None, because: tuple[str, ...] = ("h1/connect",), **more: Any) -> Status:
    """How a bridge looks whose second port is refused, to who uses these ports."""
    good = replace(by_name(), id="a1", port="amqp")
    bad = replace(by_name(Stage.CONNECT, Reason.REFUSED), id="h1", port="http")
    said = Diagnosis(code="KX301", severity=Severity.FAIL, culprit=Culprit.SERVER_HOST,
                     summary="refused", because=because)  # fmt: skip
    half = BridgeReport(bridge=bridge("q-svc", ports=TWO), status=Status.FAIL, depth=None,
                        observations=(good, bad), diagnoses=(said,))  # fmt: skip
    made = tuple(
        Use(bridge="dev/q-svc", how=How.NAME, container="c", where=f"args {p}", text="x", port=p)
        for p in uses
    )
    user = Workload(namespace="dev", kind="Deployment", name="shop", uses=made)
    report = sample(bridges=(half,), workloads=WorkloadView(workloads=(user,)), **more)
    return verdicts(report)[0].status


def test_a_port_that_a_workload_does_not_use_is_not_its_trouble() -> None:
    assert _half(5672) is Status.PASS
    assert _half(15672) is Status.FAIL
    assert _half(5672, 15672) is Status.FAIL


@pytest.mark.parametrize(
    ("ports", "more"),
    [
        ((None,), {}),  # nobody knows which
        ((5672, None), {}),
        ((9411,), {}),  # none of its ports
        ((5672, 9411), {}),
        ((5672,), {"because": ()}),  # of the whole bridge
        ((5672,), {"because": ("a1/auth", "h1/connect")}),
        ((5672,), {"gate": Gate(require=Stage.VERIFY)}),
    ],
)
def test_in_doubt_the_whole_bridge_counts(ports: Any, more: Any) -> None:
    assert _half(*ports, **more) is Status.FAIL


NOTE = Finding(code="KX153", severity=Severity.NOTE, object="CronJob/dev/report", summary="s",
               bridge="dev/cache-svc")  # fmt: skip


def test_a_note_changes_no_verdict() -> None:
    report = replace(with_workloads(), findings=(NOTE,))
    assert statuses(report)["report"] is Status.PASS


GATES = [
    Gate(fail_on=f, require=r) for f in ("warn", "fail", "never") for r in (None, Stage.VERIFY)
]


@pytest.mark.parametrize("gate", GATES, ids=lambda g: f"{g.fail_on}-{g.require}")
def test_junit_agrees_with_the_exit_code(gate: Gate) -> None:
    whole = with_workloads()
    for size in range(1, 5):
        for workloads in itertools.combinations(view().workloads, size):
            names = {w.ref for w in workloads}
            found = tuple(f for f in whole.findings if f.object in names)
            some = replace(view(), workloads=workloads)
            for kept in ((Status.PASS,), (Status.PASS, Status.WARN), tuple(Status)):
                report = only(whole, *kept, gate=gate)
                agrees(replace(report, workloads=some, findings=found))


def test_junit_has_a_testcase_for_each() -> None:
    root = check(render(with_workloads(), "junit"))
    suite = next(s for s in root if s.get("name") == "k8sext.workloads")
    assert [c.get("name") for c in suite] == [w.title for w in view().workloads]
    empty = check(render(sample(workloads=WorkloadView(without=2)), "junit"))
    assert [s for s in empty if s.get("name") == "k8sext.workloads"]


@pytest.mark.parametrize("view_", [None, WorkloadView(), WorkloadView(without=1), view()])
def test_json_is_valid_and_says_nothing_where_nobody_asked(view_: WorkloadView | None) -> None:
    data = json.loads(render(sample(workloads=view_), "json"))
    STRICT.validate(data)
    assert ("workloads" in data) == (view_ is not None)
    assert ("workloads" in data["basis"]) == (view_ is not None)


def test_a_saved_run_is_the_same_and_is_judged_again(tmp_path: Path) -> None:
    report = with_workloads()
    file = tmp_path / "run.json"
    file.write_text(render(report, "json"))
    read = saved.read(file)
    assert (read.workloads, read.findings) == (report.workloads, report.findings)
    assert statuses(read) == statuses(report)
    assert saved.judged_again(read).workloads == report.workloads


@pytest.mark.parametrize("form", ["table", "wide"])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_table_at_every_width(form: str, width: int) -> None:
    text = render(with_workloads(), form, width=width)
    for word in ("Deployment/shop", "cache-svc:26379", "KX150", "node1, node2", "(likely)"):
        assert word in text, word
    assert "3 more workloads use no bridge" in text
    assert ("env QUEUE_URL=redis://***@redis-svc:26379" in re.sub(r"\s+", " ", text)) == (
        form == "wide"
    )
    if width >= 80:
        for line in text.splitlines():
            assert len(line) <= width or line.lstrip().startswith("kubectl"), line


@pytest.mark.parametrize("form", ["table", "wide"])
def test_without_utf8_everything_is_ascii(form: str) -> None:
    for width in (60, 120):
        render(with_workloads(), form, width=width, unicode=False).encode("ascii")


def test_the_table_says_nothing_where_nobody_asked() -> None:
    assert "WORKLOAD" not in render(sample())
    assert "no bridge" not in render(sample(workloads=WorkloadView()))
    assert "1 workload uses no bridge" in render(sample(workloads=WorkloadView(without=1)))


def test_workloads_of_several_namespaces_are_told_apart() -> None:
    use = Use(bridge="dev/cache-svc", how=How.NAME, container="c", where="args", text="x")
    both = tuple(
        Workload(namespace=n, kind="Deployment", name="shop", uses=(use,)) for n in ("dev", "prod")
    )
    text = render(sample(workloads=WorkloadView(workloads=both)))
    assert "dev Deployment/shop" in text
    assert "prod Deployment/shop" in text
    assert "cache-svc.dev" in text
    check(render(sample(workloads=WorkloadView(workloads=both)), "junit"))
