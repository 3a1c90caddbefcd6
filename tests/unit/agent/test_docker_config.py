"""Pull Secrets: which entry a registry gets, and above all which it does not get."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.agent.login import docker_config
from k8sext.agent.login.credentials import HeldSecrets, Missing
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Target
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route
from tests.support import trails

WORD = "canary-4711"
ALIASES = {"username": ("user",), "password": (docker_config.KEY,)}
MINE = {"username": "shop", "password": WORD}
OTHER = {"username": "other", "password": "other-4711"}


def target(port: int = 8888, vouched: bool = False) -> Target:
    return Target(
        id="o1",
        service="harbor-svc",
        port_key="p",
        protocol="registry",
        route=Route.NAME,
        host="harbor-svc.dev",
        port=port,
        server="198.51.100.85:8888",
        credentials=CredentialRef(secret="pull", vouched=vouched),
        consent_hosts=("harbor-svc", "harbor-svc.dev", "198.51.100.85"),
        trail=trails.by_service("198.51.100.85"),
    )


def alias() -> Target:
    """An ExternalName Service that leads to harbor.example."""
    trail = trails.by_alias("harbor.example", "198.51.100.85")
    return replace(target(), consent_hosts=("harbor-svc", "harbor.example"), trail=trail)


def found(auths: Any, asked: Target | None = None, **more: str) -> Login | Missing:
    text = auths if isinstance(auths, str) else json.dumps({"auths": auths})
    held = {"pull": {k: Secret(v) for k, v in {docker_config.KEY: text, **more}.items()}}
    got = HeldSecrets(held).lookup(asked or target(), ALIASES)
    assert WORD not in repr(got)
    assert "other-4711" not in repr(got)
    return got


def word(auths: Any, asked: Target | None = None, **more: str) -> str | Reason:
    got = found(auths, asked, **more)
    return got.get("password") if isinstance(got, Login) else got.reason


@pytest.mark.parametrize(
    "key",
    [
        "198.51.100.85:8888", "198.51.100.85", "http://198.51.100.85:8888",
        "https://198.51.100.85:8888/v1/", "harbor-svc.dev",
    ],
)  # fmt: skip
def test_the_key_of_an_entry_is_its_consent(key: str) -> None:
    assert word({"registry.example": OTHER, key: MINE}) == WORD


@pytest.mark.parametrize("key", ["harbor.example", "HARBOR.example:8888/team"])
def test_the_key_of_an_entry_is_the_host_of_an_alias(key: str) -> None:
    auths = {"registry.example": OTHER, key: MINE}
    assert word(auths, alias()) == WORD
    assert word(auths) is Reason.SECRET_KEY_MISSING
    led = replace(
        alias(), trail=trails.by_alias("harbor.example", "198.51.100.66", chain=("evil.example",))
    )
    assert word(auths, led) is Reason.CONSENT_ELSEWHERE


@pytest.mark.parametrize(
    "key",
    [
        "198.51.100.86:8888", "198.51.100.85:9999", "harbor.example.evil", "xharbor.example",
        "evil.example/198.51.100.85", "https://evil.example/harbor.example", "",
        "http://harbor.example@evil.example", "[::1]:8888",
    ],
)  # fmt: skip
def test_an_entry_for_another_is_not_sent(key: str) -> None:
    none = (Reason.NO_CONSENT, Reason.SECRET_KEY_MISSING)
    assert word({key: MINE, "a.example": OTHER, "b.example": OTHER}) is Reason.SECRET_KEY_MISSING
    assert word({key: MINE}) in none


def test_the_only_entry_goes_where_somebody_else_consents() -> None:
    auths = {"docker.example": MINE}
    assert word(auths) is Reason.NO_CONSENT
    assert word(auths, target(vouched=True)) == WORD
    assert word(auths, None, **{"k8sext.service": "harbor-svc"}) == WORD


def test_of_several_none_is_guessed() -> None:
    auths = {"a.example": MINE, "b.example": OTHER}
    got = found(auths, target(vouched=True))
    assert isinstance(got, Missing)
    assert got.detail == (
        "Secret pull has no login for harbor-svc.dev:8888; it has those for: a.example, b.example"
    )


def test_the_port_may_be_that_of_the_service_or_that_of_the_server() -> None:
    for port in (80, 8888):
        assert word({"198.51.100.85:8888": MINE, "x": OTHER}, target(port)) == WORD
    assert word({"198.51.100.85:80": MINE, "x": OTHER}, target(80)) == WORD


def test_a_login_in_base64() -> None:
    text = base64.b64encode(f"shop:{WORD}:x".encode()).decode()
    got = found({"198.51.100.85": {"auth": text}})
    assert isinstance(got, Login)
    assert (got.get("username"), got.get("password")) == ("shop", f"{WORD}:x")
    assert [s.reveal() for s in got.secrets] == [f"{WORD}:x"]


@pytest.mark.parametrize(
    "auths",
    [
        "", "{", "[]", "null", '{"auths": 7}', '{"auths": {"198.51.100.85": 7}}',
        {"198.51.100.85": {}}, {"198.51.100.85": {"auth": "%%"}}, {"198.51.100.85": {"auth": 7}},
        {"198.51.100.85": {"auth": base64.b64encode(b"nocolon").decode()}},
        {"198.51.100.85": {"auth": base64.b64encode(b"\xff\xfe:x").decode()}},
        {"198.51.100.85": {"username": "u"}}, "[" * 20000,
    ],
)  # fmt: skip
def test_what_holds_no_login(auths: Any) -> None:
    assert word(auths) is Reason.SECRET_KEY_MISSING


def test_what_the_secret_names_is_known() -> None:
    auths = {"198.51.100.85:8888": MINE, "https://auth.example/token": OTHER}
    got = found(auths, host="198.51.100.85")
    assert isinstance(got, Login)
    assert set(got.hosts) == {"198.51.100.85", "198.51.100.85:8888", "auth.example"}


def test_protocols_that_have_no_such_secrets_do_not_read_them() -> None:
    held = {"pull": {docker_config.KEY: Secret(json.dumps({"auths": {"198.51.100.85": MINE}}))}}
    held["pull"]["k8sext.service"] = Secret("harbor-svc")
    got = HeldSecrets(held).lookup(target(), {"username": (), "password": ()})
    assert isinstance(got, Missing)
    assert got.reason is Reason.SECRET_KEY_MISSING


def test_plain_keys_beside_it_come_first() -> None:
    got = found({"198.51.100.85": OTHER}, None, **{"password": WORD, "username": "shop"})
    assert isinstance(got, Login)
    assert (got.get("username"), got.get("password")) == ("shop", WORD)
