"""HAProxy in TCP mode: it accepts first and dials afterwards, as load balancers do."""

from __future__ import annotations

from tests.lab import wire
from tests.lab.component import spawn
from tests.lab.guise import Guise, Role
from tests.lab.place import Place


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place)
    backs = [p for name, p in sorted(guise.peers.items()) if name.startswith("to")]
    servers = [f"  server s{n} {back.address}:{back.port}" for n, back in enumerate(backs)]
    settings = [f"  {key} {value}" for key, value in guise.options.get("settings", {}).items()]
    config = folder / "haproxy.cfg"
    text = f"""
global
  maxconn 200
defaults
  mode tcp
  timeout connect 20s
  timeout client 60s
  timeout server 60s
  retries 0
listen front
  bind {guise.address}:{guise.port}
"""
    config.write_text(text + "\n".join([*settings, *servers]) + "\n")
    spawn(place, guise.component_name, guise.name, ["haproxy", "-db", "-f", str(config)])


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


ROLE = Role(
    name="haproxy",
    protocol="tcp",
    port=7000,
    start=_start,
    ready=_ready,
    options={
        "to": {"type": ["text", "list"], "items": {"type": "text"}},
        "settings": {"type": "mapping"},
    },
    leans_on=("to",),
)
