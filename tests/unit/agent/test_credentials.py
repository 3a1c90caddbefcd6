"""Which login a target gets, and above all which it does not get."""

from pathlib import Path

import pytest

from k8sext.agent.check import Login
from k8sext.agent.login.credentials import GivenValues, Missing, MountedSecrets, NoLogins
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Target
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route
from tests.support import trails

PASSWORD = "canary-4711"
ALIASES = {
    "username": ("user", "POSTGRES_USER"),
    "password": ("pass", "POSTGRES_PASSWORD"),
    "database": ("dbname",),
    "vhost": (),
}


def target(vouched: bool = False, keys: tuple[tuple[str, str], ...] = ()) -> Target:
    """An endpoint of a bridge that people wrote."""
    return Target(
        id="o1",
        service="db-svc",
        port_key="pg",
        protocol="postgresql",
        route=Route.ENDPOINT,
        host="198.51.100.7",
        port=5432,
        credentials=CredentialRef(secret="db-auth", vouched=vouched, keys=keys),
        trail=trails.to_endpoint("198.51.100.7"),
    )


def lookup(tmp_path: Path, values: dict[str, str], asked: Target) -> Login | Missing:
    """As in the pod: keys are links into the kubelet's `..data`."""
    data = tmp_path / "db-auth" / "..data"
    data.mkdir(parents=True)
    for key, value in values.items():
        (data / key).write_text(value)
        (tmp_path / "db-auth" / key).symlink_to(f"..data/{key}")
    return MountedSecrets(tmp_path).lookup(asked, ALIASES)


def allowed(tmp_path: Path, asked: Target, **named: str) -> bool:
    values = {key.replace("_", "-") if key == "jdbc_url" else key: v for key, v in named.items()}
    service = values.pop("service", "")
    if service:
        values["k8sext.service"] = service
    found = lookup(tmp_path, {"password": PASSWORD, **values}, asked)
    if isinstance(found, Missing):
        assert found.reason is Reason.NO_CONSENT
        assert PASSWORD not in repr(found)
        return False
    assert found.get("password") == PASSWORD
    return True


@pytest.mark.parametrize(
    "service",
    ["db-svc", "db-svc.dev", "DB-SVC.dev", "db-svc.dev.svc", "other, db-svc", "other db-svc.dev",
     "db-svc.dev.svc.cluster.local."],
)  # fmt: skip
def test_a_secret_that_names_its_service(service: str, tmp_path: Path) -> None:
    assert allowed(tmp_path, target(), service=service)


@pytest.mark.parametrize(
    "service",
    ["", "other", "db-svc.prod", "db-svc.dev.evil.example", "xdb-svc", "db", "*", "db-svc.de",
     "db-svcdb-svc", "db-svc;other"],
)  # fmt: skip
def test_a_secret_that_names_another(service: str, tmp_path: Path) -> None:
    assert not allowed(tmp_path, target(), service=service)


@pytest.mark.parametrize(
    "binding",
    [
        {"host": "db-svc"},
        {"host": "db-svc.dev.svc"},
        {"uri": "postgresql://u@db-svc.dev:5432/app"},
        {"jdbc_url": "jdbc:postgresql://db-svc:5432/app?ssl=true"},
        {"uri": "amqps://u@DB-SVC/vhost"},
    ],
)
def test_service_binding_names_the_bridge(binding: dict[str, str], tmp_path: Path) -> None:
    assert allowed(tmp_path, target(), **binding)


@pytest.mark.parametrize(
    "binding",
    [
        {"host": "db.prod.example"},
        {"uri": "postgresql://db-svc@evil.example/app"},
        {"uri": "postgresql://evil.example/db-svc"},
        {"uri": "postgresql://[::bad/app"},
        {"uri": "db-svc"},
        {"jdbc_url": "jdbc:oracle:thin:@db-svc:1521:x"},
    ],
)
def test_service_binding_that_names_another(binding: dict[str, str], tmp_path: Path) -> None:
    assert not allowed(tmp_path, target(), **binding)


