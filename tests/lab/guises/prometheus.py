"""Prometheus 2.42, of Debian: scrapes every 2 s, itself too; a restart loses what it knew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

from tests.lab import wire
from tests.lab.component import give, spawn
from tests.lab.guise import Guise, Role
from tests.lab.place import LabError, Place

_USER = "prometheus"
_QUICK = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"}


def _jobs(guise: Guise) -> dict[str, list[str]]:
    """Job to targets: other servers, each a job of its name, and addresses."""
    names = guise.options.get("scrapes", [])
    peers = [guise.peers[f"scrapes{n}"] for n in range(len(names))]
    jobs = {n: [f"{p.address}:{p.port}"] for n, p in zip(names, peers, strict=True)}
    jobs |= {str(k): list(v) for k, v in guise.options.get("targets", {}).items()}
    return jobs


def _config(guise: Guise) -> dict[str, Any]:
    path = str(guise.options.get("path", "/metrics"))
    base = str(guise.options.get("base_path", ""))
    itself = {"targets": [f"{guise.address}:{guise.port}"]}
    scraped = [
        {"job_name": "prometheus", "metrics_path": f"{base}/metrics", "static_configs": [itself]},
        *(
            {"job_name": job, "metrics_path": path, "static_configs": [{"targets": targets}]}
            for job, targets in _jobs(guise).items()
        ),
    ]
    config: dict[str, Any] = {"global": _QUICK, "scrape_configs": scraped}
    if "alertmanager" in guise.peers:
        other = guise.peers["alertmanager"]
        to = {"static_configs": [{"targets": [f"{other.address}:{other.port}"]}]}
        config["alerting"] = {"alertmanagers": [to]}
    if guise.options.get("rules") and not guise.options.get("agent"):
        config["rule_files"] = ["rules.yml"]
    return config


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place, _USER)
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data").mkdir()
    give(folder / "data", _USER)
    (folder / "rules.yml").write_text(
        json.dumps({"groups": [{"name": "lab", "rules": guise.options.get("rules", [])}]})
    )
    _write(place, guise, _config(guise))
    store = f"={folder}/data"
    mode = [f"--storage.tsdb.path{store}", "--rules.alert.resend-delay=1s"]
    if guise.options.get("agent"):
        mode = ["--enable-feature=agent", f"--storage.agent.path{store}"]
    argv = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--web.listen-address={guise.address}:{guise.port}",
        f"--web.route-prefix={guise.options.get('base_path', '/')}",
        "--web.enable-lifecycle",
        *mode,
    ]
    spawn(place, guise.component_name, guise.name, argv, user=_USER, env={"GOMAXPROCS": "2"})


def _write(place: Place, guise: Guise, config: Mapping[str, Any] | str) -> None:
    text = config if isinstance(config, str) else json.dumps(config)  # JSON is YAML
    (guise.folder(place) / "prometheus.yml").write_text(text)


def _ask(place: Place, guise: Guise, path: str, method: str = "GET") -> wire.Reply:
    base = str(guise.options.get("base_path", ""))
    return wire.http_request(
        place, guise.name, guise.address, guise.port, f"{base}{path}", method=method
    )


def _ready(place: Place, guise: Guise) -> bool:
    """Every target has been scraped, well or not: the first is 5 s after the start."""
    reply = _ask(place, guise, "/api/v1/targets?state=active")
    if reply.status != 200:
        return False
    found = json.loads(reply.body)["data"]["activeTargets"]
    wanted = 1 + sum(map(len, _jobs(guise).values()))
    return len(found) == wanted and all(t["health"] != "unknown" for t in found)


def _tell(place: Place, guise: Guise, text: str) -> str:
    """Another configuration, which it is to reload; its own again for `own`."""
    _write(place, guise, _config(guise) if text == "own" else text)
    reply = _ask(place, guise, "/-/reload", "POST")
    if text == "own" and reply.status != 200:
        raise LabError(f"Prometheus does not take its configuration: {reply.body[:300]!r}")
    return reply.body.decode()


ROLE = Role(
    name="prometheus",
    protocol="prometheus",
    port=9090,
    start=_start,
    ready=_ready,
    options={
        "scrapes": {"type": "list", "items": {"type": "text"}},
        "targets": {"type": "mapping"},
        "path": {"type": "text"},
        "alertmanager": {"type": "text"},
        "rules": {"type": "list", "items": {"type": "mapping"}},
        "base_path": {"type": "text"},
        "agent": {"type": "boolean"},
    },
    tell=_tell,
    leans_on=("scrapes", "alertmanager"),
    attaches=("alertmanager",),
)
