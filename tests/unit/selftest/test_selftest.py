"""`k8sext selftest`: right on every Python, and able to say that it is not."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rich

from k8sext import registry
from k8sext.cli import app
from k8sext.diagnose.codes import rows_reach
from k8sext.model.words import Reason, Status
from k8sext.selftest import run as selftest
from k8sext.selftest import servers
from k8sext.selftest.case import SelftestCase, Verdict
from k8sext.selftest.cases import CASES, WRONG_PASSWORD
from k8sext.selftest.servers import ESCAPES, Peer, ServerPort, opened
from k8sext.selftest.speakers import RedisTalk
from tests.support.pythons import find

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def outcome() -> selftest.SelftestOutcome:
    """One run of everything."""
    return selftest.run()


def case(name: str) -> SelftestCase:
    return next(c for c in CASES if c.id == name)


def only(monkeypatch: pytest.MonkeyPatch, cases: Sequence[SelftestCase]) -> None:
    """The command looks at these alone."""
    monkeypatch.setattr(selftest, "run", functools.partial(selftest.run, cases))


def test_every_verdict_is_right(outcome: selftest.SelftestOutcome) -> None:
    assert [(c.id, c.expected, c.got) for c in outcome.wrong] == []
    assert outcome.exit_code == 0
    everything = len(outcome.checked)
    assert outcome.summary.startswith(f"{everything} of {everything} verdicts right")
    assert {c.id for c in CASES} < {c.id for c in outcome.checked}


def test_what_is_covered() -> None:
    assert len({c.id for c in CASES}) == len(CASES) >= 40
    spoken = {c.protocol for c in CASES}
    five = {"postgresql", "mysql", "redis", "rabbitmq", "elasticsearch"}
    plain = five | {"http", "https", "tcp"}
    assert spoken >= plain
    everywhere = {"refused", "silent", "resets", "closes", "garbage", "greets-otherwise"}
    everyone = {"good", "wrong-password", "no-login", "floods", "drips", "control-characters"}
    for protocol in spoken:
        there = {c.id.partition("-")[2] for c in CASES if c.protocol == protocol}
        # What speaks HTTP is broken in the same ways as `http`, by the same code.
        assert (everywhere if protocol in plain else {"good", "another-product"}) <= there, protocol
        if protocol in five:
            assert everyone | {"tls-good"} <= there, protocol
            assert any(name.startswith("announces-") for name in there), protocol
    kinds = {c.id.removeprefix("https-tls-") for c in CASES if c.id.startswith("https-tls-")}
    assert {"good", "expired", "not-yet", "ending", "wrong-name", "unknown-ca"} <= kinds


def test_nothing_ended_for_want_of_time_or_by_a_defect(outcome: selftest.SelftestOutcome) -> None:
    """Each hang ends by its own stage's deadline, none by that of the whole run."""
    stages = [s for b in outcome.report.bridges for o in b.observations for s in o.stages]
    assert not {Reason.OUT_OF_TIME, Reason.INTERNAL_ERROR} & {s.reason for s in stages}
    assert not any(b.status is Status.INCONCLUSIVE for b in outcome.report.bridges)


@pytest.mark.parametrize("form", registry.report_names())
@pytest.mark.parametrize("options", [{}, {"color": True}, {"unicode": False}, {"width": 80}])
def test_no_control_character_in_any_format(
    outcome: selftest.SelftestOutcome, form: str, options: dict[str, object]
) -> None:
    told = registry.report(form).render(outcome.report, registry.report_options(**options))
    if options.get("color"):
        told = re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert told.replace("\n", "").isprintable()
    assert "out of paper" in told  # the words themselves are there
    assert not any(c in told for c in ESCAPES if not c.isprintable())


