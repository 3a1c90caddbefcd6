"""Secrets with the caller's own rights, and what their values may be used for."""

import base64
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.agent.login.credentials import HeldSecrets, Missing
from k8sext.kube import secrets
from k8sext.kube.session import ApiError
from k8sext.model.bridge import CredentialRef
from k8sext.model.plan import Target
from k8sext.model.words import Reason, Route
from tests.support import trails

WORDS = {"password": ("pass",)}


class Api:
    """Answers for one name each; an integer is a refusal."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        found = self.answers.get(path.rpartition("/")[2], 404)
        if isinstance(found, int):
            raise ApiError(found, "Forbidden", "secrets is forbidden", {}, path)
        return {"data": {k: base64.b64encode(v).decode() for k, v in found.items()}}


def read(api: Api, *names: str) -> HeldSecrets:
    return secrets.read(api, "dev", names)  # type: ignore[arg-type]  # pyright: ignore


def target(secret: str, vouched: bool = False) -> Target:
    return Target(
        id="r1",
        service="redis-svc",
        port_key="redis",
        protocol="redis",
        route=Route.NAME,
        host="redis-svc",
        port=6379,
        trail=trails.by_service("198.51.100.21"),
        credentials=CredentialRef(secret=secret, vouched=vouched),
    )


def test_each_is_asked_for_by_its_name_only() -> None:
    api = Api(one={"password": b"x"})
    read(api, "one", "two")
    paths = [f"/api/v1/namespaces/dev/secrets/{name}" for name in ("one", "two")]
    assert api.asked == paths


def test_a_secret_with_consent_is_a_login() -> None:
    held = read(Api(one={"pass": b"canary-1", "k8sext.service": b"redis-svc"}), "one")
    found = held.lookup(target("one"), WORDS)
    assert isinstance(found, Login)
    assert found.get("password") == "canary-1"
    assert "canary-1" not in repr((found, held))
    assert held.file("one", "pass") == "canary-1"


@pytest.mark.parametrize(
    ("answer", "vouched", "reason"),
    [
        (403, False, Reason.SECRET_FORBIDDEN),
        (404, False, Reason.SECRET_MISSING),
        ({"password": b"x"}, False, Reason.NO_CONSENT),
        ({"password": b"x", "k8sext.service": b"other"}, False, Reason.NO_CONSENT),
        ({"user": b"x"}, True, Reason.SECRET_KEY_MISSING),
    ],
)
def test_why_there_is_no_login(answer: Any, vouched: bool, reason: Reason) -> None:
    found = read(Api(one=answer), "one").lookup(target("one", vouched), WORDS)
    assert isinstance(found, Missing)
    assert found.reason is reason


def test_what_is_no_base64_is_no_value() -> None:
    class Odd(Api):
        def get(self, path: str) -> dict[str, Any]:
            return {"data": {"password": "%%%"}}

    assert read(Odd(), "one").file("one", "password") in ("", None)
