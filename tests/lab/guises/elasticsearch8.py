"""Elasticsearch 8.19: always with logins, with TLS where the case asks for it."""

from __future__ import annotations

import functools
import json
import shutil
import ssl
from base64 import b64encode
from pathlib import Path

from tests.lab import wire
from tests.lab.building import search
from tests.lab.component import give, spawn
from tests.lab.guise import Guise, Role
from tests.lab.place import LabError, Place
from tests.support.search_servers import ARTIFACTS, PASSWORD, prepare

_USER = "nobody"
_TRANSPORT = 9300
_LOGIN = {"username": "shop", "password": PASSWORD}
# What each of the two calls the settings of its HTTP port: on or off, certificate, key.
_HTTP = {
    "elasticsearch-8": (
        "xpack.security.http.ssl.enabled",
        "xpack.security.http.ssl.certificate",
        "xpack.security.http.ssl.key",
    ),
    "opensearch": (
        "plugins.security.ssl.http.enabled",
        "plugins.security.ssl.http.pemcert_filepath",
        "plugins.security.ssl.http.pemkey_filepath",
    ),
}


def _start(place: Place, guise: Guise, kind: str) -> None:
    folder = guise.folder(place, _USER)
    for part in ("home", "config", "tmp"):  # data stays, as after any restart
        shutil.rmtree(folder / part, ignore_errors=True)
    enabled, certificate, key = _HTTP[kind]
    settings: dict[str, object] = {enabled: guise.encrypted}
    if guise.encrypted:
        settings |= {certificate: "http.crt", key: "http.key"}
    settings |= guise.options.get("settings", {})
    node = prepare(kind, folder, guise.address, guise.port, _TRANSPORT, **settings)
    if guise.encrypted:
        _copy_certificate(place, guise, folder / "config")
    argv = list(node.argv)
    spawn(place, guise.component_name, guise.name, argv, user=_USER, env=node.env)


def _copy_certificate(place: Place, guise: Guise, config: Path) -> None:
    """Neither of the two reads a certificate from outside its configuration's folder."""
    pair = guise.certificate(place, _USER)
    for source, name in ((pair.certificate, "http.crt"), (pair.key, "http.key")):
        shutil.copy(source, config / name)
        give(config / name, _USER)


def _request(place: Place, guise: Guise, method: str, path: str, body: str = "") -> wire.Reply:
    """As `shop`, whatever certificate is shown: a bad one may be the case's fault."""
    tls = None
    if guise.encrypted:
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    login = b64encode(f"{_LOGIN['username']}:{PASSWORD}".encode()).decode()
    return wire.http_request(
        place,
        guise.name,
        guise.address,
        guise.port,
        path,
        method=method,
        body=body.encode() or None,
        headers={"Content-Type": "application/json", "Authorization": f"Basic {login}"},
        tls=tls,
    )


def _ready(place: Place, guise: Guise) -> bool:
    """OpenSearch answers 503 until it can judge logins."""
    reply = _request(place, guise, "GET", "/_cluster/health?local=true")
    return reply.status == 200 and json.loads(reply.body)["status"] in ("green", "yellow", "red")


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`METHOD /path JSON`."""
    method, _, rest = text.partition(" ")
    path, _, body = rest.partition(" ")
    reply = _request(place, guise, method, path, body)
    if reply.status >= 400:
        raise LabError(f"{method} {path}: {reply.status} {reply.body[:300]!r}")
    return reply.body.decode()


def _login(place: Place) -> dict[str, str]:
    return dict(_LOGIN)


def role(name: str, kind: str) -> Role:
    """The role of one of the two kinds of server that `search_servers` secures."""

    def start(place: Place, guise: Guise) -> None:
        _start(place, guise, kind)

    return Role(
        name=name,
        protocol="elasticsearch",
        port=9200,
        start=start,
        ready=_ready,
        options={"settings": {"type": "mapping"}},
        tell=_tell,
        login=_login,
        build=functools.partial(search.build, [ARTIFACTS[kind]]),
    )


ROLE = role("elasticsearch8", "elasticsearch-8")
