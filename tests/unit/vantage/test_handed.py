"""Logins that the invoker gives: for which namespace and Service they are."""

from pathlib import Path

import pytest

from k8sext.agent.check import Login
from k8sext.agent.login.credentials import LoginSource
from k8sext.errors import K8sextError
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Target
from k8sext.model.words import Route
from k8sext.vantage import handed
from tests.support import trails

CANARY = "canary-4471"
WORDS: dict[str, tuple[str, ...]] = {"username": (), "password": ()}


def password(logins: LoginSource, service: str = "redis-svc", **more: object) -> str:
    one = Target(
        id="o1",
        service=service,
        port_key="p",
        protocol="redis",
        route=Route.ENDPOINT,
        host="198.51.100.7",
        port=6379,
        trail=trails.to_endpoint("198.51.100.7"),
        **more,  # type: ignore[arg-type]
    )
    found = logins.lookup(one, WORDS)
    return found.get("password") if isinstance(found, Login) else str(found.reason)


def file(folder: Path, text: str) -> str:
    path = folder / "logins"
    path.write_text(text)
    path.chmod(0o600)
    return f"file:{path}"


def test_a_login_is_that_of_its_namespace(tmp_path: Path) -> None:
    """The attack: a Service of the same name in a namespace of one's own."""
    text = f"dev: {{redis-svc: {{password: {CANARY}}}}}\nqa: {{redis-svc: {{password: b}}}}"
    given = handed.logins(file(tmp_path, text), alone=False)
    assert [password(given(n)) for n in ("dev", "qa")] == [CANARY, "b"]
    assert password(given("evil")) == "no_credentials"


def test_a_folder_for_each_namespace(tmp_path: Path) -> None:
    root = tmp_path / "all"
    (root / "dev" / "redis-svc").mkdir(parents=True)
    (root / "dev" / "redis-svc" / "password").write_text(CANARY)
    root.chmod(0o700)
    given = handed.logins(f"file:{root}", alone=False)
    assert (password(given("dev")), password(given("evil"))) == (CANARY, "no_credentials")


def test_services_alone_are_taken_where_one_namespace_is_looked_at(tmp_path: Path) -> None:
    source = file(tmp_path, f"redis-svc: {{password: {CANARY}}}")
    assert password(handed.logins(source, alone=True)("dev")) == CANARY
    with pytest.raises(K8sextError) as caught:
        handed.logins(source, alone=False)
    assert caught.value.exit_code == 2
    assert "without their namespace" in str(caught.value)
    assert "-n" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_variables_are_taken_where_one_namespace_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert password(handed.logins("env", alone=False)("dev")) == "no_credentials"
    monkeypatch.setenv("K8SEXT_CREDENTIALS_REDIS_SVC_PASSWORD", CANARY)
    assert password(handed.logins("env", alone=True)("dev")) == CANARY
    with pytest.raises(K8sextError) as caught:
        handed.logins("env", alone=False)
    assert (caught.value.exit_code, CANARY in str(caught.value)) == (2, False)


def test_what_is_said_for_the_namespace_comes_first(tmp_path: Path) -> None:
    text = f"redis-svc: {{password: a}}\ndev: {{redis-svc: {{password: {CANARY}}}}}"
    given = handed.logins(file(tmp_path, text), alone=True)
    assert (password(given("dev")), password(given("qa"))) == (CANARY, "a")


def test_an_annotation_does_not_lead_to_another_service_s_login(tmp_path: Path) -> None:
    """`credentials: OTHER` on a Service of one's own, where the file has a login for OTHER."""
    source = file(tmp_path, f"db-svc: {{password: {CANARY}}}\nredis-svc: {{password: own}}")
    given = handed.logins(source, alone=True)("dev")
    ref = CredentialRef(secret="db-svc")
    assert password(given, credentials=ref) == "own"
    assert password(given, service="evil-svc", credentials=ref) == "no_credentials"


def test_words_of_the_command_line() -> None:
    with pytest.raises(K8sextError, match="neither env, file:PATH nor cluster"):
        handed.logins("vault", alone=True)
    assert password(handed.logins(None, alone=True)("dev")) == "no_credentials"
