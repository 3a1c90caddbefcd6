"""Servers of the self-test that speak HTTP: what a check asks them, and no more; all stand-ins."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from .servers import Peer, Talk
from .speakers import PASSWORD, USER

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ROOT = {
    "name": "stand-in", "cluster_name": "stand-in", "cluster_uuid": "stand-in-4711",
    "version": {"number": "8.19-stand-in", "build_flavor": "default"},
    "tagline": "You Know, for Search",
}  # fmt: skip


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer; underscores in names of headers are dashes."""
    fields = {"Content-Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1") + body


def page(document: object, status: str = "200 OK", **headers: str) -> bytes:
    """An answer in JSON."""
    return http(status, json.dumps(document).encode(), Content_Type="application/json", **headers)


def web(
    pages: Mapping[str, bytes], other: bytes = b"", *, login: bool = False, free: str = ""
) -> Talk:
    """Answers by path without its query; with `login`, 401 for anybody but our user, except at the
    path that is `free`.
    """
    missing = other or http("404 Not Found")

    async def talk(peer: Peer) -> None:
        while True:
            head = await peer.until(b"\r\n\r\n")
            path = head.split(b" ")[1].decode().partition("?")[0]
            pairs = (line.partition(b": ") for line in head.split(b"\r\n"))
            fields = {name.lower(): value for name, _, value in pairs}
            known = fields.get(b"authorization") == BASIC.encode()
            refused = login and not known and path != free
            challenge = http("401 Unauthorized", WWW_Authenticate='Basic realm="stand-in"')
            await peer.send(challenge if refused else pages.get(path, missing))

    return talk


def elasticsearch(
    colour: str = "green", *, login: bool = True, root: Mapping[str, object] = ROOT
) -> Talk:
    """A cluster of one node that has the index `orders`."""
    lost = 0 if colour == "green" else 1
    health = {"status": colour, "number_of_nodes": 1, "number_of_data_nodes": 1}
    official = {"X_elastic_product": "Elasticsearch"} if root is ROOT else {}
    pages = {
        "/": page(root, **official),
        "/_cluster/health": page({**health, "unassigned_shards": lost}),
        "/orders": page({"orders": {"settings": {"index": {"provided_name": "orders"}}}}),
    }
    return web(pages, page({"error": "stand-in"}, "404 Not Found"), login=login)


def sentinel(version: str = "") -> Talk:
    """A Sentinel dashboard without any application that lets everybody in.

    One that tells no version is older than logins; in one that does, the login is switched off.
    """
    told = {"/version": page({"code": 0, "data": version})} if version else {}
    pages = {
        **told,
        "/": http("200 OK", b'<div ng-app="sentinelDashboardApp">'),
        "/app/names.json": page({"code": 0, "data": []}),
        "/app/briefinfos.json": page({"code": 0, "data": []}),
    }
    return web(pages, page({"error": "stand-in"}, "404 Not Found"))


