"""nginx: a fixed answer, or a proxy (with TLS and login) before another server."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from tests.lab import wire
from tests.lab.component import spawn
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import Place

_USER = "www-data"


def _location(place: Place, guise: Guise, folder: Path) -> list[str]:
    options = guise.options
    inner: list[str] = []
    if "hosts" in options:
        inner.append(f'if ($host !~ "^({"|".join(options["hosts"])})$") {{ return 404; }}')
    if options.get("forbidden"):
        inner.append("deny all;")
    if options.get("login"):
        accounts = folder / "accounts"
        accounts.write_text(f"shop:{_hashed(application_password(place, 'nginx'))}\n")
        inner += ['auth_basic "lab";', f"auth_basic_user_file {accounts};"]
    if "to" in guise.peers:
        back = guise.peers["to"]
        inner += [f"proxy_pass http://{back.address}:{back.port};", "proxy_connect_timeout 2s;"]
        return inner
    inner += [f"add_header {name} {value} always;" for name, value in _headers(guise)]
    body = str(options.get("body", "nginx of the gym\n"))
    (folder / "www").mkdir(exist_ok=True)
    (folder / "www" / "answer").write_text(body)
    status = int(options.get("status", 200))
    if status == 200:
        return [*inner, f"root {folder}/www;", "try_files /answer =404;"]
    return [*inner, f"return {status} '{body.strip()}';"]


def _headers(guise: Guise) -> list[tuple[str, str]]:
    return [(str(k), f'"{v}"') for k, v in guise.options.get("headers", {}).items()]


def _hashed(word: str) -> str:
    """Salted SHA-1 as nginx reads it (`{SSHA}`)."""
    salt = os.urandom(6)
    digest = hashlib.sha1(word.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _listen(place: Place, guise: Guise) -> list[str]:
    if not guise.encrypted:
        return [f"listen {guise.address}:{guise.port};"]
    pair = guise.certificate(place, "root")
    asked = guise.options["tls"]
    said = [f"listen {guise.address}:{guise.port} ssl;", f"ssl_certificate {pair.certificate};"]
    said += [f"ssl_certificate_key {pair.key};"]
    if asked.get("versions"):
        said += [f"ssl_protocols {asked['versions']};"]
    if asked.get("ciphers"):
        said += [f"ssl_ciphers '{asked['ciphers']}';"]
    if asked.get("client") == "required":
        said += [f"ssl_client_certificate {place.pki}/ca.crt;", "ssl_verify_client on;"]
    return said


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"  {kind}_temp_path {folder}/{kind};" for kind in kinds)
    server = "\n    ".join(_listen(place, guise))
    location = "\n      ".join(_location(place, guise, folder))
    config = folder / "nginx.conf"
    config.write_text(f"""
daemon off;
user {_USER};
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
{temporary}
  default_type {guise.options.get("type", "text/plain")};
  server {{
    {server}
    server_name _;
    location / {{
      {location}
    }}
  }}
}}
""")
    argv = ["nginx", "-e", "stderr", "-c", str(config)]
    spawn(place, guise.component_name, guise.name, argv)


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


def _login(place: Place) -> dict[str, str]:
    return {"username": "shop", "password": application_password(place, "nginx")}


ROLE = Role(
    name="nginx",
    protocol="http",
    port=80,
    start=_start,
    ready=_ready,
    options={
        "status": {"type": "number"},
        "body": {"type": "text"},
        "type": {"type": "text"},
        "headers": {"type": "mapping"},
        "login": {"type": "boolean"},
        "forbidden": {"type": "boolean"},
        "hosts": {"type": "list", "items": {"type": "text"}},
        "to": {"type": "text"},
    },
    login=_login,
    leans_on=("to",),
)
