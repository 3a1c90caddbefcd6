"""What several threads ask of the lab at once is one thing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.component import password
from tests.lab.place import Place


def test_a_password_is_made_once_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8SEXT_LAB_RUN", str(tmp_path))
    place, together = Place("t"), threading.Barrier(8)

    def ask(name: str) -> str:
        together.wait()
        return password(place, name)

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            found = list(pool.map(ask, [f"redis-{number}"] * 8))
            assert len(set(found)) == 1 and found[0]
    kept = list((place.state / "secrets").iterdir())
    assert len(kept) == 20
    assert {f.stat().st_mode & 0o777 for f in kept} == {0o600}