def xxl_job(token: str = PASSWORD, health: str = "UP") -> Talk:
    """An XXL-JOB admin 2.3.0 whose pages nobody logs in to; without a token it asks for none."""
    base = "/xxl-job-admin"
    status = "200 OK" if health == "UP" else "503 Service Unavailable"
    pages = {
        f"{base}/toLogin": http("200 OK", b'<b>XXL</b>JOB<input name="userName">'),
        f"{base}/actuator/health": page({"status": health}, status),
    }

    async def talk(peer: Peer) -> None:
        while True:  # a body, which nothing here depends on, lies before the next head
            head = await peer.until(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            known = not token or f"XXL-JOB-ACCESS-TOKEN: {token}\r\n".encode() in head
            said = "uri-mapping(k8sext) not found." if known else "The access token is wrong."
            asked = path.startswith(f"{base}/api/")
            answer = page({"code": 500, "msg": said}) if asked else pages.get(path)
            await peer.send(answer or http("404 Not Found"))

    return talk


def prometheus(*, down: int = 0, ready: bool = True) -> Talk:
    """A Prometheus with two targets on its own host; of them, some are down."""
    pages = {"/api/v1/status/walreplay": _success({"min": 0, "max": 7, "current": 3})}
    if not ready:
        return web(pages, http("503 Service Unavailable", b"Service Unavailable"))
    targets = [
        {
            "labels": {"job": "node"},
            "scrapePool": "node",
            "scrapeUrl": f"http://localhost:{9100 + n}/metrics",
            "health": "down" if n < down else "up",
            "lastError": "EOF" if n < down else "",
        }
        for n in range(2)
    ]
    pages |= {
        "/api/v1/status/buildinfo": _success({"version": "2.42-stand-in"}),
        "/-/ready": http("200 OK", b"Prometheus Server is Ready.\n"),
        "/api/v1/query": _success({"resultType": "vector", "result": []}),
        "/api/v1/targets": _success({"activeTargets": targets}),
    }
    return web(pages)


def _success(data: object) -> bytes:
    return page({"status": "success", "data": data})


def alertmanager(*, lost: int = 0) -> Talk:
    """An Alertmanager with one receiver, to which it has sent twice."""
    name = "alertmanager_notification_requests"
    metrics = f'{name}_total{{integration="webhook"}} 2\n'
    metrics += f'{name}_failed_total{{integration="webhook"}} {lost}\n'
    status = {"cluster": {"status": "disabled"}, "versionInfo": {"version": "0.25-stand-in"}}
    return web(
        {
            "/api/v2/status": page(status),
            "/api/v2/receivers": page([{"name": "night"}]),
            "/-/ready": http("200 OK", b"OK"),
            "/metrics": http("200 OK", metrics.encode()),
        }
    )


def grafana(database: str = "ok") -> Talk:
    """A Grafana without data sources; everything but its health wants a login."""
    status = "200 OK" if database == "ok" else "503 Service Unavailable"
    health = page({"database": database, "version": "11.5-stand-in"}, status)
    pages = {"/api/health": health, "/api/org": page({"id": 1}), "/api/datasources": page([])}
    return web(pages, login=True, free="/api/health")


def actuator(redis: str = "UP") -> Talk:
    """A Spring Boot application that asks for a login; its Redis decides."""
    status = "200 OK" if redis == "UP" else "503 Service Unavailable"
    parts = {"redis": {"status": redis}, "ping": {"status": "UP"}}
    health = page({"status": redis, "components": parts}, status)
    return web({"/actuator/health": health}, login=True)


def eureka(*applications: str) -> Talk:
    """A registry without a peer; each application has one instance, which nobody can call."""
    listed: list[object] = [{"name": name, "instance": [_instance(name)]} for name in applications]
    found = {"applications": {"apps__hashcode": "", "application": listed}}
    return web({"/eureka/apps": page(found)})


def _instance(name: str) -> dict[str, object]:
    return {"app": name, "instanceId": "one", "hostName": "", "status": "UP"}


def zipkin(*, up: bool = True) -> Talk:
    """A Zipkin that keeps its spans in memory, where there are none."""
    word = "UP" if up else "DOWN"
    details = {"InMemoryStorage{}": {"status": word}}
    health = {"status": word, "zipkin": {"status": word, "details": details}}
    pages = {
        "/info": page({"zipkin": {"version": "3.5-stand-in", "commit": "0"}}),
        "/health": page(health, "200 OK" if up else "503 Service Unavailable"),
        "/api/v2/services": page([]),
    }
    return web(pages)


def kibana(elasticsearch: str = "available", base: str = "") -> Talk:
    """A Kibana 8 whose link to Elasticsearch is as it is said."""
    core = {"elasticsearch": {"level": elasticsearch, "summary": "stand-in"}}
    status = {"overall": {"level": elasticsearch, "summary": "stand-in"}, "core": core}
    told = page({"name": "stand-in", "version": {"number": "8.19"}, "status": status})
    home = http("302 Found", Location=f"{base}/app/home")
    missing = page({"statusCode": 404}, "404 Not Found", kbn_name="stand-in")
    return web({f"{base}/api/status": told, f"{base}/": home}, missing)


def apollo(health: str = "UP", page_of: str = "") -> Talk:
    """A config service with one published namespace; unless told otherwise it sends its clients to
    where they are. Its health is written by Gson, as that of the real 1.9.2 and 2.5.2.
    """
    status = "200 OK" if health == "UP" else "503 Service Unavailable"
    said = {"groups": [], "status": {"code": health, "description": ""}}
    pages = {
        "/health": page(said, status),
        "/notifications/v2": page([{"namespaceName": "application", "notificationId": 7}]),
    }

    async def talk(peer: Peer) -> None:
        while True:
            head = (await peer.until(b"\r\n\r\n")).decode()
            path = head.split(" ")[1].partition("?")[0]
            here, port = peer.writer.get_extra_info("sockname")[:2]
            home = page_of or f"http://{here}:{port}/"
            known = {**pages, "/services/config": page([{"homepageUrl": home}])}
            await peer.send(known.get(path, http("404 Not Found")))

    return talk


def registry(realm: str = "") -> Talk:
    """A container registry with a login and one image; with `realm` it asks for a token there."""
    api = {"Docker_Distribution_Api_Version": "registry/2.0"}
    basic = 'Basic realm="stand-in"'
    wants = f'Bearer realm="{realm}",service="stand-in"' if realm else basic
    pages = {"/v2/": page({}, **api), "/v2/shop/web/manifests/1": page({}, **api)}
    challenge = page({"errors": []}, "401 Unauthorized", WWW_Authenticate=wants, **api)
    missing = page({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "x"}]}, "404 Not Found")

    async def talk(peer: Peer) -> None:
        while True:
            head = await peer.until(b"\r\n\r\n")
            method, path = head.split(b" ")[:2]
            known = f"Authorization: {BASIC}\r\n".encode() in head and not realm
            answer = pages.get(path.decode(), missing) if known else challenge
            bare = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            await peer.send(bare if method == b"HEAD" else answer)

    return talk
