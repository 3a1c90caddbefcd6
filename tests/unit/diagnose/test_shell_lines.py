"""The attack on lines to paste: every placeholder of every template is filled with values that
would run something, and what is printed is run in a shell that records.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from k8sext.diagnose import mending, saying, start
from k8sext.diagnose.case import Case, PlaceFacts
from k8sext.diagnose.codes import table
from k8sext.lint import run as lint
from k8sext.model import shell
from k8sext.model.lint import Subject
from k8sext.model.words import Reason, Route, Stage
from tests.support.sandbox import lines_of, pasted
from tests.support.seen import bridge, seen
from tests.unit.rules import (
    test_object_rules,
    test_pod_rules,
    test_secret_newer_than_pods,
    test_workload_rules,
)

PLAIN = "zqx"
HOSTILE = (
    "$(touch owned)`touch owned`", "a;touch owned", "a\ntouch owned", "-rf", "--kubeconfig=/x",
    "a'\"$(touch owned)\"'b", "~root/*", "{a,b}?[a-z]*", "a b\\", "$HOME${IFS}!!", "#a", "=kubectl",
    "a>owned<x|(touch owned)&", "Größe漢字", "a\u202eb\u200b", "\x1b[2J\r\x7f", "%s",
)  # fmt: skip
# What the code makes of whole commands itself is tested below; these are words of ours.
OURS = {
    "annotate": "annotate", "port_index": "0", "make_ready": "kubectl version", "advice": "",
    "lead_anew": "kubectl version", "where": "in the file", "ca": "kubectl version",
    "service_base64": "cmVkaXM=", "tls_key": "k8sext.io/tls", "tls_mode": "require", "port": "6379",
    "cure": "do it", "hinted": "", "service_port": "6379", "seen_as": "",
}  # fmt: skip


def expected(plain: Sequence[Sequence[str]], value: str) -> list[re.Pattern[str]]:
    """Every argv, with the value in the place of the plain one, or a word in capitals for it."""
    inside = json.dumps(value)[1:-1].replace("'", "\\u0027")  # of a string in JSON
    nested = shell.part(value)  # for the shell that a line starts in a pod
    known = "|".join(map(re.escape, (value, inside, nested)))
    there = f"(?:{known}{'' if shell.is_fit(value) else '|[A-Z-]+'})"
    return [
        re.compile("\0".join(there.join(_literally(part) for part in a.split(PLAIN)) for a in argv))
        for argv in plain
    ]


def _literally(part: str) -> str:
    """`NAME-ca` is one word: where NAME cannot be written, none of it is."""
    return re.sub(r"\\-(ca|1)", r"(?:-\1)?", re.escape(part))


def compare(made: Callable[[str], Sequence[str]], value: str, folder: Path) -> None:
    """The texts that `made` gives of a value run the same commands as those of a plain one."""
    plain = [line for text in made(PLAIN) for line in lines_of(text)]
    lines = [line for text in made(value) for line in lines_of(text)]
    assert len(lines) == len(plain), list(zip(plain, lines, strict=False))
    each = list(dict.fromkeys(zip(plain, lines, strict=True)))
    wanted = [argv for line, _ in each for argv in _argvs(line)]
    ran = pasted([line for _, line in each], folder)
    assert len(ran) == len(wanted), lines
    for argv, pattern in zip(ran, expected(wanted, value), strict=True):
        assert pattern.fullmatch("\0".join(argv)), (argv, pattern.pattern)


def _argvs(line: str) -> list[list[str]]:
    """What a plain line runs."""
    parts = re.split(r" && ", line)
    return [shlex.split(part) for part in parts]


class Facts(dict[str, str]):
    """Any placeholder has the value."""

    def __init__(self, value: str) -> None:
        super().__init__(OURS)
        self.value = value

    def __missing__(self, key: str) -> str:
        return self.value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]


def of_rows(value: str) -> list[str]:
    facts: Mapping[str, str] = Facts(value)
    said = [shell.filled(row.fix, facts) for row in table.all_rows()]
    fixes = {
        *start.FIXES.values(),
        *(fix for known in start.BY_WORDS.values() for _, fix in known),
    }
    return [*said, *(shell.filled(fix, facts) for fix in sorted(fixes))]


def of_commands(value: str) -> list[str]:
    """Where a value can be no argument, there is no command."""
    made = [saying.command_of(row, Facts(value)) for row in table.all_rows() if row.command]
    return made if shell.is_fit(value) else []


def of_a_bridge(value: str) -> list[str]:
    """Lines that are put together for one bridge."""
    one = replace(bridge(value), namespace=value)
    case = Case(one, one.ports[0], None, None, (), PlaceFacts(namespace=value, vantage="pod"))
    host = value.replace(":", "")
    texts = [mending.facts(case, "")["ca"]]
    for stage, reason in (
        (Stage.RESOLVE, Reason.NAME_NOT_FOUND),
        (Stage.CONNECT, Reason.TIMED_OUT),
    ):
        probe = seen("o1", Route.ENDPOINT, f"{host}:26379", stage, reason, service=value)
        ended = probe.ended_by
        assert ended
        said = saying.say_by_reason(case, {}, ended, probe)
        texts += [said.see] if said else []
    return texts


@pytest.mark.parametrize("value", HOSTILE)
def test_templates_of_diagnoses(value: str, tmp_path: Path) -> None:
    compare(of_rows, value, tmp_path)


@pytest.mark.parametrize("value", HOSTILE)
def test_commands_that_mend(value: str, tmp_path: Path) -> None:
    if shell.is_fit(value):
        compare(of_commands, value, tmp_path)
    else:
        named = [r for r in table.all_rows() if "{service!q}" in r.command]
        assert {saying.command_of(r, Facts(value)) for r in named} == {""}


@pytest.mark.parametrize("value", HOSTILE)
def test_lines_about_a_bridge(value: str, tmp_path: Path) -> None:
    compare(of_a_bridge, value, tmp_path)


def test_the_sandbox_notices(tmp_path: Path) -> None:
    """The test itself: without quotes it must fail."""
    with pytest.raises(AssertionError):
        compare(lambda v: [f"see: kubectl get service -n {v} a"], "$(touch owned)", tmp_path)


# -- rules ----------------------------------------------------------------------------------------


def spoilt(value: Any, name: str) -> Any:
    """The same facts with every name of an object replaced."""
    if type(value) is str:
        for known in ("redis-svc", "orders-db-auth", "orders-db", "shop", "dev", "prod"):
            value = value.replace(known, name)
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: spoilt(getattr(value, f.name), name) for f in fields(value) if f.init}
        )
    if isinstance(value, Mapping):
        return {k: spoilt(v, name) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(spoilt(v, name) for v in value)
    return value


@functools.cache
def of_rules(name: str) -> list[str]:
    """What the rules say of all data of their own tests, spoilt."""
    told: list[str] = []

    def judged(subject: Subject) -> Sequence[Any]:
        for code, rule in sorted(lint.rules().items()):
            told.extend(f.fix for f in rule.judge(spoilt(subject, name)) if f.code == code)
        return real(subject)

    real = lint.findings
    hooked = pytest.MonkeyPatch()
    hooked.setattr(lint, "findings", judged)
    try:
        for made in (m for _, _, m in test_object_rules.BAD):
            made()
        for module in (test_pod_rules, test_workload_rules, test_secret_newer_than_pods):
            _run_its_tests(module)
    finally:
        hooked.undo()
    return list(dict.fromkeys(told))


def _run_its_tests(module: ModuleType) -> None:
    for word, test in vars(module).items():
        if word.startswith("test_") and not inspect.signature(test).parameters:
            try:
                test()
            except (AssertionError, ValueError, IndexError):
                continue  # it looks at findings, and gets none


@pytest.mark.parametrize("value", HOSTILE)
def test_rules(value: str, tmp_path: Path) -> None:
    compare(of_rules, value, tmp_path)


def test_all_rules_that_print_a_command_were_heard() -> None:
    told = " ".join(of_rules(PLAIN))
    for words in ("rollout restart", "kubectl patch deployment", "credentials=", "label service",
                  "delete endpointslice", "k8sext doctor", "--type=merge", "label "
                  "endpointslice"):  # fmt: skip
        assert words in told, words


# -- what is plain stays plain --------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["redis-svc", "198.51.100.21:6379", "[2001:db8::1]:80", "a.b/c=d", "k8sext.io/tls", "v1.2+3"],
)
def test_healthy_lines_stay_readable(value: str) -> None:
    if "[" in value:
        assert shell.word(value) == f"'{value}'"  # it is a pattern
    else:
        assert shell.word(value) == value
        assert shell.line("kubectl", "get", value) == f"kubectl get {value}"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_word_is_one_argument(value: str) -> None:
    assert shlex.split(shell.word(value, "NAME")) in ([value], ["NAME"])
