"""What doctor refuses of logins that somebody gives or vouches for, before it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app, doctor_run
from k8sext.doctor import running as doctor
from k8sext.doctor.cluster import Cluster
from k8sext.model.bridge import Bridge, CredentialRef, Kind

CANARY = "canary-4471"


def bridge(name: str, namespace: str = "dev") -> Bridge:
    return Bridge(
        namespace=namespace,
        service=name,
        kind=Kind.SELECTORLESS,
        ports=(),
        credentials=CredentialRef(secret="db-auth"),
    )


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What doctor would have looked at: nothing is."""
    asked: list[tuple[Any, ...]] = []

    def run(*given: Any) -> Any:
        asked.append(given)
        raise SystemExit(0)

    monkeypatch.setattr(doctor, "probe", run)
    return asked


def ran(monkeypatch: pytest.MonkeyPatch, bridges: list[Bridge], *argv: str) -> int:
    found = Cluster(), tuple(bridges)
    monkeypatch.setattr(doctor_run, "gather", lambda _source, _request: found)
    try:
        return app.run(["doctor", *argv])
    except SystemExit as end:
        return int(end.code or 0)


def logins(folder: Path, text: str) -> str:
    path = folder / "logins"
    path.write_text(text)
    path.chmod(0o600)
    return f"file:{path}"


def test_a_login_of_a_service_is_not_that_of_every_namespace(
    looked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """`-A`, and in somebody's namespace there is a Service of the same name."""
    local = ("--from", "local", "--credentials")
    bare = logins(tmp_path, f"db-svc: {{password: {CANARY}}}")
    for bridges, more in (
        ([bridge("db-svc")], ("-A",)),
        ([bridge("db-svc"), bridge("db-svc", "evil")], ()),
    ):
        assert ran(monkeypatch, bridges, *local, bare, *more) == 2
        said = capsys.readouterr().err
        assert "without their namespace" in said
        assert CANARY not in said
    assert looked == []
    assert ran(monkeypatch, [bridge("db-svc")], *local, bare) == 0
    named = logins(tmp_path, f"dev: {{db-svc: {{password: {CANARY}}}}}")
    assert ran(monkeypatch, [bridge("db-svc"), bridge("db-svc", "evil")], *local, named, "-A") == 0
    assert len(looked) == 2


def test_a_secret_that_two_bridges_name_is_vouched_for_one(
    looked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [bridge("db-svc"), bridge("evil-svc")]
    assert ran(monkeypatch, two, "--credentials-from", "db-auth") == 2
    assert "db-auth=db-svc.dev" in capsys.readouterr().err
    assert looked == []
    assert ran(monkeypatch, two, "--credentials-from", "db-auth=db-svc") == 0
    request = looked[0][2]
    assert request.vouched == (("db-auth", "db-svc"),)
    assert ran(monkeypatch, two, "--credentials-from", "db-auth=") == 2
