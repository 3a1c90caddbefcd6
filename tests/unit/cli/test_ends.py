"""However a run ends, the report that was asked for is there, and one sentence says why."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as until_done
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.cli import app, console
from k8sext.doctor import running as doctor
from k8sext.vantage import interrupt
from tests.support.api_server import exec_user, kubeconfig, plugin, runs, write
from tests.support.standins import http, serving

Capture = pytest.CaptureFixture[str]
SECRET = "canary-of-an-exception"


@pytest.fixture
def argv(tmp_path: Path) -> Iterator[list[str]]:
    """A run from this machine that passes."""
    file = tmp_path / "bridges.yaml"
    with serving(http({"/": (200, {})})) as port:
        file.write_text(
            "apiVersion: k8sext.io/v1\nkind: Bridges\nbridges:\n"
            f"- {{name: a, protocol: http, to: [127.0.0.1], ports: [{{port: {port}}}]}}\n"
        )
        yield ["doctor", "--from", "local", "-f", str(file)]


def broken(*_: Any, **_more: Any) -> Any:
    raise ZeroDivisionError(SECRET)


def stopped(*_: Any, **_more: Any) -> Any:
    raise KeyboardInterrupt


ENDS = [(broken, 3, "KX910"), (stopped, 130, "KX916")]


@pytest.mark.parametrize(("end", "code", "said"), ENDS, ids=["defect", "interrupted"])
@pytest.mark.parametrize("where", ["probe", "selected"])
def test_whatever_ends_it_the_reports_are_written(
    end: Any,
    code: int,
    said: str,
    where: str,
    argv: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setattr(doctor, where, end)
    junit, saved = tmp_path / "j.xml", tmp_path / "r.json"
    asked = ["--junit", str(junit), "--output-file", f"json={saved}"]
    assert app.run([*argv, *asked]) == code
    out, err = capsys.readouterr()
    report = json.loads(saved.read_text())
    assert [d["code"] for v in report["vantages"] for d in v["diagnoses"]] == [said]
    assert report["run"]["exit_code"] == code
    text = junit.read_text()
    assert (text.count("<error"), text.count("<failure")) == (1, 0)
    assert said in text and said in out
    assert SECRET not in text + saved.read_text() + out + err
    assert "Traceback" not in err


def test_debug_shows_the_traceback_and_still_writes(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(doctor, "probe", broken)
    junit = tmp_path / "j.xml"
    assert app.run([*argv, "--junit", str(junit), "--debug"]) == 3
    assert "KX910" in junit.read_text()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_format_that_cannot_be_rendered_says_so_and_the_others_are_whole(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    module = registry.report("junit")
    whole = module.render

    def render(report: Any, options: Any) -> str:
        return str(whole(report, options) if not report.bridges else broken())

    monkeypatch.setattr(module, "render", render)
    junit = tmp_path / "j.xml"
    assert app.run([*argv, "-o", "json", "--junit", str(junit)]) == 3
    assert "KX910" in junit.read_text()
    assert json.loads(capsys.readouterr().out)["summary"]["pass"] == 1


def places(folder: Path) -> dict[str, str]:
    (folder / "file").write_text("")
    (folder / "folder").mkdir()
    return {
        "a file in place of its folder": str(folder / "file" / "j.xml"),
        "a folder in its place": str(folder / "folder"),
        "a full disk": "/dev/full",
        "a device that is none": "/proc/nothing/j.xml",
        "a name too long": str(folder / ("x" * 300)),
    }


KINDS = (
    "a file in place of its folder", "a folder in its place", "a full disk",
    "a device that is none", "a name too long",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_that_cannot_be_written_is_one_sentence_and_the_others_are_written(
    kind: str, argv: list[str], tmp_path: Path, capsys: Capture
) -> None:
    saved = tmp_path / "r.json"
    asked = ["--junit", places(tmp_path)[kind], "--output-file", f"json={saved}", "-o", "table"]
    assert app.run([*argv, *asked]) == 2
    out, err = capsys.readouterr()
    said = [line for line in err.splitlines() if line.startswith("k8sext: ")]
    assert len(said) == 1 and "the report cannot be written" in said[0], err
    assert "Traceback" not in err
    assert json.loads(saved.read_text())["summary"]["pass"] == 1
    assert "pass" in out.lower() or out


def test_half_a_report_is_not_left_behind(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    junit = tmp_path / "j.xml"

    def full(self: Path, text: str, **_: Any) -> int:
        self.write_bytes(text[:10].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert app.run([*argv, "--junit", str(junit)]) == 2
    assert not junit.exists()


# -- streams that are full, closed or narrow ----------------------------------------------------


def shell(line: str, argv: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    command = " ".join([sys.executable, "-m", "k8sext", *argv])
    environment = {**os.environ, **more}
    return subprocess.run(
        ["bash", "-c", line.replace("K8SEXT", command)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("K8SEXT > /dev/full", 2, "No space left on device"),
        ("K8SEXT >&-", 0, ""),
        ("K8SEXT 2>&- > /dev/null", 0, ""),
        ("K8SEXT 2> /dev/full > /dev/null", 0, ""),
        ("K8SEXT | true; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)
def test_streams_that_take_nothing(argv: list[str], line: str, code: int, said: str) -> None:
    ran = shell(line, argv)
    assert "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr
    assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr


def test_a_stream_that_knows_no_such_character(argv: list[str]) -> None:
    ran = shell("K8SEXT", [*argv, "-n", "dev"], PYTHONIOENCODING="ascii")
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr


def test_a_table_for_whoever_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

        def fileno(self) -> int:
            raise OSError

    monkeypatch.setattr(sys, "stdout", Gone())
    console.data("x")


# -- Ctrl-C -------------------------------------------------------------------------------------


@contextmanager
def hung(kind: str) -> Generator[tuple[int, threading.Event]]:
    """A server that takes connections and holds whoever has made one; and whether one has."""
    over, held = threading.Event(), threading.Event()

    def serve(made: socket.socket) -> None:
        with made:
            if kind == "drips":
                made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{")
            while not over.wait(0.2):
                if kind == "drips":
                    made.sendall(b" ")

    def accept(server: socket.socket) -> None:
        while not over.is_set():
            try:
                made, _ = server.accept()
            except OSError:
                return
            held.set()
            threading.Thread(target=serve, args=(made,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        try:
            yield server.getsockname()[1], held
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


# What a name server that is silent does to getaddrinfo: nothing interrupts it.
NO_DNS = "import socket,time; socket.getaddrinfo=lambda *a,**k: time.sleep(60)\n"


@pytest.mark.parametrize("command", ["list", "doctor"])
@pytest.mark.parametrize("kind", ["silent", "silent TLS", "drips", "DNS", "plug-in"])
def test_ctrl_c_ends_it_within_a_second_whatever_the_api_does(
    command: str, kind: str, tmp_path: Path
) -> None:
    with hung(kind) as (port, held):
        scheme = "https" if kind == "silent TLS" else "http"
        host = "api.example.com" if kind == "DNS" else "127.0.0.1"
        user = exec_user(plugin(tmp_path, "exec sleep 30")) if kind == "plug-in" else {}
        scheme = "https" if kind == "plug-in" else scheme
        file = write(tmp_path, kubeconfig(f"{scheme}://{host}:{port}", user=user))
        code = (NO_DNS if kind == "DNS" else "") + "from k8sext.__main__ import main; main()"
        argv = [sys.executable, "-c", code, command, "--kubeconfig", str(file), "-n", "dev"]
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        until = time.monotonic() + (5 if kind == "DNS" else 20)
        while time.monotonic() < until and not held.is_set() and not runs(tmp_path):
            time.sleep(0.05)
        time.sleep(0.5)  # it has begun, and hangs
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        took = time.monotonic() - began
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert took < 2.0, took  # one second, on a machine that does nothing else
    assert command == "list" or "KX916" in out


class Hanging:
    """An API whose deletions take their time."""

    slowest_s = 0.0

    def __init__(self) -> None:
        self.within = 0.0

    def hurry(self, seconds: float) -> None:
        self.within = seconds


def test_a_job_that_is_not_deleted_in_time_is_told_with_its_command(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api, began = Hanging(), time.monotonic()
    interrupt.wait([Future()], api, {("ab12", "dev")})
    assert time.monotonic() - began < 1.5
    assert 0 < api.within <= 1
    assert "kubectl delete job -n dev k8sext-ab12" in caplog.text


def test_a_job_that_is_deleted_in_time_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    under_way, run = {("ab12", "dev")}, Future[None]()

    def delete() -> None:
        time.sleep(0.2)
        under_way.clear()
        run.set_result(None)

    threading.Thread(target=delete).start()
    interrupt.wait([run], Hanging(), under_way)
    assert caplog.text == ""


def test_a_slow_api_server_gets_more_time_and_a_second_ctrl_c_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert interrupt.patience(0.01) == interrupt.LEAST_S
    assert interrupt.patience(1.0) == 4.0
    assert interrupt.patience(60.0) == interrupt.MOST_S
    real, calls = until_done, [0]

    def again(futures: Any, left: float) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise KeyboardInterrupt
        return real(futures, left)

    monkeypatch.setattr(interrupt, "until_done", again)
    api, began = Hanging(), time.monotonic()
    api.slowest_s = 60.0
    interrupt.wait([Future()], api, set())
    assert time.monotonic() - began < 2
