"""The registry check against Debian's docker-registry on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.lab.registry_files import IMAGE
from tests.support.authority import serving_itself
from tests.support.converse import end_of, observe
from tests.support.ports import HOST, free_ports
from tests.support.registries import USER, WORD, Running, registry

LOGIN = {"username": USER, "password": WORD}
WRONG = {"username": USER, "password": f"x{WORD}"}
CALM = TlsSpec(mode=TlsMode.DISABLE)
GOOD, FAIL, WARN = (Status.PASS, None), Status.FAIL, Status.WARN


@pytest.fixture(scope="module", params=["none", "basic", "token"])
def every(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A registry of each kind, with the image in it."""
    folder = tmp_path_factory.mktemp(request.param)
    with registry(folder, request.param) as running:
        yield request.param, running


def see(running: Running, login: dict[str, str] | None = None, **options: Any) -> Observation:
    expect = options.pop("expect", {"image": IMAGE})
    options = {"tls": CALM, "consent_hosts": (HOST,), **options}
    seen = observe("registry", "registry", HOST, running.port, login, expect=expect, **options)
    assert WORD not in repr(seen)
    return seen


def came_to(seen: Observation) -> tuple[Status, Reason | None]:
    worst = next((s for s in seen.stages if s.status in (Status.FAIL, Status.WARN)), None)
    return seen.status, worst.reason if worst else None


def said(seen: Observation, stage: Stage = Stage.VERIFY) -> str:
    found = seen.stage(stage)
    assert found is not None
    return found.detail


def test_an_image_is_there(every: tuple[str, Running]) -> None:
    _, running = every
    seen = see(running, LOGIN)
    assert (came_to(seen), seen.depth, seen.fact("product")) == (GOOD, Stage.VERIFY, "registry")
    assert re.fullmatch(rf"image {IMAGE} is there \(sha256:[0-9a-f]{{12}}\)", said(seen))


def test_an_image_is_not_there(every: tuple[str, Running]) -> None:
    seen = see(every[1], LOGIN, expect={"image": f"{IMAGE}1"})
    assert came_to(seen) == (FAIL, Reason.OBJECT_MISSING)
    assert "MANIFEST_UNKNOWN" in said(seen)


def test_a_wrong_password(every: tuple[str, Running]) -> None:
    kind, running = every
    expected = GOOD if kind == "none" else (FAIL, Reason.AUTH_REJECTED)
    assert came_to(see(running, WRONG)) == expected


def test_no_login(every: tuple[str, Running]) -> None:
    kind, running = every
    ended = end_of(see(running))
    if kind == "none":
        assert ended is None
    else:
        assert ended and (ended.stage, ended.reason) == (Stage.AUTH, Reason.AUTH_REQUIRED)


def test_nothing_is_pulled_and_nothing_is_written(every: tuple[str, Running]) -> None:
    _, running = every
    before = running.log.read_text()
    see(running, LOGIN)
    lines = running.log.read_text()[len(before) :]
    asked = re.findall(r'"([A-Z]+) (/\S*) HTTP', lines)
    name, _, tag = IMAGE.partition(":")
    assert ("HEAD", f"/v2/{name}/manifests/{tag}") in asked
    assert {method for method, _ in asked} == {"GET", "HEAD"}
    assert all(path == "/v2/" for method, path in asked if method == "GET")


def test_a_token_without_rights(tmp_path: Path) -> None:
    with registry(tmp_path, "token", grants=False) as running:
        seen = see(running, LOGIN)
    assert came_to(seen) == (FAIL, Reason.PERMISSION_DENIED)


def test_a_token_that_the_registry_does_not_accept(tmp_path: Path) -> None:
    with registry(tmp_path, "token", signer="other") as running:
        seen = see(running, LOGIN)
    assert came_to(seen) == (FAIL, Reason.SERVER_ERROR)
    assert "does not accept the token" in said(seen, Stage.AUTH)


def test_a_token_service_that_is_not_there(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with registry(tmp_path, "token", realm=f"http://{HOST}:{port}/token") as running:
        seen = see(running, LOGIN)
    assert came_to(seen) == (FAIL, Reason.ANNOUNCED_UNREACHABLE)
    assert f"sent on to {HOST}:{port}" in said(seen, Stage.AUTH)


def test_tls(tmp_path: Path) -> None:
    pair = serving_itself(tmp_path, "server", f"IP:{HOST}")
    with registry(tmp_path, "basic", tls=pair) as running:
        assert came_to(see(running, LOGIN)) == (FAIL, Reason.TLS_REQUIRED)
        spec = TlsSpec(mode=TlsMode.REQUIRE)
        assert came_to(see(running, LOGIN, tls=spec)) == GOOD


def test_clear_text_that_nobody_has_said_is_meant(every: tuple[str, Running]) -> None:
    kind, running = every
    seen = see(running, LOGIN, tls=TlsSpec())
    first = Reason.PLAIN_HTTP if kind == "none" else Reason.PASSWORD_IN_CLEAR
    assert came_to(seen) == (WARN, first)
    verify = seen.stage(Stage.VERIFY)
    assert verify and verify.reason is Reason.PLAIN_HTTP