def test_what_controls_a_terminal_would_be_noticed(
    outcome: selftest.SelftestOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaky:
        @staticmethod
        def render(_report: object, _options: object) -> str:
            return f"{ESCAPES} correct-horse-4711"

    monkeypatch.setattr(registry, "report", lambda _name: Leaky)
    told = {c.id: c.got for c in selftest.formats(outcome.report)}
    assert set(told.values()) == {"control characters, a password"}


def test_a_defect_of_ours_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of the diagnosis that says another thing is a wrong verdict."""
    monkeypatch.setitem(rows_reach.PATHS, Reason.REFUSED, rows_reach.PATHS[Reason.TIMED_OUT])
    found = selftest.run([case("redis-refused"), case("redis-silent")])
    assert [(c.id, c.got) for c in found.wrong] == [("redis-refused", "fail KX302 path")]
    assert found.exit_code == 1


def test_a_false_ok_is_noticed() -> None:
    """A server that takes the wrong password, where the case says that it must not."""
    gullible = replace(case("redis-wrong-password"), talk=RedisTalk(password=WRONG_PASSWORD))
    (wrong,) = selftest.run([gullible]).wrong
    told = ("fail KX601 credentials", "warn KX609 tls to verify")
    assert (wrong.expected, wrong.got) == told


def test_what_is_right_at_the_second_look_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that was busy at the first."""
    first: list[Peer] = []

    async def late(peer: Peer) -> None:
        first.append(peer)
        await (servers.silent if len(first) == 1 else servers.closes)(peer)

    monkeypatch.setattr(selftest, "ANSWERING", selftest.WAITING)
    found = selftest.run([replace(case("redis-closes"), talk=late)])
    assert (found.exit_code, found.again) == (0, 1)
    assert len(first) >= 2
    assert " (1 of them at a second look), in " in found.summary
    assert found.document()["summary"]["second_look"] == 1


# -- the command ---------------------------------------------------------------------------------


def test_a_wrong_verdict_is_told_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = case("tcp-silent")
    only(monkeypatch, [good, replace(case("redis-refused"), want=Verdict(Status.PASS))])
    assert app.run(["selftest"]) == 1
    out = capsys.readouterr().out
    assert "wrong: redis-refused\n  expected  pass\n  got       fail KX301 server-host\n" in out
    total = 2 + len(registry.report_names()) + 1
    assert f"{total - 1} of {total} verdicts right" in out
    assert "wrong: tcp-silent" not in out


def test_the_table_is_doctors_without_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, [case("redis-refused")])
    assert app.run(["selftest"]) == 0
    short = capsys.readouterr().out
    assert re.search(r"✖ redis-refused  redis .* – ✖ · · · · .* KX301 server-host\n", short)
    assert "why" not in short
    assert app.run(["selftest", "-v"]) == 0
    explained = capsys.readouterr().out
    assert "see   k8sext explain KX301" in explained
    assert "exit 1" not in short + explained
    assert app.run(["selftest", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(case("tcp-closes"), want=Verdict(Status.WARN))
    only(monkeypatch, [case("tcp-refused"), wrong])
    assert app.run(["selftest", "-o", "json"]) == 1
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["schema"] == "k8sext.selftest/v1"
    first, second, *rest = told["cases"]
    assert first == {
        "id": "tcp-refused", "expected": "fail KX301 server-host",
        "got": "fail KX301 server-host", "ok": True, "seconds": first["seconds"],
    }  # fmt: skip
    assert (second["expected"], second["got"], second["ok"]) == (
        "warn", "fail KX311 server-config", False,
    )  # fmt: skip
    assert all(c["ok"] for c in rest)
    assert told["summary"]["cases"] == len(told["cases"]) == told["summary"]["right"] + 1


def test_another_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["selftest", "-o", "junit"]) == 2
    assert "not one of table, json" in capsys.readouterr().err


def test_a_loopback_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(servers, "HOST", "192.0.2.1")
    only(monkeypatch, [case("tcp-silent")])
    assert app.run(["selftest"]) == 3
    assert "cannot serve on 127.0.0.1" in capsys.readouterr().err


# -- stand-ins -----------------------------------------------------------------------------------


def test_a_stand_in_that_breaks_is_told() -> None:
    async def breaks(_peer: Peer) -> None:
        raise KeyError("a defect")

    broken = replace(case("tcp-silent"), id="broken", talk=breaks, want=Verdict(Status.PASS))
    told = {c.id: c for c in selftest.run([broken]).checked}
    assert not told["stand-ins"].ok
    assert "KeyError" in told["stand-ins"].got


def test_nothing_is_left_behind() -> None:
    with opened([ServerPort(talk=servers.silent), ServerPort(talk=None)]) as doors:
        assert len(set(doors.ports)) == 2
        assert "stand-ins" in {t.name for t in threading.enumerate()}
    assert "stand-ins" not in {t.name for t in threading.enumerate()}


# -- elsewhere -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel lays it out, for Pythons that ours is not installed for."""
    folder = tmp_path_factory.mktemp("installed")
    ignored = shutil.ignore_patterns("__pycache__")
    for source, target in (
        ("k8sext", "k8sext"),
        ("checks", "k8sext/checks"),
        ("reports", "k8sext/reports"),
    ):
        shutil.copytree(ROOT / source, folder / target, ignore=ignored)
    return folder


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_same_on_the_lowest_and_the_highest_python(version: str, installed: Path) -> None:
    python = find(version)
    if not python:
        pytest.skip(f"no Python {version} on this machine")
    libraries = Path(rich.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{libraries}"}
    argv = [python, "-W", "error", "-m", "k8sext", "selftest", "-o", "json"]
    done = subprocess.run(argv, cwd=installed, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert [c for c in told["cases"] if not c["ok"]] == []
    assert done.returncode == 0


def test_no_cluster_is_asked_and_no_driver_is_loaded() -> None:
    code = (
        "import sys; from k8sext.selftest.run import run;"
        "from k8sext.selftest.cases import CASES; run(CASES[:3]);"
        "bad = {'kubernetes', 'typer', 'psycopg', 'pika', 'redis'} & set(sys.modules);"
        "assert not bad, bad"
    )
    env = {**os.environ, "KUBECONFIG": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
