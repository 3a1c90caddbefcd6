"""`from k8sext.doctor import run`: the public names, and the program that docs/python.md shows."""

import re
import subprocess
import sys
from pathlib import Path

import k8sext.doctor as door

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text()
NAMES = {
    "Bridge", "BridgeReport", "Budget", "Culprit", "Diagnosis", "Gate", "K8sextError",
    "Observation", "PodOptions", "Report", "Request", "Severity", "Source", "Stage", "Status",
    "run",
}  # fmt: skip
BRIDGES = """
apiVersion: k8sext.io/v1
kind: Bridges
bridges:
- {name: gone-svc, to: [127.0.0.1], ports: [{port: 1}], protocol: tcp}
"""
USE = """
import sys
sys.path.insert(0, sys.argv[1])
from program import failures
from k8sext.doctor import Request, Source
print(*failures(Source(namespace="dev", files=(sys.argv[2],)), Request(vantage="local")))
"""


def program() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_public_names_are_there_and_documented() -> None:
    assert set(door.__all__) == NAMES
    for name in NAMES:
        assert getattr(door, name).__doc__, name
        assert f"`{name}" in PAGE, name


def test_the_door_alone_loads_nothing() -> None:
    code = "import sys, k8sext.doctor; print(*[m for m in sys.modules if 'k8sext.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["k8sext.doctor"]


def test_the_program_of_the_page_is_typed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program())
    argv = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "program.py")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_program_of_the_page_tells_the_failures(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program())
    (tmp_path / "bridges.yaml").write_text(BRIDGES)
    argv = [sys.executable, "-c", USE, str(tmp_path), str(tmp_path / "bridges.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dev/gone-svc: KX301 ")
    assert "Fix: " in done.stdout
