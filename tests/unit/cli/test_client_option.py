"""`doctor --client`, as an option and from the environment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app
from tests.support.standins import http, serving


@pytest.fixture
def bridges(tmp_path: Path) -> Callable[[int], str]:
    def write(port: int) -> str:
        file = tmp_path / "bridges.yaml"
        file.write_text(
            "apiVersion: k8sext.io/v1\nkind: Bridges\nbridges:\n"
            "- {name: web-svc, namespace: dev, protocol: http, to: [127.0.0.1], "
            f"ports: [{{port: {port}}}]}}\n"
        )
        return str(file)

    return write


def clients(capsys: pytest.CaptureFixture[str]) -> list[str]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return [o.get("client", "").partition(" ")[0] for o in data["bridges"][0]["observations"]]


@pytest.mark.parametrize("asked", ["option", "environment", "not"])
def test_drivers_are_tried_where_they_are_asked_for(
    asked: str,
    bridges: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if asked == "environment":
        monkeypatch.setenv("K8SEXT_CLIENT", "1")
    option = ["--client"] if asked == "option" else []
    with serving(http({"/": (200, {})})) as port:
        argv = ["doctor", "-f", bridges(port), "--from", "local", "-o", "json", *option]
        assert app.run(argv) == 0
    assert clients(capsys) == (["", "httpx"] if asked != "not" else [""])


def test_not_from_a_pod_whose_image_has_none(
    bridges: Callable[[int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["doctor", "-f", bridges(1), "--client"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--client" in said
    assert "--from local" in said
