"""Cases are read, and what is wrong with one is told with its place."""

import re
from pathlib import Path

import pytest

from tests.gym import actions, case, verdict
from tests.gym.__main__ import CASES, main
from tests.gym.reader import CaseError

GOOD = """title: t
source: s
servers: {cache: {role: redis}}
bridges: [{name: cache-svc, to: cache}]
fault: [{stop: cache}]
expect: {code: KX301, culprit: server-host}
"""


def refusal(text: str) -> str:
    with pytest.raises(CaseError) as caught:
        case.of_text(text, "some-case.yaml")
    return str(caught.value)


def test_a_case_is_read() -> None:
    read = case.of_text(GOOD, "some-case.yaml")
    assert (read.id, read.bridge, read.expected) == (
        "some-case",
        "cache-svc",
        "KX301 server-host",
    )
    assert not read.control


def test_without_a_fault_it_is_a_control() -> None:
    text = GOOD.replace("fault: [{stop: cache}]\n", "").replace(
        "{code: KX301, culprit: server-host}", "{status: pass}"
    )
    read = case.of_text(text)
    assert read.control
    assert read.expected == "pass"


def test_several_answers_may_be_right_and_doctor_may_be_run_more_than_once() -> None:
    text = GOOD.replace("code: KX301, culprit: server-host", "code: [KX302, KX307], culprit: path")
    read = case.of_text("times: 3\n" + text)
    assert (read.codes, read.expected) == (("KX302", "KX307"), "KX302/KX307 path")
    assert [look.number for look in read.looks] == [1, 2, 3]


def test_a_run_for_each_node_that_has_a_verdict_of_its_own() -> None:
    nodes = "nodes: {node1: {}, node2: {status: pass}}, "
    read = case.of_text(GOOD.replace("expect: {", "expect: {" + nodes))
    assert [look.node for look in read.looks] == ["node1", "node2"]
    one, two = (verdict.of(verdict.on_node(read.expect, n), control=False) for n in nodes_of(read))
    assert (one.words, two.words) == ("KX301 server-host", "pass")


def nodes_of(read: case.Case) -> list[str]:
    return [look.node for look in read.looks]


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ("title: t", "titles: t", "1:1", "did you mean title"),
        ("role: redis", "role: redsi", "3:25", "a role is one of"),
        ("role: redis", "role: redis, hba: []", "3:37", "redis has no such option"),
        ("role: redis", "role: redis, rolle: x", "3:32", "did you mean role"),
        ("role: redis", "role: redis, password: 7", "3:42", "must be boolean"),
        ("to: cache", "to: caches", "4:33", "no server of this case"),
        ("to: cache", "too: cache", "4:29", "did you mean to"),
        ("stop: cache", "stops: cache", "5:10", "did you mean stop"),
        ("stop: cache", "stop: other", "5:16", "there is no server other"),
        ("stop: cache", "stop: cache, freeze: cache", "5:9", "exactly one key"),
        ("stop: cache", "firewall: {server: cache, action: burn}", "5:44", "it may be drop"),
        ("culprit: server-host", "culprit: somebody", "6:32", "it may be manifest"),
        (", culprit: server-host", "", "6:9", "needs `code` and `culprit`"),
        ("expect: {", "expect: {bridge: x, ", "6:18", "there is no bridge x"),
        ("expect: {", "expect: {bridges: {x: {status: fail}}, ", "6:23", "there is no bridge x"),
        ("expect: {", "expect: {nodes: {node7: {}}, ", "6:25", "there is no node node7"),
        ("expect: {", "expect: {nodes: {node1: {code: KX302}}, ", "6:25", "go together"),
        ("culprit: server-host", "culprit: [path, somebody]", "6:39", "it may be manifest"),
        ("title: t", "title: t\nkind: Z9", "2:7", "it may be A1"),
        ("stop: cache", "later: {seconds: 1, do: [{stop: other}]}", "5:42", "no server other"),
        ("stop: cache", "later: {seconds: 1, do: [{delete: {}}]}", "5:35", "nothing that can be"),
        ("source: s\n", "", "1:1", "source is missing"),
        ("source: s", "source: [", "4:1", "this is not YAML"),
        ("title: t", "title: t\ntitle: u", "2:1", "written twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    before: str, after: str, place: str, words: str
) -> None:
    assert before in GOOD
    said = refusal(GOOD.replace(before, after, 1))
    assert said.startswith(f"some-case.yaml:{place}:"), said
    assert words in said


def test_two_cases_with_one_id(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("id: a\n" + GOOD)
    with pytest.raises(CaseError, match=r"b\.yaml:1:1: id a is also that of .*a\.yaml"):
        case.load(tmp_path)


def test_a_folder_without_cases(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="there is no case"):
        case.load(tmp_path)
    with pytest.raises(CaseError, match="there is no such folder"):
        case.load(tmp_path / "nowhere")


def test_the_command_says_where_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    assert main(["--cases", str(tmp_path), "--check"]) == 0
    assert "1 cases can be read" in capsys.readouterr().out
    with pytest.raises(CaseError, match="there is no case b"):
        main(["--cases", str(tmp_path), "--only", "b"])


def test_our_own_cases_can_be_read_and_say_where_they_are_from() -> None:
    cases = case.load(CASES)
    assert all(c.source and c.title for c in cases)
    assert len({c.id for c in cases}) == len(cases)


@pytest.mark.parametrize(("number", "lent"), [(99, False), (100, True), (250, True), (251, False)])
def test_no_address_that_servers_of_other_cases_get(number: int, lent: bool) -> None:
    text = GOOD + f"notes: nobody is at 198.51.100.{number}\n"
    if not lent:
        assert case.of_text(text).id
        return
    with pytest.raises(CaseError, match=r"notes.*lent to servers"):
        case.of_text(text)


def test_the_readme_tells_every_word_of_the_format() -> None:
    text = (CASES.parent / "README.md").read_text()
    schema = case.schema()["keys"]
    words = {
        *schema,
        *case.BRIDGE["keys"],
        *verdict.EXPECT["keys"],
        *actions.TABLE,
        *case.TLS["keys"],
        *schema["servers"]["values"]["keys"],
    }
    for action in actions.TABLE.values():
        words |= set(action.schema.get("keys", {}))
    told = set(re.findall(r"[A-Za-z_]+", text))
    assert words <= told, words - told
