"""Debian's docker-registry on loopback, with an image in it; tokens are the lab's stand-in's."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import registry_files as files
from tests.lab.standins import token_service
from tests.support.authority import Pair
from tests.support.ports import HOST, free_ports
from tests.support.serving import serving

USER, WORD = "shop", "canary-4711"
BASIC = "Basic " + base64.b64encode(f"{USER}:{WORD}".encode()).decode()


@dataclass(frozen=True)
class Running:
    """Where it listens, where tokens are given, and what it wrote."""

    port: int
    realm: str
    log: Path


@contextlib.contextmanager
def registry(
    folder: Path,
    auth: str = "none",
    realm: str = "",
    grants: bool = True,
    signer: str = "signer",
    tls: Pair | None = None,
) -> Generator[Running]:
    """A registry of its own; the image is pushed before it is given."""
    program = shutil.which(files.PROGRAM)
    if not program:
        pytest.skip("docker-registry is not installed on this machine")
    with contextlib.ExitStack() as stack:
        (port,) = free_ports(1)
        own = ""
        told: dict[str, Any] | None = None
        if auth == "basic":
            told = files.by_accounts(folder, USER, WORD)
        if auth == "token":
            key, certificate = files.signer(folder)
            options = {"key": key, "certificate": certificate, "issuer": files.ISSUER,
                       "login": f"{USER}:{WORD}", "grants": grants}  # fmt: skip
            own = _tokens(stack, options)
            trusted = files.signer(folder, signer)[1]
            told = files.by_tokens(realm or own, trusted)
        pair = (str(tls.crt), str(tls.key)) if tls else None
        config = folder / "config.yml"
        config.write_text(files.configuration(HOST, port, folder / "storage", told, pair))
        log = folder / "log"
        stack.enter_context(_process([program, "serve", str(config)], log, port))
        if signer == "signer" and grants:
            files.push(_sender(port, auth, own, bool(tls)))
        yield Running(port, realm or own, log)


def _tokens(stack: contextlib.ExitStack, options: Mapping[str, Any]) -> str:
    port = stack.enter_context(serving(token_service.make(options)))
    return f"http://{HOST}:{port}/token"


@contextlib.contextmanager
def _process(argv: list[str], log: Path, port: int) -> Generator[None]:
    with log.open("wb") as out:
        server = subprocess.Popen(argv, stdout=out, stderr=out, cwd="/")
        try:
            end = time.monotonic() + 30
            while True:
                assert server.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < end, log.read_text()[-2000:]
                with (
                    contextlib.suppress(OSError),
                    contextlib.closing(_connection(port, False)) as c,
                ):
                    c.connect()
                    break
                time.sleep(0.05)
            yield
        finally:
            server.kill()
            server.wait(10)


def _connection(port: int, tls: bool) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(HOST, port, timeout=10)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(HOST, port, timeout=10, context=context)


def _sender(port: int, auth: str, realm: str, tls: bool) -> files.Send:
    login = {"basic": {"Authorization": BASIC}}.get(auth, {})
    if auth == "token":
        name = files.IMAGE.partition(":")[0]
        url = f"{realm}?service={files.SERVICE}&scope=repository:{name}:pull,push"
        asked = urllib.request.Request(url, headers={"Authorization": BASIC})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            login = {"Authorization": f"Bearer {json.load(answer)['token']}"}

    def send(
        method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str]]:
        with contextlib.closing(_connection(port, tls)) as connection:
            connection.request(method, path, body, {**login, **headers})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}

    return send
