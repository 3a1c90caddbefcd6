"""A container registry: Debian's docker-registry 2.8 (Harbor's `/v2/` in the article), real.

With `auth: token` a token service of ours stands beside it, a stand-in
(`tests/lab/standins/token_service.py`) whose tokens the registry verifies.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any

from tests.lab import registry_files as files
from tests.lab import wire
from tests.lab.component import spawn
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import LabError, Place
from tests.lab.standins.run import start

TOKEN_PORT = 5001
USER = "shop"


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place)
    storage = folder / ("empty" if guise.options.get("storage") == "empty" else "storage")
    storage.mkdir(exist_ok=True)
    pair = None
    if guise.encrypted:
        made = guise.certificate(place, "root")
        pair = (str(made.certificate), str(made.key))
    told = files.configuration(guise.address, guise.port, storage, _auth(place, guise), pair)
    config = folder / "config.yml"
    config.write_text(told)
    spawn(place, guise.component_name, guise.name, [files.PROGRAM, "serve", str(config)])


def _auth(place: Place, guise: Guise) -> dict[str, Any] | None:
    kind = guise.options.get("auth", "none")
    folder, word = guise.folder(place), application_password(place, "registry")
    if kind == "basic":
        return files.by_accounts(folder, USER, word)
    if kind != "token":
        return None
    key, certificate = files.signer(folder)
    trusted = files.signer(folder, "other")[1] if guise.options.get("signer") else certificate
    asked = {
        "key": key, "certificate": certificate, "service": files.SERVICE, "issuer": files.ISSUER,
        "login": f"{USER}:{word}", "grants": guise.options.get("grants", True),
    }  # fmt: skip
    start(place, guise, "token_service", asked, port=TOKEN_PORT)
    return files.by_tokens(str(guise.options.get("realm") or _realm(guise)), trusted)


def _realm(guise: Guise) -> str:
    scheme = "https" if guise.encrypted else "http"
    return f"{scheme}://{guise.address}:{TOKEN_PORT}/token"


def _ready(place: Place, guise: Guise) -> bool:
    if _ask(place, guise, "GET", "/v2/")[0] not in (200, 401):
        return False
    pushed = guise.folder(place) / "pushed"
    if not pushed.exists() and guise.options.get("storage") != "empty":
        _push(place, guise)
        pushed.touch()
    return True


def _push(place: Place, guise: Guise) -> None:
    image = str(guise.options.get("image", files.IMAGE))
    login = _login_header(place, guise, image.partition(":")[0])

    def send(
        method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str]]:
        return _ask(place, guise, method, path, body, {**headers, **login})

    files.push(send, image)


def _login_header(place: Place, guise: Guise, name: str) -> dict[str, str]:
    word = application_password(place, "registry")
    basic = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{word}".encode()).decode()}
    if guise.options.get("auth") != "token":
        return basic
    path = f"/token?service={files.SERVICE}&scope=repository:{name}:pull,push"
    reply = wire.http_request(
        place, guise.name, guise.address, TOKEN_PORT, path, headers=basic, tls=_tls(guise)
    )
    if reply.status != 200:
        raise LabError(f"the token service answers {reply.status}")
    return {"Authorization": f"Bearer {json.loads(reply.body)['token']}"}


def _ask(
    place: Place,
    guise: Guise,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str]]:
    reply = wire.http_request(
        place,
        guise.name,
        guise.address,
        guise.port,
        path,
        method=method,
        body=body or None,
        headers={"Content-Length": "0", **(headers or {})} if not body else dict(headers or {}),
        tls=_tls(guise),
    )
    return reply.status, reply.headers


def _tls(guise: Guise) -> ssl.SSLContext | None:
    """It is our own server that is asked, whatever its certificate is worth."""
    if not guise.encrypted:
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _login(place: Place) -> dict[str, str]:
    return {"username": USER, "password": application_password(place, "registry")}


ROLE = Role(
    name="registry",
    protocol="registry",
    port=8888,
    start=_start,
    ready=_ready,
    options={
        "auth": {"type": "text", "enum": ["none", "basic", "token"]},
        "image": {"type": "text"},
        "storage": {"type": "text", "enum": ["empty"]},
        "realm": {"type": "text"},
        "signer": {"type": "text", "enum": ["other"]},
        "grants": {"type": "boolean"},
    },
    login=_login,
)
