"""What users install: sdist, then wheel, then a clean environment with the locked dependencies.

Offline: everything comes from the cache that `make env` filled.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from k8sext import __version__, registry
from tests.lab.place import cache

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"k8sext": "k8sext", "checks": "k8sext/checks", "reports": "k8sext/reports"}
NAMED = f"k8sext-{__version__}"


@dataclass(frozen=True)
class Built:
    """What came out of the build, and the environment that it was installed into."""

    sdist: Path
    wheel: Path
    bin: Path
    elsewhere: Path  # a folder without our sources

    def run(self, *argv: str) -> str:
        """Run a program of the environment; its standard output."""
        done = subprocess.run(
            [str(self.bin / argv[0]), *argv[1:]],
            cwd=self.elsewhere,
            env={"PATH": os.environ["PATH"], "HOME": str(self.elsewhere)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """Run a line of Python there."""
        return self.run("python", "-I", "-c", code).strip()


def _uv(*argv: str | Path, cwd: Path) -> None:
    tools = cache().parent / "tools"
    uv = next(iter(sorted(tools.glob("uv-*/bin/uv"))), None)
    if uv is None:
        pytest.skip("uv is not in the cache: make env puts it there")
    env = {**os.environ, "UV_CACHE_DIR": str(cache().parent / "uv"), "UV_OFFLINE": "1"}
    argv_text = [str(uv), *map(str, argv)]
    done = subprocess.run(argv_text, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What `make release` writes, twice, for users whose new files have other modes."""
    base = tmp_path_factory.mktemp("release")
    if not (ROOT / ".git").exists():
        pytest.skip("only what is committed is released, and this is no clone")
    env = {**os.environ, "UV_OFFLINE": "1"}
    for name, umask in (("one", 0o022), ("two", 0o077)):
        argv = ["bash", "tests/release.sh", str(cache().parent), str(base / name)]
        done = subprocess.run(
            argv, cwd=ROOT, env=env, umask=umask, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return base / "one", base / "two"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built from a copy, so that nothing of an earlier build is found and nothing is left here."""
    base = tmp_path_factory.mktemp("wheel")
    source, out, env, elsewhere = (base / n for n in ("source", "out", "env", "elsewhere"))
    elsewhere.mkdir()
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    _uv("build", "--python", sys.executable, "--out-dir", out, ".", cwd=source)
    (sdist,), (wheel,) = list(out.glob("*.tar.gz")), list(out.glob("*.whl"))
    _uv("venv", "--python", sys.executable, env, cwd=base)
    python = env / "bin" / "python"
    locked: list[str | Path] = ["--require-hashes", "-r", ROOT / "requirements.txt"]
    _uv("pip", "install", "--python", python, *locked, cwd=base)
    _uv("pip", "install", "--python", python, "--no-deps", wheel, cwd=base)
    return Built(sdist, wheel, env / "bin", elsewhere)


def modules(names: Sequence[str]) -> set[str]:
    return {n for n in names if n.endswith(".py")}


def in_the_tree() -> set[str]:
    """Every module of ours, under the path that the wheel gives it."""
    return {
        f"{inside}/{file.relative_to(ROOT / folder)}"
        for folder, inside in FOLDERS.items()
        for file in (ROOT / folder).rglob("*.py")
    }


def test_the_wheel_owns_one_name_and_holds_every_module(built: Built) -> None:
    """A wheel with `checks` or `reports` at its top would overwrite another project's."""
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
        assert {n.split("/")[0] for n in names} == {"k8sext", f"{NAMED}.dist-info"}
        assert modules(names) == in_the_tree()
        assert wheel.read(f"{NAMED}.dist-info/top_level.txt").decode().split() == ["k8sext"]
    assert "k8sext/py.typed" in names
    assert f"{NAMED}.dist-info/licenses/LICENSE" in names
    assert built.wheel.name == f"{NAMED}-py3-none-any.whl"


def test_the_sdist_can_be_built_from(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {n.partition("/")[2] for n in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert {f"{folder}/__init__.py" for folder in FOLDERS} <= names
    assert not {n for n in names if n.startswith("tests") or "__pycache__" in n}


def test_nothing_of_the_tree_is_imported(built: Built) -> None:
    there = built.python("import k8sext, k8sext.checks as c; print(k8sext.__file__, c.__file__)")
    assert str(ROOT) not in there
    for name in ("checks", "reports", "tests"):
        code = f"import importlib.util as u; print(u.find_spec({name!r}))"
        assert built.python(code) == "None"


def test_the_command_is_there(built: Built) -> None:
    assert built.run("k8sext", "--version") == f"k8sext {__version__}\n"
    assert built.run("python", "-m", "k8sext", "--version") == f"k8sext {__version__}\n"


def test_the_plugins_are_found(built: Built) -> None:
    listed = json.loads(built.run("k8sext", "checks", "-o", "json"))
    assert {c["protocol"] for c in listed} == set(registry.wire_checks())
    formats = built.python("from k8sext import registry; print(*registry.report_names())")
    assert formats.split() == list(registry.report_names())


def test_what_needs_no_cluster_works(built: Built) -> None:
    assert "KX302" in built.run("k8sext", "explain")
    assert built.run("k8sext", "rbac", "-n", "dev").startswith("apiVersion: rbac.authorization")
    assert json.loads(built.run("k8sext", "schema", "report"))["title"] == "k8sext.report/v1"
    argv = ["provision", "db", "--to", "198.51.100.9:5432", "--dry-run=client"]
    assert "kind: EndpointSlice" in built.run("k8sext", *argv)


def test_the_code_that_travels_is_packed_from_there(built: Built) -> None:
    """The same files, and they run without anything of the environment."""
    names = sorted({e.in_plan for e in registry.wire_checks().values()})
    code = (
        "import hashlib; from k8sext.vantage import pack;"
        f"names = {names!r}; print(*sorted(pack.sources(names)));"
        "print(hashlib.sha256(pack.bundle(names)).hexdigest());"
        "open('agent.zip', 'wb').write(pack.bundle(names))"
    )
    sources, digest = built.python(code).splitlines()
    import hashlib

    from k8sext.vantage import pack

    assert sources.split() == sorted(pack.sources(names))
    assert digest == hashlib.sha256(pack.bundle(names)).hexdigest()
    archive = built.elsewhere / "agent.zip"
    load = (
        f"import sys; sys.path.insert(0, {str(archive)!r});"
        "from k8sext.agent.main import load_checks;"
        f"print(*sorted(load_checks({names!r})))"
    )
    found = built.run("python", "-I", "-S", "-c", load).split()
    assert set(found) == set(registry.wire_checks())


def test_every_client_probe_finds_its_driver(built: Built) -> None:
    code = (
        "import importlib, pkgutil, k8sext.checks.clients as c;"
        "names = [m.name for m in pkgutil.iter_modules(c.__path__, c.__name__ + '.')];"
        "[importlib.import_module(n) for n in names]"
    )
    built.python(code)


def test_a_release_is_the_same_bytes_each_time(releases: tuple[Path, Path]) -> None:
    one, two = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in releases)
    assert set(one) == {f"{NAMED}-py3-none-any.whl", "k8sext.cdx.json"}
    assert one == two


def test_the_sbom_lists_what_is_locked_with_its_licences(releases: tuple[Path, Path]) -> None:
    bill = json.loads((releases[0] / "k8sext.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "k8sext")
    listed = {(c["name"].lower().replace("_", "-"), c["version"]) for c in bill["components"]}
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    here = {(name.lower(), version) for name, version in pins}
    assert listed <= here
    direct = {"kubernetes", "typer", "rich", "pyyaml", "psycopg", "pymysql", "redis", "pika",
              "elasticsearch", "httpx", "websockets"}  # fmt: skip
    assert direct <= {name for name, _ in listed}
    assert all(c.get("licenses") for c in bill["components"])
    assert str(Path.home()) not in json.dumps(bill)


PERMISSIVE = re.compile(
    r"\b(MIT|BSD|0BSD|ISC|PSF-2\.0|Python-2\.0|Apache|Apache-2\.0|BSD-[23]-Clause)\b", re.I
)


def test_the_readme_names_what_is_not_under_a_permissive_licence(
    releases: tuple[Path, Path],
) -> None:
    bill = json.loads((releases[0] / "k8sext.cdx.json").read_text())
    readme = (ROOT / "README.md").read_text().partition("## Licence")[2]
    for component in bill["components"]:
        words = json.dumps(component["licenses"])
        if not PERMISSIVE.search(words):
            (name,) = re.findall(r'"(?:id|expression)": "([^"]+)"', words)[:1]
            assert f"{component['name'].removesuffix('-binary')} ({name})" in readme
