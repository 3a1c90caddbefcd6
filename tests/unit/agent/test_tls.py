"""TLS verdicts against real TLS servers on loopback, the same on every Python."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.agent.tls import client_pair
from k8sext.model.plan import Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route, Stage, Status
from k8sext.vantage import pack
from tests.support import certificates, pythons, tls_table
from tests.support.converse import observe
from tests.support.sample_report import sample
from tests.support.tls_table import CASES, Case, Server, probe, server_context, target_of

BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def assert_said(case: Case, said: dict[str, Any]) -> None:
    assert said["ends"] == case.ends, said
    assert case.says in said["says"], said
    assert {key: said["facts"].get(key) for key in case.facts} == dict(case.facts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_verdict(case: Case, folder: Path) -> None:
    seen = probe(case, folder)
    assert len(seen) == 1
    assert_said(case, tls_table.verdict(seen[0]))
    assert "PRIVATE KEY" not in repr(seen)


@pytest.mark.parametrize("version", [v for v in pythons.SUPPORTED if not sys.version.startswith(v)])
def test_the_verdicts_are_the_same_on(version: str, folder: Path, tmp_path: Path) -> None:
    """The shipped archive, isolated. 3.13 turns VERIFY_X509_STRICT on by default."""
    python = pythons.find(version)
    if not python:
        pytest.skip(f"no Python {version} on this machine; the lab's images have 3.11 and 3.13")
    archive = tmp_path / "agent.zip"
    archive.write_bytes(pack.bundle(["redis"]))
    argv = [python, "-I", "-S", tls_table.__file__, str(archive), str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["python"].startswith(version)
    for case in CASES:
        assert_said(case, told["cases"][case.name])


# -- what a server counts -------------------------------------------------------------------------


def routes(*routes: tuple[str, Route], port: int) -> tuple[Target, ...]:
    return tuple(
        target_of(BY_NAME["good"], port, id=f"o{n}", service=service, route=route)
        for n, (service, route) in enumerate(routes)
    )


def probed(case: Case, folder: Path, *asked: tuple[str, Route]) -> tuple[list[Observation], Server]:
    server = Server(tls_table.redis_over_tls(server_context(case, folder)))
    try:
        seen = probe(case, folder, lambda port: routes(*asked, port=port), server)
    finally:
        server.close()
    return seen, server


FOUR = (
    ("redis-svc", Route.NAME),
    ("redis-svc", Route.ENDPOINT),
    ("redis-svc", Route.ENDPOINT),
    ("other-svc", Route.ENDPOINT),
)


def test_a_server_sees_one_failing_verification_in_a_run(folder: Path) -> None:
    """Four connections by three routes; MariaDB counts the failing ones."""
    seen, server = probed(BY_NAME["unknown CA"], folder, *FOUR)
    assert server.accepted == 4
    assert server.failed == 1
    said = {(o.ended_by.reason, o.ended_by.detail) for o in seen if o.ended_by}
    assert len(said) == 1
    assert said.pop()[0] is Reason.CERTIFICATE_UNTRUSTED
    assert len(seen) == 4


def test_verification_that_works_is_made_on_every_connection(folder: Path) -> None:
    seen, server = probed(BY_NAME["good"], folder, *FOUR)
    assert (server.accepted, server.failed) == (4, 0)
    assert all(o.fact("verified") is True and not o.ended_by for o in seen)


def test_a_wrong_name_is_no_failing_handshake(folder: Path) -> None:
    seen, server = probed(BY_NAME["wrong name"], folder, *FOUR)
    assert server.failed == 0
    assert {o.ended_by.reason for o in seen if o.ended_by} == {Reason.CERTIFICATE_NAME_MISMATCH}


# -- what is verified where the bridge says little -------------------------------------------------


def asked(folder: Path, module: str, protocol: str, certificate: str, spec: TlsSpec) -> Observation:
    case = replace(BY_NAME["good"], certificate=certificate)
    server = Server(tls_table.redis_over_tls(server_context(case, folder)))
    try:
        return observe(module, protocol, "127.0.0.1", server.port, tls=spec)
    finally:
        server.close()


def test_https_verifies_without_being_told(folder: Path) -> None:
    seen = asked(folder, "http", "https", "self-signed", TlsSpec())
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"400 The plain HTTP request was sent to HTTPS port", Reason.TLS_REQUIRED),
        (b"Client sent an HTTP request to an HTTPS server.", Reason.TLS_REQUIRED),
        (b"400 No required SSL certificate was sent", Reason.CLIENT_CERTIFICATE_REQUIRED),
        (b"400 The SSL certificate error", Reason.CLIENT_CERTIFICATE_REQUIRED),
    ],
)
def test_what_http_servers_say_of_tls_in_words(body: bytes, reason: Reason) -> None:
    """The words of nginx (ngx_http_special_response.c) and of Go (net/http/server.go)."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)

    server = Server(serve)
    try:
        seen = observe("http", "http", "127.0.0.1", server.port)
    finally:
        server.close()
    assert seen.ended_by is not None
    assert seen.ended_by.reason is reason


