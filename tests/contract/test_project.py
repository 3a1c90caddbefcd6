"""What must hold for every plug-in and for the package as a whole."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.diagnose.codes import rows, rows_reach, table
from k8sext.model.words import Reason
from k8sext.vantage import pack

ROOT = Path(__file__).resolve().parents[2]
CHECKS = registry.wire_checks()


def test_the_package_list_is_the_folders() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"k8sext"}
    for top, prefix in (("k8sext", ""), ("checks", "k8sext."), ("reports", "k8sext.")):
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(prefix + ".".join(init.parent.relative_to(ROOT).parts))
    assert set(listed) == found


def test_no_second_copy_of_a_plugin_is_imported() -> None:
    assert not {"checks", "reports"} & set(sys.modules)


def test_the_readme_has_the_help_text() -> None:
    env = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    argv = [sys.executable, "-m", "k8sext", "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=True)
    assert done.stdout.rstrip() in (ROOT / "README.md").read_text()


def test_every_check_has_its_row() -> None:
    table = (ROOT / "checks" / "README.md").read_text()
    for name, entry in CHECKS.items():
        row = next((x for x in table.splitlines() if x.startswith(f"| {name} |")), "")
        assert entry.info.proves in row, name
        folder = (ROOT / "checks" / "protocols" / entry.in_plan).is_dir()
        assert f"`protocols/{entry.in_plan}{'/' if folder else '.py'}`" in row, name


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_shipped_agent_loads_under_isolated_python(name: str) -> None:
    """Standard library only, nothing of the site, on the lowest Python there is here."""
    module = CHECKS[name].in_plan
    code = (
        "import sys, zipimport; sys.path.insert(0, sys.argv[1]);"
        "from k8sext.agent.main import load_checks;"
        f"assert {name!r} in load_checks(({module!r},)), 'not found';"
        "bad = {'rich', 'typer', 'kubernetes', 'yaml', 'checks', 'reports'} & set(sys.modules);"
        "assert not bad, bad"
    )
    archive = pack.bundle([module])
    fd = os.memfd_create("bundle")
    os.write(fd, archive)
    argv = [sys.executable, "-I", "-S", "-c", code, f"/proc/{os.getpid()}/fd/{fd}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    os.close(fd)
    assert done.returncode == 0, done.stderr


def test_what_checks_say_of_themselves_is_read_without_asyncio() -> None:
    """`k8sext list` and the command line's start need the descriptions, not the machinery."""
    code = (
        "import sys; from k8sext import registry; assert registry.wire_checks();"
        "sys.exit('asyncio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_archive_has_what_its_files_import_and_no_more(name: str) -> None:
    """However late: an import inside a function counts as well."""
    sources = pack.sources([CHECKS[name].in_plan])
    wanted = {"k8sext/agent/main.py"}
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ImportFrom):
                continue
            package = path.rpartition("/")[0].replace("/", ".")
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(p for p in (above, node.module) if p)
            names = [f"{module}.{alias.name}" for alias in node.names]
            for dotted in (module, *names) if module.startswith("k8sext.agent") else ():
                file = dotted.replace(".", "/") + ".py"
                if (ROOT / file).is_file():
                    wanted.add(file)
    agent = {p for p in sources if p.startswith("k8sext/agent/")}
    assert {p for p in agent if not p.endswith("/__init__.py")} == wanted


def test_the_archive_is_the_same_bytes_every_time_and_small() -> None:
    assert pack.bundle(["redis"]) == pack.bundle(["redis"])
    every = [e.in_plan for e in CHECKS.values()]
    # An object may have 1.5 MiB (etcd), and base64 makes four bytes of three.
    assert len(pack.packed(sorted(set(every)))) < 250_000


def test_codes_are_used_for_one_thing() -> None:
    culprits: dict[str, set[str]] = {}
    for row in table.all_rows():
        assert row.summary
        assert row.fix
        culprits.setdefault(row.code, set()).add(row.severity)
    assert all(len(severities) == 1 for severities in culprits.values())


def test_every_reason_that_can_end_a_stage_has_a_row() -> None:
    not_judged = {
        Reason.NOT_REACHED,
        Reason.NOT_APPLICABLE,
        Reason.NO_CREDENTIALS,
        Reason.DRIVER_MISSING,
        Reason.LOGIN_REJECTED_BEFORE,
    }
    known = {
        r
        for t in (rows_reach.NAMES, rows_reach.PATHS, rows.ANSWERS, rows.LOGINS, rows.OURS)
        for r in t
    }
    assert set(Reason) - known == not_judged


def test_every_rule_has_its_row() -> None:
    table = (ROOT / "checks" / "README.md").read_text()
    for stem, module in registry.rules().items():
        row = f"| {module.RULE.code} | {module.RULE.line} | `rules/{stem}.py` |"
        assert row in table, stem
