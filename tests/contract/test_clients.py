"""What must hold for every client probe."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.vantage import pack

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = registry.clients()
OFFICIAL = {"elasticsearch", "httpx", "pika", "psycopg", "pymysql", "redis"}


def test_the_official_drivers_are_there() -> None:
    assert set(CLIENTS) == OFFICIAL


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_its_protocols_have_a_wire_check(name: str) -> None:
    """A driver is sent after the wire probe only, with what that one has seen."""
    assert set(CLIENTS[name].info.protocols) <= set(registry.wire_checks())


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_it_is_declared_in_the_project_and_in_the_readme(name: str) -> None:
    stem = CLIENTS[name].module.rpartition(".")[2]
    project = (ROOT / "pyproject.toml").read_text().lower()
    assert f'"{CLIENTS[name].info.package.lower()}' in project
    protocols = ", ".join(CLIENTS[name].info.protocols)
    row = f"| {name} | {protocols} | "
    line = next(x for x in (ROOT / "checks/README.md").read_text().splitlines() if row in x)
    assert f"`clients/{stem}.py`" in line


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_its_file_is_not_called_like_a_library(name: str) -> None:
    stem = CLIENTS[name].module.rpartition(".")[2]
    assert stem != name
    assert importlib.util.find_spec(stem) is None


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_its_driver_loads_and_names_itself(name: str) -> None:
    probe = CLIENTS[name].cls()
    probe.load()
    driver, _, version = probe.name().partition(" ")
    assert (driver, version[:1].isdigit()) == (name, True)


def test_finding_them_imports_no_driver() -> None:
    code = (
        "import sys; from k8sext import registry; registry.clients_by_protocol();"
        f"sys.exit(bool({OFFICIAL!r} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_of_them_travels_into_the_pod() -> None:
    every = [e.in_plan for e in registry.wire_checks().values()]
    sources = pack.sources(every)
    assert "k8sext/agent/drive/client.py" not in sources
    assert not [path for path in sources if "/clients/" in path]