def test_the_expiry_is_in_the_wide_report(folder: Path) -> None:
    seen = probe(BY_NAME["good"], folder)[0]
    base = sample()
    first = replace(base.bridges[0], observations=(seen,))
    options = registry.report_options(width=200)
    shown = str(registry.report("wide").render(replace(base, bridges=(first,)), options))
    assert f"expires {seen.fact('not_after')}" in " ".join(shown.split())


def test_redis_encrypts_only_when_told(folder: Path) -> None:
    plain = asked(folder, "redis", "redis", "good", TlsSpec())
    tls = plain.stage(Stage.TLS)
    assert tls is not None
    assert tls.status is Status.SKIP
    seen = asked(folder, "redis", "redis", "self-signed", TlsSpec(mode=TlsMode.REQUIRE))
    assert seen.fact("verified") is False
    assert seen.fact("tls") == "TLSv1.3"


def test_the_outside_name_counts_where_it_is_dialled(folder: Path) -> None:
    case = replace(BY_NAME["outside name"], name="dialled")
    by_origin = target_of(case, 1, route=Route.ORIGIN, host="redis.corp.example")
    from k8sext.agent.tls.target import TargetTls

    assert TargetTls(by_origin, None).names == ("redis.corp.example",)
    assert TargetTls(target_of(case, 1), None).names == tls_table.BRIDGE


# -- keys of clients -------------------------------------------------------------------------------


def a_pair(folder: Path, key: str = "client") -> client_pair.ClientPair:
    values = {
        "tls.crt": Secret((folder / "client.crt").read_text()),
        "tls.key": Secret((folder / f"{key}.key").read_text()),
    }
    pair = client_pair.pair_of("s", values)
    assert pair is not None
    return pair


def context() -> Any:
    from k8sext.agent.tls.handshake import TlsContext

    return TlsContext.make(None, verify=False)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory files are Linux's")
def test_a_key_touches_no_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_file(*_: Any, **__: Any) -> Any:
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "mkstemp", no_file)
    before = os.listdir("/proc/self/fd")
    assert a_pair(folder).load(context()) == ""
    assert os.listdir("/proc/self/fd") == before


def test_elsewhere_a_key_is_in_a_file_of_ours_for_a_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []
    own = context()
    load = own.load_cert_chain

    def watched(path: str) -> None:
        modes.append(os.stat(path).st_mode & 0o777)
        load(path)

    monkeypatch.setattr(own, "load_cert_chain", watched)
    assert a_pair(folder).load(own) == ""
    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_key_asks_nobody(folder: Path) -> None:
    sealed = folder / "sealed.key"
    subprocess.run(
        ["openssl", "ec", "-in", "client.key", "-out", sealed, "-aes128", "-passout", "pass:x"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    assert a_pair(folder, "sealed").load(context()) == "tls.key is encrypted"


def test_service_binding_names() -> None:
    values = {"certificates": Secret("c"), "private-key": Secret("k"), "tls.crt": Secret("alone")}
    pair = client_pair.pair_of("s", values)
    assert pair is not None
    assert pair.names == ("certificates", "private-key")
    assert client_pair.pair_of("s", {"tls.crt": Secret("alone")}) is None
    assert "'c'" not in repr(pair)
