"""JUnit: well-formed whatever servers say, valid for Jenkins, and never at odds with the exit code.

`check` holds the rules of Jenkins' junit-10.xsd (xunit-plugin) that can be broken from here.
"""

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import junitparser
import pytest

from k8sext import registry
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.report import Gate, Report
from k8sext.model.words import Culprit, Severity, Stage, Status
from tests.support.sample_report import FINDING, not_started, only, sample, vantage

SUITE = {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id",
         "package", "file", "log", "url"}  # fmt: skip
CHILDREN = {"failure", "error", "skipped", "system-out", "system-err", "rerunFailure"}
SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def render(report: Report) -> str:
    return str(registry.report("junit").render(report, registry.report_options()))


def check(text: str) -> ET.Element:
    """Parse and apply the rules; returns the root."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    assert set(root.attrib) <= {"name", "time", "tests", "failures", "errors"}
    assert len(root) >= 1
    for suite in root:
        _check_suite(suite)
    names = [(c.get("classname"), c.get("name")) for c in root.iter("testcase")]
    assert len(names) == len(set(names))
    return root


def _check_suite(suite: ET.Element) -> None:
    assert suite.tag == "testsuite"
    assert {"name", "tests", "failures", "errors"} <= set(suite.attrib) <= SUITE
    assert SECONDS.fullmatch(suite.attrib["time"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    cases = list(suite)
    assert {c.tag for c in cases} == {"testcase"}
    assert int(suite.attrib["tests"]) == len(cases)
    for word, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{word}"))
    for case in cases:
        _check_case(case)


def _check_case(case: ET.Element) -> None:
    assert set(case.attrib) <= {"name", "time", "classname", "group"}
    assert SECONDS.fullmatch(case.attrib["time"])
    assert {c.tag for c in case} <= CHILDREN
    for bad in (*case.findall("failure"), *case.findall("error")):
        assert bad.get("type")
        # GitLab shows the text and not the message, so the text begins with it.
        assert bad.get("message")
        assert (bad.text or "").startswith(bad.attrib["message"])


def agrees(report: Report) -> None:
    root = check(render(report))
    failures, errors = root.findall(".//failure"), root.findall(".//error")
    code = report.exit_code
    assert (code == 1) == bool(failures)
    assert (code == 3) == (not failures and bool(errors))


STATUSES = [
    s for n in range(1, 6) for s in itertools.combinations(Status, n)
]  # every mix of bridges
GATES = [
    Gate(fail_on=f, require=r)
    for f in ("warn", "fail", "never")
    for r in (None, Stage.CONNECT, Stage.AUTH, Stage.VERIFY)
]


@pytest.mark.parametrize("gate", GATES, ids=lambda g: f"{g.fail_on}-{g.require}")
def test_agrees_with_the_exit_code_whatever_the_gate(gate: Gate) -> None:
    report = sample()
    assert {b.status for b in report.bridges} == set(Status)
    for statuses in STATUSES:
        agrees(only(report, *statuses, gate=gate))


@pytest.mark.parametrize("fail_on", ["warn", "fail", "never"])
@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("statuses", [(Status.PASS,), (Status.FAIL,), (Status.INCONCLUSIVE,)])
def test_agrees_with_what_lies_above_all_bridges(
    fail_on: str, severity: Severity, statuses: tuple[Status, ...]
) -> None:
    said = Diagnosis(
        code="KX203", severity=severity, culprit=Culprit.CLUSTER_DNS, summary="DNS is silent"
    )
    report = only(sample(), *statuses, gate=Gate(fail_on=fail_on))
    agrees(replace(report, vantages=(vantage(diagnoses=(said,)),)))


@pytest.mark.parametrize("fail_on", ["warn", "fail", "never"])
def test_agrees_with_findings(fail_on: str) -> None:
    report = only(sample(), Status.PASS, gate=Gate(fail_on=fail_on))
    agrees(replace(report, findings=(FINDING, FINDING)))


def test_a_probe_that_failed_is_never_written_as_a_pass_of_an_untested_bridge() -> None:
    report = sample()
    failed = next(b for b in report.bridges if b.bridge.service == "redis-svc")
    untested = replace(failed, status=Status.INCONCLUSIVE, diagnoses=())
    root = check(render(replace(report, bridges=(untested,))))
    assert len(root.findall(".//error")) == len(failed.observations)
    assert {e.get("type") for e in root.iter("error")} == {"timed_out"}


def test_the_type_is_the_code_and_the_text_has_the_fix() -> None:
    root = check(render(sample()))
    failures = {f.get("type"): f.text or "" for f in root.iter("failure")}
    assert set(failures) == {"KX302", "KX601"}
    assert "allow TCP 26379" in failures["KX302"]


def test_names_tell_vantage_node_route_target_and_protocol() -> None:
    root = check(render(sample()))
    case = next(c for c in root.iter("testcase") if c.get("classname") == "k8sext.dev.redis-svc")
    assert case.get("name") == "pod/node2 name redis-svc:26379 redis"


def test_a_run_that_could_not_start_is_one_error() -> None:
    root = check(render(not_started()))
    assert [e.get("type") for e in root.iter("error")] == ["KX903"]
    assert len(list(root.iter("testcase"))) == 1


def test_nothing_to_check_is_a_document_all_the_same() -> None:
    check(render(sample(bridges=(), vantages=())))


def test_junitparser_reads_it() -> None:
    read = junitparser.JUnitXml.fromstring(render(sample()).encode())
    assert sum(suite.failures or 0 for suite in read) == 4
    assert sum(suite.errors or 0 for suite in read) == 2


def test_two_pods_of_one_namespace_are_one_suite() -> None:
    lost = not_started().vantages[0]
    root = check(render(sample(vantages=(lost, lost))))
    names = [s.get("name") for s in root]
    assert names.count("k8sext.dev.vantage") == 1


# -- through the eyes of a reader: junitparser --------------------------------------------------

GOLDEN = Path(__file__).parents[2] / "golden" / "junit.xml"
REPORTS = {
    "sample": sample(),
    "findings": sample(findings=(FINDING,)),
    "not started": not_started(),
    "nothing": sample(bridges=(), vantages=()),
    "gate": sample(gate=Gate(fail_on="warn", require=Stage.VERIFY)),
    "never": sample(gate=Gate(fail_on="never")),
}


def suites(text: str) -> list[junitparser.TestSuite]:
    """Suites as a reader sees them; none lies inside another."""
    read = junitparser.JUnitXml.fromstring(text.encode())
    assert isinstance(read, junitparser.JUnitXml)
    found = list(read)
    anything: list[Any] = list(found)
    assert not [inner for suite in anything for inner in suite.testsuites()]
    return found


def told(case: junitparser.TestCase) -> list[tuple[str, str | None, str | None]]:
    """(kind, type, message) of a case's results."""
    return [(type(r).__name__, r.type, r.message) for r in case.result]


