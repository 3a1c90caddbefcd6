"""Code and plan in environment variables: cut, put together again, and nothing else inside."""

import base64
import io
import random
import zipfile
import zlib

import pytest

from k8sext.agent import output
from k8sext.model.plan import Plan, Target
from k8sext.model.words import Route
from k8sext.vantage import pack

MAX_ARG_STRLEN = 131_072  # Linux: one environment string with its name and the final zero byte


def plan(count: int) -> Plan:
    """Targets that do not compress: random names."""
    dice = random.Random(4711)
    targets = [
        Target(
            id=f"o{n}",
            service=dice.randbytes(31).hex(),
            port_key=dice.randbytes(31).hex(),
            protocol="redis",
            route=Route.NAME,
            host=dice.randbytes(60).hex(),
            port=n,
            expect={"nested": [1, {"ü": None}]},
        )
        for n in range(count)
    ]
    return Plan(run_id="t", namespace="dev", targets=tuple(targets), modules=("redis",))


@pytest.mark.parametrize("count", [0, 1, 3000])
def test_the_plan_arrives_as_it_was(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(count)
    env = pack.environment(made)
    for name, value in env.items():
        assert len(f"{name}={value}\0") <= MAX_ARG_STRLEN
        monkeypatch.setenv(name, value)
    pieces = [n for n in env if n.startswith("K8SEXT_PLAN_")]
    assert pieces == [f"K8SEXT_PLAN_{n}" for n in range(len(pieces))]
    assert (len(pieces) > 2) is (count == 3000)
    assert output.read_plan() == made


def test_the_code_arrives_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "CHUNK", 1000)
    env = pack.environment(plan(1))
    pieces = [
        env[f"K8SEXT_CODE_{n}"] for n in range(sum(k.startswith("K8SEXT_CODE_") for k in env))
    ]
    assert len(pieces) > 10
    assert all(len(p) <= 1000 for p in pieces)
    assert zlib.decompress(base64.b64decode("".join(pieces))) == pack.bundle(["redis"])


def test_only_what_the_plan_needs_travels() -> None:
    archive = zipfile.ZipFile(io.BytesIO(pack.bundle(["redis"])))
    names = archive.namelist()
    assert len(names) == len(set(names))
    assert "k8sext/checks/protocols/redis/check.py" in names
    assert "k8sext/checks/protocols/mysql/check.py" not in names
    assert "k8sext/vantage/pack.py" not in names
    assert not [
        n for n in names if n.split("/")[1] not in ("__init__.py", "agent", "model", "checks")
    ]
    assert archive.testzip() is None


def test_all_files_of_a_large_check_travel_and_no_other_ones() -> None:
    names = zipfile.ZipFile(io.BytesIO(pack.bundle(["xxl_job", "elk"]))).namelist()
    mine = {n.removeprefix("k8sext/checks/protocols/") for n in names if "/protocols/" in n}
    xxl_job = {f"xxl_job/{part}.py" for part in ("check", "answers", "log", "pages", "reverse")}
    elk = {"elk/check.py", "elk/answers.py"}
    assert mine == {"__init__.py", "elk/__init__.py", "xxl_job/__init__.py", *elk, *xxl_job}


def test_a_module_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        pack.bundle(["no_such_check"])
