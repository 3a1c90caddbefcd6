"""nginx: plain HTTP on 80 and 5601, TLS for `www.example.com` on 443 by the lab's authority."""

from __future__ import annotations

from pathlib import Path

from tests.lab import wire
from tests.lab.component import Component, folder_for, spawn
from tests.lab.hosts import WEB
from tests.lab.place import Place

PORTS = (80, 5601)
TLS_PORT = 443


def _settings(place: Place, folder: Path) -> str:
    plain = "\n".join(f"    listen {WEB.address}:{port};" for port in PORTS)
    certificate = place.pki / "www.example.com"
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
user www-data;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log /dev/stdout;
{temporary}
  default_type text/plain;
  server {{
{plain}
    location / {{ return 200 "nginx of the lab\\n"; }}
  }}
  server {{
    listen {WEB.address}:{TLS_PORT} ssl;
    server_name www.example.com;
    ssl_certificate {certificate}.crt;
    ssl_certificate_key {certificate}.key;
    location / {{ return 200 "nginx of the lab, by TLS\\n"; }}
  }}
}}
"""


def _start(place: Place) -> None:
    folder = folder_for(place, "nginx")
    config = folder / "nginx.conf"
    config.write_text(_settings(place, folder))
    spawn(place, "nginx", WEB.name, ["nginx", "-e", "stderr", "-c", str(config)])


def _ready(place: Place) -> bool:
    reply = wire.http_request(place, WEB.name, WEB.address, PORTS[0])
    return reply.status == 200


COMPONENT = Component("nginx", WEB.name, _start, _ready)