def test_an_address_is_consent_to_that_address_alone(tmp_path: Path) -> None:
    assert allowed(tmp_path / "a", target(), host="198.51.100.7")
    assert not allowed(tmp_path / "b", target(), host="198.51.100.8")
    assert not allowed(tmp_path / "c", target(), uri="redis://:x@198.51.100.77:6379")
    assert allowed(tmp_path / "d", target(), uri="redis://198.51.100.7:6379")


def test_a_vouched_secret_needs_no_name(tmp_path: Path) -> None:
    assert isinstance(lookup(tmp_path, {"password": PASSWORD}, target(vouched=True)), Login)


def values(tmp_path: Path, secret: dict[str, str], **asked: tuple[str, ...]) -> dict[str, str]:
    found = lookup(tmp_path, secret, target(vouched=True, **asked))  # type: ignore[arg-type]
    assert isinstance(found, Login), found
    return {word: found.get(word) for word in found.values}


def test_words_aliases_and_addresses(tmp_path: Path) -> None:
    assert values(tmp_path / "a", {"POSTGRES_USER": "u", "POSTGRES_PASSWORD": "p"}) == {
        "username": "u",
        "password": "p",
    }
    assert values(tmp_path / "b", {"user": "alias", "username": "word", "password": "p"}) == {
        "username": "word",
        "password": "p",
    }
    assert values(tmp_path / "c", {"uri": "postgresql://u:p%40ss@h/app"}) == {
        "username": "u",
        "password": "p@ss",
        "database": "app",
    }
    assert values(tmp_path / "d", {"uri": "amqp://u:p@h/%2Fv", "password": "key"}) == {
        "username": "u",
        "password": "key",
        "vhost": "/v",
    }


def test_a_port_s_own_keys_come_first(tmp_path: Path) -> None:
    secret = {"password": "general", "admin-pw": PASSWORD, "username": "u"}
    assert values(tmp_path, secret, keys=(("password", "admin-pw"),))["password"] == PASSWORD  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("secret", "keys", "reason", "says"),
    [
        ({}, (), Reason.SECRET_MISSING, "db-auth does not exist"),
        ({"username": "u"}, (), Reason.SECRET_KEY_MISSING, "no key password; its keys are: user"),
        ({"password": PASSWORD}, (("password", "pw"),), Reason.SECRET_KEY_MISSING, "no key pw"),
    ],
)
def test_what_is_missing(
    secret: dict[str, str],
    keys: tuple[tuple[str, str], ...],
    reason: Reason,
    says: str,
    tmp_path: Path,
) -> None:
    found = lookup(tmp_path, secret, target(vouched=True, keys=keys))
    assert isinstance(found, Missing)
    assert found.reason is reason
    assert says in found.detail
    assert PASSWORD not in found.detail


def test_a_secret_outside_the_mounts_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "mounts").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "ca.crt").write_text("x")
    assert MountedSecrets(tmp_path / "mounts").file("../outside", "ca.crt") is None


def test_client_certificates_need_consent_as_well(tmp_path: Path) -> None:
    pair = {"tls.crt": "c", "tls.key": PASSWORD, "password": "p"}
    lookup(tmp_path / "a", pair, target())
    assert MountedSecrets(tmp_path / "a").client_pair(target()) is None
    lookup(tmp_path / "b", {**pair, "k8sext.service": "db-svc"}, target())
    found = MountedSecrets(tmp_path / "b").client_pair(target())
    assert found is not None
    assert PASSWORD not in repr(found)


def test_values_given_by_hand_are_for_their_service() -> None:
    given = GivenValues({"db-svc": {"password": Secret(PASSWORD)}})
    assert isinstance(given.lookup(target(), ALIASES), Login)
    other = GivenValues({"other": {"password": Secret(PASSWORD)}}).lookup(target(), ALIASES)
    assert isinstance(other, Missing)
    assert other.reason is Reason.NO_CREDENTIALS


def test_nothing_is_configured() -> None:
    found = NoLogins().lookup(target(), ALIASES)
    assert isinstance(found, Missing)
    assert (NoLogins().file("a", "b"), NoLogins().client_pair(target())) == (None, None)


def test_what_is_masked_and_what_is_not() -> None:
    login = Login({"username": Secret("app"), "password": Secret(PASSWORD)})
    assert [s.reveal() for s in login.secrets] == [PASSWORD]
    assert PASSWORD not in repr(login)
