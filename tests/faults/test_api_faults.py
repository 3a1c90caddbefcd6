"""Everything that an API server, a proxy or the network between can say, to a run of `doctor`.

Each kind is tried twice. Once and then healthy: the run passes as if nothing had happened. Every
time: the right verdict, in one sentence, within the deadlines. The pod is the real agent.
"""

import json
import os
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app, doctor_run
from k8sext.kube import deadline, retry
from k8sext.vantage import created, listen, watching
from k8sext.vantage import follow as following
from tests.faults import damage as kinds
from tests.faults.damage import Damage
from tests.faults.server import SERVING, FaultServer
from tests.faults.world import World, with_names
from tests.support.api_server import kubeconfig, write
from tests.support.standins import http, serving

# Threads that a run leaves behind, on purpose, may still hold a socket when a test ends; what they
# raise is another warning, and an error.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
NEEDED = ("services", "endpointslices", "endpoints")
WISHED = ("nodes", "pods", "namespace", "version", "apis")
SOME = (
    *kinds.REFUSALS[:2],
    *kinds.LOST[:4],
    *kinds.BODIES[:4],
    *kinds.ITEMS[:5],
    *kinds.ITEMS[8:11],
)
FEW = (kinds.REFUSALS[1], kinds.REFUSALS[15], *kinds.LOST[:3], *kinds.BODIES[:3], kinds.ITEMS[3])
TABLE: tuple[tuple[str, Damage], ...] = (
    *(("services", d) for d in (*kinds.WHOLE, *kinds.ITEMS, *kinds.HARMLESS)),
    *(("endpointslices", d) for d in (*SOME, *kinds.ITEMS[22:24])),
    *(("endpoints", d) for d in (*SOME, kinds.ITEMS[24])),
    *((where, d) for where in WISHED for d in FEW),
    *(("review", d) for d in (*SOME, *kinds.HARMLESS[:3])),
    *(("create", d) for d in (*kinds.WHOLE[:28], *kinds.LOST[:8], *kinds.BODIES[:6],
                              *kinds.HARMLESS)),
    *(("delete", d) for d in (*kinds.REFUSALS[:20], *kinds.LOST[:8], *kinds.BODIES[:4],
                              *kinds.HARMLESS[:3])),
    *(("doubt", d) for d in FEW),
    *((f"watch {what}", d) for what in ("pods", "events")
      for d in (*kinds.STREAMS, *kinds.REFUSALS[:3], kinds.REFUSALS[15], *kinds.LOST[:3])),
    *(("log", d) for d in (*kinds.STREAMS, *kinds.REFUSALS[:3], kinds.REFUSALS[15],
                           *kinds.LOST[:3])),
)  # fmt: skip
# `make faults` runs the whole table, a run of the other tests a quarter of it.
SAMPLE = TABLE if os.environ.get("K8SEXT_FAULTS") == "all" else TABLE[::4]
RUN_S = 12.0  # a run with the deadlines below, on a machine that has other things to do


def test_there_are_enough() -> None:
    assert len(TABLE) == len({(w, d.name) for w, d in TABLE}) >= 250
    assert {w for w, _ in SAMPLE} == {w for w, _ in TABLE}


