"""A stand-in for Kibana, which no registry has: its status, its start, its base path.

Facts: elastic/kibana, `src/legacy/server/status` and `src/core/server/http/http_service.ts` (7.1),
`packages/core/status/core-status-server-internal/src/routes/status.ts`, `status_preboot.ts`,
`src/legacy_status.ts` (8.x). It really asks its Elasticsearch, with every status it is asked for.

Options: `version` (its major decides the shape), `elasticsearch` (`http://HOST:PORT`), `base_path`,
`rewrite` (whether it takes the base path off itself; default true), `starting`, `login`
(`USER:WORD`; 8.x tells others the overall level alone, 7.x answers 401), `plugins` (name to level).
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.lab.standins.web import Answer, Handler, Request, main

UUID = "5b2de169-2785-441b-ae8c-186a1936b17d"
UNREADY = "Kibana server is not ready yet"
COLOURS = {"available": "green", "degraded": "yellow", "unavailable": "red", "critical": "red"}
ORDER = tuple(COLOURS)
ABSENT = {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
REFUSED = {"statusCode": 401, "error": "Unauthorized", "message": "Unauthorized"}
NODES = "/_nodes?filter_path=nodes.*.version,nodes.*.http.publish_address,nodes.*.ip"


def make(options: Mapping[str, Any]) -> Handler:
    """A Kibana as the options want it."""
    version = str(options.get("version", "8.19.3"))
    headers = {"kbn-name": "lab"}
    if version.startswith("7.1."):
        headers["kbn-version"] = version
    base = str(options.get("base_path", ""))
    rewrites = bool(options.get("rewrite", True))

    def handle(request: Request) -> Answer:
        if options.get("starting"):
            return Answer(503, UNREADY, {"Retry-After": "30"})
        path = request.path
        if base and rewrites:
            if not f"{path}/".startswith(f"{base}/"):
                return Answer(404, ABSENT, headers)
            path = path.removeprefix(base) or "/"
        return _page(path, request, options, version, base, headers)

    return handle


def _page(
    path: str,
    request: Request,
    options: Mapping[str, Any],
    version: str,
    base: str,
    headers: Mapping[str, str],
) -> Answer:
    known = _known(request, options)
    if known is None:
        return Answer(401, REFUSED, headers)
    if path == "/":
        where = "/app/home" if known else "/login?next=%2F"
        return Answer(302, "", {**headers, "location": f"{base}{where}"})
    if path != "/api/status":
        return Answer(404, ABSENT, headers)
    old = version.startswith("7.")
    if not known and old:
        return Answer(401, REFUSED, headers)
    link = _link(str(options.get("elasticsearch", "")))
    plugins = {str(k): str(v) for k, v in dict(options.get("plugins", {})).items()}
    core = max((link[0], "available"), key=ORDER.index)
    if not known:
        body: dict[str, Any] = {"status": {"overall": {"level": core}}}
    else:
        shape = _seven if old else _eight
        body = {
            "name": "lab",
            "uuid": UUID,
            "version": {"number": version, "build_number": 1, "build_snapshot": False},
            "status": shape(version, link, plugins),
            "metrics": {},
        }
    lost = ORDER.index(core) >= ORDER.index("unavailable") and not version.startswith("7.1.")
    return Answer(503 if lost else 200, body, headers)


def _known(request: Request, options: Mapping[str, Any]) -> bool | None:
    """Whether the client is logged in; None: it says so, and is not."""
    login = str(options.get("login", ""))
    said = request.headers.get("authorization", "")
    if not login or not said:
        return not login
    return True if said == "Basic " + base64.b64encode(login.encode()).decode() else None


def _link(elasticsearch: str) -> tuple[str, str]:
    """Level and summary of the link, as the versions of its nodes are asked for."""
    if not elasticsearch:
        return "available", "Elasticsearch is available"
    try:
        with urllib.request.urlopen(f"{elasticsearch}{NODES}", timeout=1) as answer:
            if json.load(answer).get("nodes"):
                return "available", "Elasticsearch is available"
        why = "no nodes"
    except urllib.error.HTTPError as error:
        why = f"Response Error {error.code}"
    except (OSError, ValueError) as error:
        why = str(getattr(error, "reason", error))
    text = f"Unable to retrieve version information from Elasticsearch nodes. {why}"
    return "critical", text


def _eight(version: str, link: tuple[str, str], plugins: Mapping[str, str]) -> dict[str, Any]:
    level, summary = link
    worst = max((level, *plugins.values()), key=ORDER.index)
    depends = "Depends on elasticsearch" if level != "available" else "All services are available"
    return {
        "overall": {"level": worst, "summary": _summary(level, plugins)},
        "core": {
            "elasticsearch": {"level": level, "summary": summary, "meta": {}},
            "savedObjects": {
                "level": "unavailable" if level == "critical" else "available",
                "summary": depends,
            },
        },
        "plugins": {
            "licensing": {"level": level, "summary": depends},
            **{k: {"level": v, "summary": f"{k} is {v}"} for k, v in plugins.items()},
        },
    }


def _summary(level: str, plugins: Mapping[str, str]) -> str:
    if level != "available":
        return f"2 services are {level}: elasticsearch, savedObjects"
    bad = [name for name, word in plugins.items() if word != "available"]
    return f"1 service(s) are not well: {', '.join(bad)}" if bad else "All services are available"


def _seven(version: str, link: tuple[str, str], plugins: Mapping[str, str]) -> dict[str, Any]:
    told = {"elasticsearch": link, **{k: (v, f"{k} is {v}") for k, v in plugins.items()}}
    worst = max((word for word, _ in told.values()), key=ORDER.index)
    return {
        "overall": {"state": COLOURS[worst], "title": COLOURS[worst].capitalize(), "icon": "x"},
        "statuses": [
            {
                "id": f"plugin:{name}@{version}",
                "state": COLOURS[word],
                "message": "Ready" if word == "available" else text,
            }
            for name, (word, text) in told.items()
        ],
    }


if __name__ == "__main__":
    main(make)
