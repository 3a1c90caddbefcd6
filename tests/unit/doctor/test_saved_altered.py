"""Saved reports that were altered or damaged: one sentence, never a traceback."""

import copy
import functools
import json
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.cli import app
from k8sext.diagnose.case import PlaceFacts
from k8sext.doctor import saved
from k8sext.errors import K8sextError
from k8sext.model.codec import to_json
from k8sext.model.report import Place, Report
from k8sext.model.result import Json
from tests.support.sample_report import sample, view

HERE = PlaceFacts(namespace="dev", vantage="pod", node="node2", policies=[])
CONTROL: dict[str, Json] = {"type": "control", "dns": True, "api": True, "connected": True}
FORMATS = ("table", "wide", "json", "junit")
CODES = (0, 1, 2, 3, 5, 130)
DEEP: Any = functools.reduce(lambda inner, _: [inner], range(300), list[Any]())


def whole() -> Report:
    """Each status, a place to judge again from, and workloads."""
    services = tuple(b.bridge.service for b in sample().bridges)
    place = Place(
        namespace="dev",
        vantage="pod",
        services=services,
        context=to_json(HERE),
        controls=(CONTROL,),
    )
    evidence: dict[str, Json] = {
        "announced": [{"address": "198.51.100.1:1", "reached": False, "reason": "refused"}],
        "callbacks": {"caller": "x", "setting": "", "inside": [], "distinct": True, "known": 1,
                      "entries": [{"address": "198.51.100.1:1", "state": "down"}]},
        "guess_reason": "refused", "addresses": ["198.51.100.1"], "local": "198.18.1.7:4000",
        "identity": "x", "version": "7.0", "peer": "198.51.100.1:1", "code": "1",
    }  # fmt: skip
    bridges = tuple(
        replace(
            b,
            observations=tuple(
                replace(
                    o,
                    stages=tuple(replace(s, evidence={**evidence, **s.evidence}) for s in o.stages),
                )
                for o in b.observations
            ),
        )
        for b in sample().bridges
    )
    return sample(bridges=bridges, places=(place,), workloads=view())


TEXT = registry.report("json").render(whole(), registry.report_options())
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**400, -(10**30), "", "x", "\x00\x1b[2J\u202e", "x" * 10_000,
    "$(id)", "<a>&]]>", [], [None], [[]], {}, {"": None}, {"a": {}}, [1, "a", {}], DEEP, "pass",
    "fail", "1970-01-01T00:00:00Z", "198.51.100.1:99999", "::", "[", "dev/redis-svc",
)  # fmt: skip


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, Any]] = list(data.items()) if isinstance(data, dict) else []
    inside += enumerate(data) if isinstance(data, list) else ()
    return [path, *(p for k, v in inside for p in places(v, (*path, k)))]


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


PLACES = [p for p in places(json.loads(TEXT)) if p]


def altered(chance: random.Random) -> str:
    """One to three things of a report changed, as somebody with an editor would."""
    data: Any = json.loads(TEXT)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        path = chance.choice(PLACES)
        try:
            parent, key = at(data, path[:-1]), path[-1]
            match chance.randrange(5):
                case 0:
                    del parent[key]
                case 1:
                    parent[key] = copy.deepcopy(at(data, chance.choice(PLACES)))
                case 2 if isinstance(parent, list):
                    parent.append(copy.deepcopy(parent[key]))
                case _:
                    parent[key] = chance.choice(STRANGE)
        except (LookupError, TypeError):
            continue  # an earlier change took the place away
    return json.dumps(data)


def damaged(chance: random.Random) -> bytes:
    """Bytes lost, turned over or put in, as a disk or a proxy would."""
    data = bytearray(TEXT.encode())
    start, length = chance.randrange(len(data)), chance.choice((1, 1, 2, 40, 4000))
    match chance.randrange(4):
        case 0:
            del data[start:]
        case 1:
            del data[start : start + length]
        case 2:
            data[start] ^= 1 << chance.randrange(8)
        case _:
            data[start:start] = chance.randbytes(length)
    return bytes(data)


def shown(file: Path, argv: list[str], capsys: pytest.CaptureFixture[str]) -> int:
    code = app.run(["report", str(file), *argv])
    out, err = capsys.readouterr()
    assert code in CODES
    assert "internal error" not in err
    assert "Traceback" not in err
    if code in (2, 3) and err:
        assert err.count("\n") == 1, err
        assert err.startswith(f"k8sext: {file}: the file ")
        assert len(err) < 600
    if code != 2 and "junit" in argv:
        ET.fromstring(out)
    out.encode()
    return code


@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("kind", [altered, damaged])
def test_300_altered_reports(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: Callable[[random.Random], str | bytes],
    part: int,
) -> None:
    file = tmp_path / "run.json"
    codes: list[int] = []
    for seed in range(part * 15, part * 15 + 15):
        chance = random.Random(f"{kind.__name__} {seed}")
        made = kind(chance)
        file.write_bytes(made if isinstance(made, bytes) else made.encode())
        argv = ["-o", chance.choice(FORMATS), *chance.choice(([], [], ["--as-saved"]))]
        codes.append(shown(file, argv, capsys))
    assert 2 in codes


def test_the_report_that_is_altered_is_a_good_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    file.write_text(TEXT)
    assert saved.read(file) == whole()
    for form in FORMATS:
        assert shown(file, ["-o", form], capsys) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": NaN}', "is not JSON"),
        ('{"a": "\\ud800"}', "is not JSON"),
        ("[" * 1_000_000, "is not JSON"),
        ('{"a": ' + "9" * 10_000 + "}", "is not JSON"),
        ("\ufeff{}", "is no report of schema"),
    ],
)
def test_json_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "r").write_text(text, encoding="utf-8")
    with pytest.raises(K8sextError, match=words):
        saved.read(tmp_path / "r")


def test_what_is_no_file_of_a_report(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "r.json.gz").write_bytes(gzip.compress(b"{}"))
    for path, words in (
        (tmp_path, "Is a directory"),
        (Path("/dev/zero"), "larger than"),
        (tmp_path / "r.json.gz", "not UTF-8 text"),
    ):
        with pytest.raises(K8sextError, match=words):
            saved.read(path)