@pytest.fixture(scope="module")
def port() -> Generator[int]:
    with serving(http({"/": (200, {})})) as number:
        yield number


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Deadlines and pauses of tests, and nothing of the user's."""
    for module, name, value in (
        (retry, "FIRST_PAUSE_S", 0.005), (deadline, "FIRST_SILENCE_S", 0.6),
        (deadline, "SILENCE_S", 0.8), (deadline, "WHOLE_S", 2.5), (deadline, "DRIP_AFTER_S", 0.5),
        (listen, "LOG_POLL_S", 0.02), (listen, "RETRY_S", 0.02), (listen, "STREAM_SILENCE_S", 0.8),
        (watching, "PAUSE_S", 0.01), (watching, "LONGEST_PAUSE_S", 0.05),
        (watching, "SILENCE_S", 0.5), (following, "LAST_WORDS_S", 0.3),
        (following, "STOP_POLL_S", 0.02), (created, "FIRST_PAUSE_S", 0.01),
        (created, "LONGEST_PAUSE_S", 0.02), (doctor_run, "WARM_AFTER_S", 60.0),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    for name in ("KUBERNETES_SERVICE_HOST", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with_names(monkeypatch)
    yield


class Ran:
    """One run of `doctor`, in this process, through the command line's entry."""

    def __init__(self, port: int, folder: Path, where: str, damage: Damage, times: int | None):
        self.world = World(port)
        self.server = FaultServer(self.world, where, damage, times)
        junit = folder / "junit.xml"
        began, before = time.monotonic(), set(threading.enumerate())
        with self.server.running() as number:
            context = {"namespace": "dev"}
            config = write(folder, kubeconfig(f"http://127.0.0.1:{number}", context=context))
            argv = ["doctor", "--kubeconfig", str(config), "-o", "json", "--junit", str(junit)]
            self.code = app.run([*argv, "--timeout", "3", "--pod-start-timeout", "3"])
        self.took = time.monotonic() - began
        for thread in threading.enumerate():
            if thread not in before and not isinstance(thread, threading.Timer):
                thread.join(0 if thread.name == SERVING else 2)
        self.junit = junit.read_text(encoding="utf-8") if junit.exists() else ""

    def read(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """The report; it is there whatever happened, and there is no traceback."""
        out, err = capsys.readouterr()
        assert "Traceback" not in err and "internal error" not in err, err
        assert self.junit.startswith("<?xml"), err
        report: dict[str, Any] = json.loads(out)
        for text in (out, self.junit):
            assert "KX910" not in text, text
        assert self.took < RUN_S
        assert self.server.done, "no damage was done"
        return report


IDS = [f"{where}-{d.name}" for where, d in SAMPLE]
# After these a deletion is not tried again: what stays is told with the command (KX929).
DELETE_FINAL = {
    d.name for d in kinds.REFUSALS if d.name[:3] in ("403", "405", "406", "410", "413", "422")
} - {"403 page"}


@pytest.mark.parametrize(("where", "damage"), SAMPLE, ids=IDS)
def test_once(
    where: str, damage: Damage, port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(port, tmp_path, where, damage, times=1)
    report = ran.read(capsys)
    if _is_verdict(where, damage):
        assert (ran.code, codes(report)) in ((3, ["KX902"]), (3, ["KX901"]), (3, ["KX903"]))
        return
    stays = ["KX929"] if where == "delete" and damage.name in DELETE_FINAL else []
    assert (ran.code, codes(report)) == (0, stays), report["vantages"]
    assert [b["status"] for b in report["bridges"]] == ["pass"]
    assert ran.world.made == 1
    assert ran.world.jobs == {} or where == "delete"
    assert ran.world.jobs == {} or stays or damage.name == "404 NotFound"


def _is_verdict(where: str, damage: Damage) -> bool:
    """Of a creation each refusal in the API server's own words is one, unless it says to wait."""
    said = damage in kinds.REFUSALS and not damage.name.endswith("page")
    if where == "create" and said:
        return damage.name[:3] in ("401", "403", "404", "405", "406", "410", "413", "422")
    return where in NEEDED and damage.final


def codes(report: dict[str, Any]) -> list[str]:
    """What is said of the run itself, not of bridges."""
    return [d["code"] for v in report["vantages"] for d in v.get("diagnoses", [])]


@pytest.mark.parametrize(("where", "damage"), SAMPLE, ids=IDS)
def test_every_time(
    where: str, damage: Damage, port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(port, tmp_path, where, damage, times=None)
    report = ran.read(capsys)
    said = codes(report)
    if damage.harmless:
        assert (ran.code, said) == (0, [])
    elif where in NEEDED:
        assert ran.code == 3
        assert said == ["KX902" if damage.name == "403 Forbidden" else "KX901"]
    elif where in WISHED or where.startswith("watch"):
        assert (ran.code, said) == (0, [])  # a named skip at most; lists in place of watches
    elif where == "delete":
        lied = damage.name == "404 NotFound"  # it is not there, says the server
        assert "kubectl delete job" in json.dumps(report) or ran.world.jobs == {} or lied
        assert [b["status"] for b in report["bridges"]] == ["pass"]
    else:
        assert ran.code == 3 or (ran.code, said) == (0, [])
        assert len(said) == (ran.code == 3) or report["bridges"]
        assert ran.world.jobs == {}
