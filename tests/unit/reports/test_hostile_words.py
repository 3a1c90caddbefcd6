"""The attack on terminals and reports: every text of a report is hostile, whoever wrote it; nothing
that cannot be seen, and nothing that a terminal or a reader obeys, comes out of any command.
"""

import json
import re
import sys
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from k8sext import registry
from k8sext.cli import console, list_command
from k8sext.model.clean import cleaned, escaped, screened
from k8sext.model.guard import guard, guarded
from k8sext.model.report import Report
from k8sext.model.secret import Secret, printable, visible
from k8sext.workloads import graph
from tests.support.sample_report import sample, with_workloads
from tests.support.seen import bridge

CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\u2800\U000e0041\U000e0100\ufe00"
LINES = "\u2028\u2029\x85"
LINK = "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\"
HOSTILE = (
    f"{LINK}\x1b[8m\x1b[2J\x9b31m{CONTROLS}{BIDI}{UNSEEN}{LINES}\udfff\ud800\ue000]]>&<!--[red]x[/]"
)
KEEP = "Größe 漢字 Ελλάδα नमस्ते 🙂 ❤️ é e\u0301"


def spoilt(value: Any) -> Any:
    """The same facts, every text of which begins with what is hostile."""
    if type(value) is str:
        return HOSTILE + value if value else value
    if is_dataclass(value) and not isinstance(value, type):
        new = {f.name: spoilt(getattr(value, f.name)) for f in fields(value) if f.init}
        return replace(value, **new)
    if isinstance(value, Mapping):
        return {spoilt(k) if type(k) is str else k: spoilt(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(spoilt(v) for v in value)
    return value


def bad(text: str) -> set[str]:
    """What may not be in an output."""
    return {
        c for c in text
        if c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
                          or c in UNSEEN)
    }  # fmt: skip


REPORTS = [sample(), with_workloads()]


@pytest.mark.parametrize("name", registry.report_names())
@pytest.mark.parametrize("report", REPORTS, ids=["plain", "workloads"])
@pytest.mark.parametrize(
    "options", [{}, {"width": 60}, {"color": True}, {"unicode": False}], ids=str
)
def test_no_format_tells_what_cannot_be_seen(name: str, report: Report, options: Any) -> None:
    made = registry.report_options(**options)
    text: str = registry.report(name).render(spoilt(report), made)
    shown = screened(text, styled=True) if made.color and name in ("table", "wide") else text
    assert "\x1b[8m" not in text  # the only style that is not ours
    shown = re.sub(r"\x1b\[[0-9;]*m", "", shown) if made.color else shown
    assert bad(shown) == set()
    text.encode("utf-8")


@pytest.mark.parametrize("report", REPORTS, ids=["plain", "workloads"])
def test_machines_read_it_all_the_same(report: Report) -> None:
    whole = spoilt(report)
    document = json.loads(registry.report("json").render(whole, registry.report_options()))
    assert document["cluster"]["context"] == whole.context  # nothing is lost
    tree = ET.fromstring(registry.report("junit").render(whole, registry.report_options()))
    assert tree.tag == "testsuites"
    plain = ET.fromstring(registry.report("junit").render(report, registry.report_options()))
    assert len(list(tree.iter("testcase"))) == len(list(plain.iter("testcase")))


def test_list_and_pictures() -> None:
    one = spoilt(bridge())
    drawn = graph.draw([one], (), None)
    for text in (
        list_command.table([one], wide=True, classes=True),
        graph.mermaid(drawn),
        graph.dot(drawn),
        json.dumps(list_command.as_json(one)),
    ):
        assert bad(text) == set()


def test_what_is_written_to_a_terminal_passes_the_net(capsys: pytest.CaptureFixture[str]) -> None:
    console.data(f"{HOSTILE}\n")
    console.say(HOSTILE)
    out, err = capsys.readouterr()
    assert bad(out) == set() == bad(err)


def test_markup_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Status:
        def update(self, text: Any) -> None:
            told.append(text)

    progress = console.Progress(quiet=False)
    progress.began, progress.live, progress.status = float("-inf"), True, Status()
    progress.phase("dev", f"[red]{HOSTILE}[link=http://evil.example]x[/link]")
    assert bad(told[0].plain) == set()
    assert not told[0].spans
    assert "[red]" in told[0].plain


def test_letters_of_all_writings_stay() -> None:
    assert visible(KEEP) == KEEP
    assert printable(KEEP) == KEEP
    assert json.loads(escaped({"a": KEEP + HOSTILE})) == {"a": KEEP + HOSTILE}
    assert KEEP in escaped({"a": KEEP})


def test_marks_do_not_cover_other_lines() -> None:
    assert len(visible("a" + "\u0301" * 500)) <= 5


def test_what_is_clean_is_not_copied() -> None:
    report = REPORTS[0]
    clean = cleaned(report)
    assert cleaned(clean) is clean


def _alone(points: range) -> Iterator[str]:
    return (chr(p) for p in points)


def test_every_character_of_unicode_is_seen_or_escaped() -> None:
    for c in _alone(range(sys.maxunicode + 1)):
        assert not bad(visible(c)), hex(ord(c))


# -- what this process has sent -------------------------------------------------------------------


def test_a_token_of_the_api_is_told_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    guard(Secret("tok-4711-abcdef"), Secret("dashboard"), Secret("short"))
    console.say("the proxy said: Authorization: Bearer tok-4711-abcdef, dashboard, short")
    told = capsys.readouterr().err
    assert "4711" not in told
    assert "dashboard, short" in told  # a word says nothing
    assert "4711" not in guarded("dG9rLTQ3MTEtYWJjZGVm tok%2D4711%2Dabcdef")
