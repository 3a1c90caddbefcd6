"""An API server, or a gateway before it, that says the login back: nobody gets to read it."""

import json
import logging
import sys

import pytest

from k8sext.cli import talk
from k8sext.errors import K8sextError
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import ApiError, Session
from k8sext.model.secret import Secret
from tests.support.api_server import ApiServer, Reply
from tests.support.reflecting import forms

TOKEN = "tok-4711.QWxs-eXo_uWJh"
FORMS = [form for name, form in forms(TOKEN).items() if name != "base64 in a path"]


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


def session(server: ApiServer, **more: object) -> Session:
    known: dict[str, object] = {"server": server.url, "ca_pem": server.pki.text("ca.crt")}
    return Session(Access(**{**known, "token": Secret(TOKEN), **more}))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_errors_do_not_repeat_the_token(server: ApiServer, form: str) -> None:
    said = {"message": f"who is {form}?", "reason": "Forbidden", "kind": "Status"}
    server.replies = [Reply(403, json.dumps(said).encode())]
    with pytest.raises(ApiError) as caught:
        session(server).get("/pods")
    error = caught.value
    told = (str(error), error.message, error.what, repr(error), str(error.placed("here", "do it")))
    assert [leaks(t) for t in told] == [[]] * len(told)
    assert "who is ***" in error.message or "***" in error.message


def test_a_login_in_the_servers_address_is_told_nowhere() -> None:
    error = K8sextError("it is not there", where="https://ada:pass-4711@api.example:6443/version")
    assert "4711" not in str(error)
    assert "4711" not in error.where
    assert "api.example:6443" in error.where


def test_log_lines_are_masked(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(talk._state, "debug", True)  # pyright: ignore[reportPrivateUsage]
    logger = logging.getLogger("k8sext")
    before = logger.propagate, logger.handlers, logger.level
    try:
        talk._listen()  # pyright: ignore[reportPrivateUsage]
        session(server).get("/version")  # the token is known from here on
        for form in FORMS:
            logger.debug("they said %s \x1b[2J\u202e", form)
        logger.debug("to https://ada:pass-4711@api.example/ and back")
    finally:
        logger.propagate, logger.handlers = before[:2]
        logger.setLevel(before[2])
    told = capsys.readouterr().err
    assert told.count("they said") == len(FORMS)
    assert leaks(told) == []
    assert "pass-4711" not in told
    assert told.replace("\n", "").isprintable()
    assert sys.stderr is not None
