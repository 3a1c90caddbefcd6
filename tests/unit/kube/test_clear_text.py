"""The way to the API server: what its URL may mean, and that no login goes out in clear text or to
another host.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app
from k8sext.errors import K8sextError
from k8sext.kube import portforward, server_url
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import Session
from k8sext.model.secret import Secret
from tests.support.api_server import (
    ApiServer,
    ConnectProxy,
    Pki,
    Reply,
    credential,
    exec_user,
    kubeconfig,
    plugin,
    runs,
    write,
)

CANARY = "canary-token-9931"


class Ear:
    """A server in clear text that keeps all that it hears and answers with an empty object."""

    def __init__(self) -> None:
        self.heard = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])

    def listen(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                self.heard += client.recv(65536)
                client.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
                )


@contextmanager
def ear() -> Generator[Ear]:
    made = Ear()
    thread = threading.Thread(target=made.listen, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.socket.shutdown(socket.SHUT_RDWR)
        made.socket.close()
        thread.join(5)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(K8sextError) as caught:
        act()
    assert caught.value.exit_code == 3
    text = str(caught.value)
    assert CANARY not in text + repr(caught.value) + repr(vars(caught.value))
    assert "\n" not in text
    return text


# -- what a URL may mean --------------------------------------------------------------------------

READ = {
    "https://a:6443": "https://a:6443",
    "https://a:6443/": "https://a:6443",
    "HTTPS://a:6443": "https://a:6443",
    "hTTps://A.example": "https://A.example",
    " https://a:6443\t\r\n": "https://a:6443",
    "https://a/k8s/clusters/c-1/": "https://a/k8s/clusters/c-1",
    "https://a:": "https://a",
    "https://[fd00::1]:6443": "https://[fd00::1]:6443",
    "https://[fe80::1%25eth0]:6443": "https://[fe80::1%25eth0]:6443",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "https://under_score.example.": "https://under_score.example.",
    # Without a scheme: encrypted, whatever else there is.
    "a:6443": "https://a:6443",
    "10.0.0.1": "https://10.0.0.1",
    "[fd00::1]:6443": "https://[fd00::1]:6443",
    "a.example/prefix": "https://a.example/prefix",
    "http://127.0.0.1:8001": "http://127.0.0.1:8001",
}
NOT_READ = {
    "htps://a": "begins with htps:// and not with https://",
    "httpss://a": "begins with httpss://",
    "HTTP://a": "begins with HTTP://",
    "Http://a": "begins with Http://",
    "ftp://a": "begins with ftp://",
    "unix:///var/run/x": "not a URL with a host",
    "https:/a": "not a URL with a host",
    "https:a": "not a URL with a host",
    "https//a": "not a URL with a host",
    "http//a": "not a URL with a host",
    "https:///a": "not a URL with a host",
    "https://": "not a URL with a host",
    "https": "not a URL with a host",
    "http:": "not a URL with a host",
    "//a:6443": "not a URL with a host",
    "https://https://a": "not a URL with a host",
    "http://http://a": "not a URL with a host",
    "https://.": "not a URL with a host",
    "https://a:0": "not a URL with a host",
    "https://a:65536": "not a URL with a host",
    "https://a:64a": "not a URL with a host",
    "https://a:+1": "not a URL with a host",
    "https://a:6443:6443": "not a URL with a host",
    "https://fd00::1": "not a URL with a host",
    "https://[fd00::1": "not a URL with a host",
    "https://a%2eb": "not a URL with a host",
    "https://a,b": "not a URL with a host",
    f"https://ada:{CANARY}@a": "has a login in it",
    f"https://{CANARY}@a": "has a login in it",
    f"http://ada:{CANARY}@a": "has a login in it",
    f"ada:{CANARY}@a:6443": "not a URL with a host",
    f"{CANARY}@a": "not a URL with a host",
    f"https://a/?token={CANARY}": "has a ? or # in it",
    "https://a#b": "has a ? or # in it",
    "https://a b": "has characters that no URL has",
    "https:// a": "has characters that no URL has",
    "https://a\tb": "has characters that no URL has",
    "https://a\nb": "has characters that no URL has",
    "https://a\x1b[2J": "has characters that no URL has",
    "https://a\\@b": "has characters that no URL has",
    "https://аpi.example": "has characters that no URL has",  # a Cyrillic a
    "https\u200b://a": "has characters that no URL has",
}


@pytest.mark.parametrize("text", sorted(READ))
def test_a_url_that_can_mean_one_thing_only(text: str) -> None:
    assert server_url.read(text, "context c") == READ[text]


@pytest.mark.parametrize("text", sorted(NOT_READ))
def test_a_url_that_is_refused(text: str) -> None:
    said = refused(lambda: server_url.read(text, "context c"))
    assert said.startswith("context c: server ")
    assert NOT_READ[text] in said


def test_upper_case_is_encrypted(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    """`HTTPS://…` was taken for no https, and the token went out in clear text."""
    url = f" HTTPS://127.0.0.1:{server.port}\n"
    config = kubeconfig(
        url, cluster={"certificate-authority-data": pki.data("ca.crt")}, user={"token": CANARY}
    )
    Session.load(write(tmp_path, config)).get("/version")
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"


@pytest.mark.parametrize("scheme", ["HTTPS://", "https://", "", "HTTP://", "htps://", "https:/"])
def test_nothing_is_heard_in_clear_text(tmp_path: Path, scheme: str) -> None:
    with ear() as heard:
        config = kubeconfig(f"{scheme}127.0.0.1:{heard.port}", user={"token": CANARY})
        file = write(tmp_path, config)
        refused(lambda: Session.load(file, clear_text=True).get("/version"))
        assert CANARY.encode() not in heard.heard
        assert b"GET" not in heard.heard


# -- http:// --------------------------------------------------------------------------------------

LOGINS: dict[str, Mapping[str, Any]] = {
    "token": {"token": CANARY},
    "password": {"username": "ada", "password": CANARY},
    "token file": {"tokenFile": "token"},
    "user without a password": {"username": "ada"},
    "auth-provider": {"auth-provider": {"name": "oidc", "config": {"id-token": CANARY}}},
}


@pytest.mark.parametrize("kind", sorted(LOGINS))
def test_a_login_does_not_go_out_in_clear_text(tmp_path: Path, kind: str) -> None:
    (tmp_path / "token").write_text(CANARY)
    with ear() as heard:
        file = write(tmp_path, kubeconfig(f"http://127.0.0.1:{heard.port}", user=LOGINS[kind]))
        said = refused(lambda: Session.load(file).get("/version"))
        assert "the login would go to the API server in clear text" in said
        assert "--insecure-clear-text" in said
        assert heard.heard == b""


def test_a_plugin_is_not_even_run(tmp_path: Path) -> None:
    user = exec_user(plugin(tmp_path, f"echo '{credential(token=CANARY)}'"))
    file = write(tmp_path, kubeconfig("http://127.0.0.1:1", user=user))
    assert "in clear text" in refused(lambda: Session.load(file))
    assert runs(tmp_path) == 0


def test_a_proxy_gets_no_login_in_clear_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy().running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        config = kubeconfig("http://192.0.2.7", user={"token": CANARY})
        file = write(tmp_path, config)
        assert "in clear text" in refused(lambda: Session.load(file).get("/version"))
        assert proxy.asked == []


def test_without_a_login_it_is_as_kubectl_proxy_serves_it(tmp_path: Path) -> None:
    """A client certificate counts as none: it takes part in TLS only."""
    with ear() as heard:
        file = write(tmp_path, kubeconfig(f"http://127.0.0.1:{heard.port}"))
        session = Session.load(file)
        assert session.get("/version") == {}
        assert session.cautions == ()
        assert b"Authorization" not in heard.heard
    elsewhere = Session(Access(server="http://192.0.2.7"))
    assert elsewhere.cautions == (
        "the API server is spoken to in clear text: anybody on the way can read it",
    )


def test_by_hand_it_is_allowed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with ear() as heard:
        config = kubeconfig(f"http://127.0.0.1:{heard.port}", user={"token": CANARY})
        file = write(tmp_path, config)
        made = Session.load(file, clear_text=True)
        assert made.cautions == (
            "the API server is spoken to in clear text, login included: "
            "anybody on the way can read it",
        )
        argv = ["list", "-n", "dev", "--kubeconfig", str(file)]
        Path("k8sext.yaml").write_text("insecure-clear-text: true\n")  # of whoever made the folder
        assert app.run(argv) == 3
        assert "may not set insecure-clear-text" in capsys.readouterr().err
        assert heard.heard == b""
        app.run([*argv, "--insecure-clear-text"])
        assert CANARY.encode() in heard.heard
        assert CANARY not in "".join(capsys.readouterr())


# -- certificates that nobody verifies ------------------------------------------------------------


def test_an_unverified_server_is_told(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    insecure: dict[str, Any] = {"insecure-skip-tls-verify": True}
    session = Session.load(write(tmp_path, kubeconfig(server.url, cluster=insecure)))
    assert session.get("/version") == {}
    (caution,) = session.cautions
    assert "not verified (insecure-skip-tls-verify)" in caution
    verified = {"certificate-authority-data": pki.data("ca.crt")}
    assert Session.load(write(tmp_path, kubeconfig(server.url, cluster=verified))).cautions == ()
    both = write(tmp_path, kubeconfig(server.url, cluster={**insecure, **verified}))
    assert "remove one of the two" in refused(lambda: Session.load(both))  # as kubectl


# -- sent elsewhere -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["clear text", "another host", "another path"])
def test_a_redirection_takes_no_login_along(server: ApiServer, status: int, where: str) -> None:
    with ear() as heard:
        place = {
            "clear text": f"http://127.0.0.1:{heard.port}/version",
            "another host": f"https://127.0.0.1:{heard.port}/version",
            "another path": "/elsewhere",
        }[where]
        server.replies = [Reply(status, b"", (("Location", place),))]
        access = Access(server=server.url, context="c", ca_pem=server.pki.text("ca.crt"))
        session = Session(replace(access, token=Secret(CANARY)))
        assert f"HTTP {status}" in refused(lambda: session.get("/version"))
        with pytest.raises(K8sextError), session.open("/log") as lines:
            list(lines)
        with pytest.raises(K8sextError) as caught:
            asyncio.run(portforward.forward(session, "dev", "p", 80))
        assert getattr(caught.value, "status", None) == status
        assert heard.heard == b""
        assert {r.path.partition("?")[0] for r in server.requests} == {
            "/version", "/log", "/api/v1/namespaces/dev/pods/p/portforward",
        }  # fmt: skip
