"""The table: nothing cut, nothing hidden, nothing that a server says can move the cursor."""

import re
from dataclasses import replace

import pytest

from k8sext import registry
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.report import Report
from k8sext.model.words import Culprit, Reason, Route, Severity, Stage, Status
from tests.support.sample_report import FINDING, not_started, sample
from tests.support.seen import at, bridge, by_name, seen

ADDRESSES = re.compile(r"\[[0-9a-f:]+\]:\d+|198\.51\.100\.\d+:\d+")


def render(report: Report, form: str = "table", **options: object) -> str:
    return str(registry.report(form).render(report, registry.report_options(**options)))


def grid_of(text: str) -> str:
    return text.split("\n\n")[1]


@pytest.mark.parametrize("width", [40, 60, 80, 99, 100, 120, 200])
@pytest.mark.parametrize("form", ["table", "wide"])
def test_no_address_is_cut(form: str, width: int) -> None:
    found = set(ADDRESSES.findall(grid_of(render(sample(), form, width=width))))
    assert "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:26379" in found
    assert {f"198.51.100.{n}:26379" for n in (9, 21, 32, 41, 60, 61)} <= found


@pytest.mark.parametrize("width", [80, 120])
def test_only_commands_to_paste_may_be_wider_than_the_terminal(width: int) -> None:
    for line in render(sample(), width=width).splitlines():
        assert len(line) <= width or line.lstrip().startswith("kubectl"), line


@pytest.mark.parametrize("form", ["table", "wide"])
def test_a_version_for_which_a_line_has_no_room_stands_below(form: str) -> None:
    """Such as real ones are: `mysql 10.11.19-MariaDB-0+deb12u1 (mariadb)`."""
    version = "10.11.19-MariaDB-0+deb12u1 (mariadb)"
    probe = seen(
        "o1", Route.NAME, "redis-svc:26379", Stage.VERIFY, status=Status.PASS,
        version="10.11.19-MariaDB-0+deb12u1", product="mariadb",
    )  # fmt: skip
    first, *others = sample().bridges
    long = replace(first.bridge, service="the-article-s-database-svc")
    made = replace(first, bridge=long, observations=(probe,))
    report = replace(sample(), bridges=(made, *others))
    wide = grid_of(render(report, form, width=160))
    assert f"redis {version}" in wide
    narrow = grid_of(render(report, form, width=80))
    assert f"     {version} · redis-svc:26379" in narrow
    assert all(len(line) <= 80 for line in narrow.splitlines())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("form", ["table", "wide"])
def test_without_utf8_everything_is_ascii(form: str, width: int) -> None:
    report = replace(sample(), findings=(FINDING,))
    render(report, form, width=width, unicode=False).encode("ascii")


@pytest.mark.parametrize("color", [False, True])
def test_what_a_server_says_holds_no_control_characters(color: bool) -> None:
    text = render(sample(), color=color)
    assert "\x1b[31m'app'" not in text
    without = re.sub(r"\x1b\[[0-9;]*m", "", text) if color else text
    assert without.replace("\n", "").isprintable()


def test_colour_only_repeats_what_the_marks_say() -> None:
    coloured = re.sub(r"\x1b\[[0-9;]*m", "", render(sample(), color=True))
    plain = render(sample())
    assert [x.rstrip() for x in coloured.splitlines()] == plain.splitlines()


def test_codes_in_place_of_explanations() -> None:
    """Who reads many lines at once (`k8sext selftest`) needs the codes, not the sentences."""
    short = render(sample(), explain=False, summary=False, width=200)
    codes = {(d.code, d.culprit) for b in sample().bridges for d in b.diagnoses}
    assert codes
    assert all(f"{code} {culprit}" in grid_of(short) for code, culprit in codes)
    assert "k8sext explain" not in short
    assert "passed" not in short
    assert "exit 1" not in render(sample(), summary=False)
    assert "k8sext explain" in render(sample(), summary=False)


def test_ten_addresses_that_agree_are_one_row() -> None:
    assert render(sample()).count("search-svc") == 1
    assert "×10" in render(sample())


