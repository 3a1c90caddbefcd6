"""Alertmanager 0.25, of Debian: sends to a web hook at once and again every second."""

from __future__ import annotations

import json
import shutil
from typing import Any

from tests.lab import wire
from tests.lab.component import give, spawn
from tests.lab.guise import Guise, Role
from tests.lab.place import LabError, Place

MEMBERS_PORT = 9094
_USER = "prometheus"
_QUICK = {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1s"}


def _config(guise: Guise) -> dict[str, Any]:
    first: dict[str, Any] = {"name": "hook"}
    if "to" in guise.peers:
        hook = guise.peers["to"]
        first["webhook_configs"] = [{"url": f"http://{hook.address}:{hook.port}/hook"}]
    others = [{"name": str(name)} for name in guise.options.get("receivers", [])]
    return {"route": {"receiver": "hook", **_QUICK}, "receivers": [first, *others]}


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data").mkdir()
    give(folder / "data", _USER)
    (folder / "alertmanager.yml").write_text(json.dumps(_config(guise)))
    members = f"{guise.address}:{MEMBERS_PORT}" if guise.options.get("member") else ""
    argv = [
        "prometheus-alertmanager",
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address={guise.address}:{guise.port}",
        f"--web.route-prefix={guise.options.get('base_path', '/')}",
        f"--cluster.listen-address={members}",
        "--cluster.settle-timeout=1s",
        "--cluster.probe-interval=500ms",
        "--cluster.probe-timeout=250ms",
        "--cluster.reconnect-interval=1s",
        "--cluster.reconnect-timeout=10m",
    ]
    if "joins" in guise.peers:
        argv.append(f"--cluster.peer={guise.peers['joins'].address}:{MEMBERS_PORT}")
    spawn(place, guise.component_name, guise.name, argv, user=_USER, env={"GOMAXPROCS": "2"})


def _ready(place: Place, guise: Guise) -> bool:
    """It is there; of two members, both know each other."""
    status = json.loads(_ask(place, guise, "GET", "/api/v2/status").body)["cluster"]
    if not guise.options.get("member"):
        return True
    wanted = 2 if "joins" in guise.peers else 1
    return status["status"] == "ready" and len(status["peers"]) >= wanted


def _ask(
    place: Place, guise: Guise, method: str, path: str, body: bytes | None = None
) -> wire.Reply:
    base = str(guise.options.get("base_path", ""))
    headers = {"Content-Type": "application/json"} if body else {}
    where = (place, guise.name, guise.address, guise.port, f"{base}{path}")
    return wire.http_request(*where, method=method, body=body, headers=headers)


def _tell(place: Place, guise: Guise, text: str) -> str:
    """`alert NAME`, or another configuration, which it is to reload; its own again for `own`."""
    if text.startswith("alert "):
        alert = [{"labels": {"alertname": text.removeprefix("alert ")}}]
        reply = _ask(place, guise, "POST", "/api/v2/alerts", json.dumps(alert).encode())
    else:
        own = json.dumps(_config(guise))
        (guise.folder(place) / "alertmanager.yml").write_text(own if text == "own" else text)
        reply = _ask(place, guise, "POST", "/-/reload")
        if text != "own":
            return reply.body.decode()
    if reply.status != 200:
        raise LabError(f"Alertmanager: {text}: {reply.status} {reply.body[:300]!r}")
    return reply.body.decode()


ROLE = Role(
    name="alertmanager",
    protocol="alertmanager",
    port=9093,
    start=_start,
    ready=_ready,
    options={
        "to": {"type": "text"},
        "receivers": {"type": "list", "items": {"type": "text"}},
        "base_path": {"type": "text"},
        "member": {"type": "boolean"},
        "joins": {"type": "text"},
    },
    tell=_tell,
    leans_on=("to", "joins"),
    attaches=("joins",),
)
