"""JUnit: well-formed whatever servers say, valid for Jenkins, and never at odds with the exit code.

`check` holds the rules of Jenkins' junit-10.xsd (xunit-plugin) that can be broken from here.
"""

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import junitparser
import pytest

from k8sext import registry
from k8sext.model.diagnosis import Diagnosis
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
    read = junitparser.JUnitXml.fromstring(render(sample()))
    assert sum(suite.failures or 0 for suite in read) == 4
    assert sum(suite.errors or 0 for suite in read) == 2


def test_two_pods_of_one_namespace_are_one_suite() -> None:
    lost = not_started().vantages[0]
    root = check(render(sample(vantages=(lost, lost))))
    names = [s.get("name") for s in root]
    assert names.count("k8sext.dev.vantage") == 1