def test_the_order_is_the_objects_and_explanations_go_by_severity() -> None:
    text = render(sample())
    names = re.findall(r"^ [^ ] (\S+-svc)", grid_of(text), re.M)
    assert names == [b.bridge.service for b in sample().bridges]
    codes = re.findall(r"^ [^ ] \S+ {3}(KX\d+)", text, re.M)
    assert codes == ["KX302", "KX601", "KX602", "KX408", "KX923", "KX908"]


def test_the_last_line_ends_with_the_exit_code_at_the_right_edge() -> None:
    last = render(sample(), width=120).splitlines()[-1]
    assert last.endswith("exit 1")
    assert len(last) == 120


def test_a_run_that_could_not_start_says_why_and_that_nothing_was_tested() -> None:
    text = render(not_started())
    assert " ? dev   KX903   tool-environment — the pod was not admitted" in text
    assert "exceeded quota" in text
    assert text.splitlines()[-1].startswith("0 tested")
    assert text.splitlines()[-1].endswith("exit 3")


def test_findings_are_shown() -> None:
    text = render(replace(sample(), findings=(FINDING,)))
    assert "Service/dev/redis-svc   KX104   the slice's port name" in text


def test_a_long_headline_goes_on_under_its_text_and_fills_the_width() -> None:
    words = " ".join(f"word{n:02}" for n in range(60))
    report = replace(sample(), findings=(replace(FINDING, summary=words),))
    lines = render(report, width=120).splitlines()
    first = next(n for n, line in enumerate(lines) if "word00" in line)
    told = lines[first : first + 5]
    assert re.findall(r"word\d\d", " ".join(told)) == words.split()
    assert all(120 - len("word00 ") <= len(line) <= 120 for line in told[:3])


def test_a_way_back_that_fails_is_named_in_the_row_whose_stages_all_pass() -> None:
    first, *others = sample().bridges
    known = next(d for b in others for d in b.diagnoses)
    said = replace(known, code="KX805", culprit=Culprit.CALLBACK)
    wrong = replace(first, status=Status.FAIL, diagnoses=(said,))
    for width in (80, 120):
        grid = grid_of(render(replace(sample(), bridges=(wrong, *others)), width=width))
        assert grid.count("callback: KX805") == 1


def test_wide_adds_the_vantage_and_the_end_of_the_certificate() -> None:
    text = render(sample(), "wide")
    assert "pod/node2" in text
    assert "expires 2026-12-06" in text


def test_what_a_diagnosis_says_already_is_not_said_again_as_a_finding() -> None:
    first = sample().bridges[0]
    said = Diagnosis(
        code="KX101", severity=Severity.WARN, culprit=Culprit.MANIFEST, summary="has a selector"
    )
    found = Finding(
        code="KX101", severity=Severity.WARN, object=f"Service/{first.bridge.ref}",
        summary="has a selector", bridge=first.bridge.ref,
    )  # fmt: skip
    report = replace(sample(), bridges=(replace(first, diagnoses=(said,)),), findings=(found,))
    assert render(report).count("has a selector") == 1
    untold = replace(report, bridges=(replace(first, diagnoses=()),))
    assert render(untold).count("has a selector") == 1


def test_an_address_that_no_connection_is_sent_to_is_marked_so() -> None:
    what = bridge("redis-svc", "198.51.100.21", "198.51.100.22")
    ready, idle = what.endpoints
    what = replace(what, endpoints=(ready, replace(idle, ready=False)))
    dead = at("198.51.100.22", Stage.CONNECT, Reason.REFUSED, "o3")
    here = PlaceFacts(namespace="dev", vantage="pod", policies=())
    report = replace(sample(), bridges=judge([what], [by_name(), at(), dead], (), here).bridges)
    lines = render(report, width=120).splitlines()
    assert [line for line in lines if "198.51.100.22:26379 (not used)" in line]
    assert not [line for line in lines if "198.51.100.21:26379 (not used)" in line]


def test_the_letters_of_the_stages_are_explained_where_a_bridge_fails() -> None:
    failing = sample()
    healthy = replace(failing, bridges=failing.bridges[:2])
    for width in (80, 120):
        assert "C connect · T TLS" in render(failing, width=width)
        assert "C connect · T TLS" not in render(healthy, width=width)