def test_the_golden_file_obeys_jenkins() -> None:
    root = check(GOLDEN.read_text(encoding="utf-8"))
    assert not list(root.iter("properties"))
    assert all(set(s) for s in suites(GOLDEN.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_reader_counts_what_the_file_says(name: str) -> None:
    """junitparser counts the cases itself when it is asked to: the same numbers come out."""
    report = REPORTS[name]
    check(render(report))
    read: list[Any] = list(suites(render(report)))
    for suite in read:
        said = (suite.tests, suite.failures, suite.errors, suite.skipped)
        seconds = suite.time
        suite.update_statistics()
        assert said == (suite.tests, suite.failures, suite.errors, suite.skipped)
        assert seconds == pytest.approx(suite.time, abs=0.001 * (suite.tests + 1))


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_case_has_one_result_at_most_and_a_class(name: str) -> None:
    """Readers take the first of several, GitLab drops a name that was there before."""
    cases = [c for s in suites(render(REPORTS[name])) for c in s]
    assert all(isinstance(c, junitparser.TestCase) for c in cases)
    assert all(len(told(c)) <= 1 for c in cases)
    assert all(c.classname and c.classname.startswith("k8sext") for c in cases)
    keys = [(c.classname, c.name) for c in cases]
    assert len(keys) == len(set(keys))


def test_a_reader_finds_every_status() -> None:
    results = {
        (kind, code) for s in suites(render(sample())) for c in s for kind, code, _ in told(c)
    }
    assert {kind for kind, _ in results} == {"Failure", "Error", "Skipped"}
    assert {code for kind, code in results if kind == "Failure"} == {"KX302", "KX601"}


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_there_is_always_a_case(name: str) -> None:
    """Jenkins fails a build whose report has none, unless it is told to allow that."""
    assert sum(len(list(s)) for s in suites(render(REPORTS[name]))) >= 1


@pytest.mark.parametrize("seconds", [0.0, 1e-5, 1e-9, 12345.6789])
def test_times_are_plain_decimals(seconds: float) -> None:
    """No exponent, no sign: Jenkins' pattern for a suite's time."""
    for element in check(render(replace(sample(), duration_s=seconds))).iter():
        if "time" in element.attrib:
            assert SECONDS.fullmatch(element.attrib["time"])


def test_every_character_that_xml_forbids_is_kept_out() -> None:
    every = "".join(map(chr, range(0x20))) + "\x7f\x85\ud800\udfff\ufffe\uffff]]><&\"'"
    report = sample()
    first = report.bridges[0]
    said = Diagnosis(
        code="KX601", severity=Severity.FAIL, culprit=Culprit.CREDENTIALS, summary=every, fix=every
    )
    bad = replace(first, status=Status.FAIL, diagnoses=(said,))
    text = render(replace(report, bridges=(bad,)))
    check(text)
    forbidden = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
    assert not forbidden.search(text)
    assert suites(text)


# -- what lint rules found of a bridge -------------------------------------------------------------

ABOUT = Finding(
    code="KX101", severity=Severity.WARN, object="Service/dev/redis-svc",
    summary="the Service has a selector", fix="remove it", bridge="dev/redis-svc",
)  # fmt: skip


def lint_case(severity: Severity, status: Status, fail_on: str = "fail") -> ET.Element:
    cause = Diagnosis(code="KX101", severity=severity, culprit=Culprit.MANIFEST, summary="x")
    whole = sample()
    first = replace(whole.bridges[0], status=status, diagnoses=(cause,))
    found = replace(ABOUT, bridge=first.bridge.ref)
    report = replace(
        whole, bridges=(first,), findings=(found,), gate=Gate(fail_on=fail_on), vantages=()
    )
    root = check(render(report))
    assert [s.get("name") for s in root] == [
        f"k8sext.{first.bridge.namespace}.{first.bridge.service}"
    ]
    (case,) = [c for c in root.iter("testcase") if c.get("name") == "lint"]
    return case


def test_a_finding_of_a_bridge_stands_in_its_suite() -> None:
    case = lint_case(Severity.WARN, Status.WARN)
    assert [c.tag for c in case] == ["system-out"]
    assert "KX101: the Service has a selector" in (case[0].text or "")


@pytest.mark.parametrize(
    ("severity", "status", "fail_on", "tags"),
    [
        (Severity.FAIL, Status.FAIL, "fail", ["failure"]),
        (Severity.FAIL, Status.FAIL, "never", ["system-out"]),
        (Severity.WARN, Status.WARN, "warn", ["failure"]),
        (Severity.WARN, Status.FAIL, "fail", ["system-out"]),
    ],
)
def test_it_fails_there_where_it_is_the_cause_or_the_gate_says_so(
    severity: Severity, status: Status, fail_on: str, tags: list[str]
) -> None:
    assert [c.tag for c in lint_case(severity, status, fail_on)] == tags
