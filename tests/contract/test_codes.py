"""Every code that can be said has its text, and every text belongs to a code that can be said."""

import json
import re
from pathlib import Path

import pytest

from k8sext.cli import app
from k8sext.diagnose import drivers, start
from k8sext.diagnose.codes import table, texts
from k8sext.diagnose.codes.row import Row
from k8sext.lint import run as lint
from k8sext.model.words import Culprit, Reason

CODES = {r.code for r in table.all_rows()} | set(start.FIXES) | set(lint.rules())

ROOT = Path(__file__).parents[2]
RANGES = {
    1: "manifest",
    2: "names",
    3: "network",
    4: "tls",
    5: "identity",
    6: "login",
    7: "state",
    8: "callback",
    9: "run",
}


def test_codes_and_texts_are_the_same_set() -> None:
    assert set(texts.texts()) == CODES


def test_codes_that_the_vantage_says_are_known() -> None:
    used = set[str]()
    for file in (ROOT / "k8sext").rglob("*.py"):
        used |= set(re.findall(r'"(KX[2-9]\d\d)"', file.read_text(encoding="utf-8")))
    assert used <= CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_five_heads_none_empty(code: str) -> None:
    assert re.fullmatch(r"KX\d{3}", code)
    assert int(code[2]) in RANGES
    paragraphs = texts.texts()[code].paragraphs()
    assert [head for head, _ in paragraphs] == list(texts.HEADS.values())
    assert all(len(text) > 10 for _, text in paragraphs)
    assert len(texts.texts()[code].line) <= 160


@pytest.mark.parametrize("row", table.all_rows(), ids=lambda r: f"{r.code}-{r.culprit}")
def test_rows_name_a_culprit_and_a_fix(row: Row) -> None:
    assert row.culprit in Culprit
    assert row.fix.strip()


def test_what_could_not_be_tested_blames_only_the_environment() -> None:
    for row in table.all_rows():
        assert (row.code[2] == "9") == (row.culprit is Culprit.TOOL_ENVIRONMENT), row.code


def test_explain_tells_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["explain", "kx302"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("KX302  path\n")
    assert [line for line in out.splitlines() if line in texts.HEADS.values()] == list(
        texts.HEADS.values()
    )


def test_explain_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:5] for line in lines] == sorted(CODES)


def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["explain", "-o", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {d["code"] for d in data} == CODES
    assert all(len(d["text"]) == 5 for d in data)


@pytest.mark.parametrize("arguments", [["KX999"], ["-o", "yaml"]])
def test_explain_refuses_what_is_not_there(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["explain", *arguments]) == 2
    assert capsys.readouterr().err.startswith("k8sext: ")


# A driver that gets through contradicts a wire probe that ended so, and libraries have one word.
CONTRADICTED = {
    Reason.AUTH_REJECTED, Reason.AUTH_METHOD_UNSUPPORTED, Reason.HOST_NOT_ALLOWED,
    Reason.LOCKED_OUT, Reason.PROTECTED_MODE, Reason.LOOPBACK_ONLY_USER, Reason.PASSWORD_EXPIRED,
    Reason.ACCOUNT_LOCKED, Reason.DATABASE_MISSING, Reason.VHOST_MISSING,
    Reason.TOO_MANY_CONNECTIONS, Reason.SERVER_ERROR, Reason.INTERNAL_ERROR,
    Reason.HOST_NAME_UNKNOWN, Reason.SIGNED_FOR_ANOTHER_HOST,
}  # fmt: skip
# No login was sent, or no probe was made: there is nothing to compare.
NOT_COMPARED = {
    Reason.NOT_REACHED, Reason.NOT_APPLICABLE, Reason.NO_CREDENTIALS, Reason.DRIVER_MISSING,
    Reason.SECRET_MISSING, Reason.SECRET_KEY_MISSING, Reason.SECRET_FORBIDDEN, Reason.NO_CONSENT,
    Reason.CONSENT_ELSEWHERE, Reason.KEY_NOT_ALLOWED, Reason.TLS_DEMANDED,
    Reason.LOGIN_REJECTED_BEFORE, Reason.VANTAGE_UNPROVEN,
}  # fmt: skip


def test_a_new_reason_is_weighed_against_drivers() -> None:
    """Without a decision a driver that works would put the wire probe's own verdict in doubt."""
    decided = CONTRADICTED | NOT_COMPARED | set(drivers.NOT_ASKED)
    assert set(Reason) == decided.union(*drivers.FAMILIES)
