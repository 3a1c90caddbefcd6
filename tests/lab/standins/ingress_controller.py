"""A stand-in of an ingress controller: Ingress objects become the configuration of an nginx.

It is not ingress-nginx. It does what that one is documented to do for plain Ingresses
(kubernetes.github.io/ingress-nginx, user guide; internal/ingress/controller/controller.go of
kubernetes/ingress-nginx): it serves its own class, sends to the endpoints' addresses and not to
cluster IPs, answers 404 for a host that nobody has and 503 for a backend without endpoints, sends
a host with TLS on to https (308), shows a certificate of its own where a Secret cannot be used,
and writes its address into the Ingress's status. No annotation but `backend-protocol`, no
expressions, no sessions.

Run as `python -S ingress_controller.py '{"kubeconfig": FILE, "address": IP, "folder": FOLDER,
"class": NAME, "certificate": FILE, "key": FILE, "resolver": IP, "external_names": "yes"}'`;
standard library only. With `external_names` "no" a backend of that type gets 503.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EVERY_S = 0.4
GENERATION_PORT = 8099
NETWORKING = "/apis/networking.k8s.io/v1"
CONTROLLER = "lab.k8sext.io/ingress-standin"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
PROTOCOL_ANNOTATION = "nginx.ingress.kubernetes.io/backend-protocol"
Object = Mapping[str, Any]


class Api:
    """The API server, by the certificate of a kubeconfig in JSON."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.host = cluster["server"].removeprefix("https://")
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authority)
        pair = folder / "client.pem"
        pair.touch(mode=0o600)
        words = (user["client-certificate-data"], user["client-key-data"])
        pair.write_bytes(b"\n".join(base64.b64decode(word) for word in words))
        self.tls.load_cert_chain(pair)
        self.connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: object = None, kind: str = "") -> Any:
        """One request; a connection that broke is made anew by the next one."""
        made = self.connection
        if made is None:
            made = http.client.HTTPSConnection(self.host, context=self.tls, timeout=5)
        self.connection = None
        data = None if body is None else json.dumps(body)
        made.request(method, path, data, {"Content-Type": kind} if kind else {})
        answer = made.getresponse()
        read = answer.read()
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {read[:200]!r}")
        self.connection = made
        return json.loads(read)

    def items(self, path: str) -> list[Object]:
        """All of a list."""
        found: list[Object] = self.ask("GET", path).get("items") or []
        return found


@dataclass
class Server:
    """One host name: where its paths lead, and its certificate."""

    name: str
    locations: dict[str, str] = field(default_factory=dict[str, str])
    secret: tuple[str, str] | None = None
    tls: bool = False


@dataclass(frozen=True)
class Seen:
    """The objects of one look."""

    ingresses: Sequence[Object]
    services: Mapping[tuple[str, str], Object]
    slices: Sequence[Object]
    secrets: Mapping[tuple[str, str], Object]


def look(api: Api, name: str) -> Seen:
    """Ingresses first: what they lead to is then at least as new."""
    every = api.items(f"{NETWORKING}/ingresses")
    mine = [i for i in every if class_of(i) == name]
    mine.sort(key=lambda i: (i["metadata"]["creationTimestamp"], key_of(i)))
    secrets = "/api/v1/secrets?fieldSelector=type%3Dkubernetes.io/tls"
    wanted = any(i["spec"].get("tls") for i in mine)
    return Seen(
        ingresses=mine,
        services=by_name(api.items("/api/v1/services")) if mine else {},
        slices=api.items("/apis/discovery.k8s.io/v1/endpointslices") if mine else (),
        secrets=by_name(api.items(secrets)) if wanted else {},
    )


def key_of(item: Object) -> tuple[str, str]:
    """Namespace and name."""
    return item["metadata"]["namespace"], item["metadata"]["name"]


def by_name(items: Iterable[Object]) -> Mapping[tuple[str, str], Object]:
    """Objects by namespace and name."""
    return {key_of(item): item for item in items}


def class_of(item: Object) -> str:
    """The field, else the old annotation."""
    noted = (item["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION, "")
    return str(item["spec"].get("ingressClassName") or noted)


# -- from objects to servers ---------------------------------------------------------------------


def servers(seen: Seen, *, outside: bool = True) -> dict[str, Server]:
    """Every host; of two Ingresses that claim the same path the older has it."""
    found = {"": Server("")}
    for item in seen.ingresses:
        for host, path, backend in rules(item):
            server = found.setdefault(host, Server(host))
            for location in locations(path):
                server.locations.setdefault(location, target(seen, item, backend, outside))
        for entry in item["spec"].get("tls") or []:
            for host in entry.get("hosts") or []:
                server = found.setdefault(host, Server(host))
                server.tls = True
                if entry.get("secretName"):
                    server.secret = (item["metadata"]["namespace"], entry["secretName"])
    return found


def rules(item: Object) -> Iterator[tuple[str, Object, Object]]:
    """(host, path, backend)."""
    spec = item["spec"]
    for rule in spec.get("rules") or []:
        for path in (rule.get("http") or {}).get("paths") or []:
            yield rule.get("host") or "", path, path["backend"]
    if spec.get("defaultBackend"):
        yield "", {"path": "/", "pathType": "Prefix"}, spec["defaultBackend"]


def locations(path: Object) -> list[str]:
    """Locations of nginx: whole path elements match, as `Prefix` says."""
    text = str(path.get("path") or "/")
    if path["pathType"] == "Exact":
        return [f"= {text}"]
    bare = text.rstrip("/")
    return [f"= {bare}", f"{bare}/"] if bare else ["/"]


def target(seen: Seen, item: Object, backend: Object, outside: bool) -> str:
    """What a location does."""
    namespace = item["metadata"]["namespace"]
    wanted = backend.get("service") or {}
    service = seen.services.get((namespace, wanted.get("name", "")))
    port = port_of(service, wanted.get("port") or {}) if service else None
    if service is None or port is None:
        return "return 503;"
    annotations = item["metadata"].get("annotations") or {}
    scheme = annotations.get(PROTOCOL_ANNOTATION, "HTTP").lower()
    if service["spec"].get("type") == "ExternalName":
        if not outside:
            return "return 503;"
        name = service["spec"]["externalName"]
        return f"set $outside {name}; proxy_pass {scheme}://$outside:{port['port']};"
    ends = list(endpoints(seen, namespace, wanted["name"], port.get("name") or ""))
    if not ends:
        return "return 503;"
    return f"proxy_pass {scheme}://<{' '.join(ends)}>;"  # becomes the name of an upstream


def port_of(service: Object, wanted: Object) -> Object | None:
    """A name is looked for among names, a number among numbers."""
    key, value = ("name", wanted["name"]) if wanted.get("name") else ("port", wanted.get("number"))
    ports: list[Object] = service["spec"].get("ports") or []
    return next((p for p in ports if p.get(key) == value), None)


def endpoints(seen: Seen, namespace: str, service: str, port: str) -> Iterator[str]:
    """Ready addresses, by the port's name."""
    for item in seen.slices:
        labels = item["metadata"].get("labels") or {}
        mine = item["metadata"]["namespace"] == namespace
        if not mine or labels.get("kubernetes.io/service-name") != service:
            continue
        numbers = [p["port"] for p in item.get("ports") or [] if (p.get("name") or "") == port]
        for end in item.get("endpoints") or []:
            if (end.get("conditions") or {}).get("ready") is not False:
                yield from (f"{end['addresses'][0]}:{number}" for number in numbers)


# -- from servers to nginx -----------------------------------------------------------------------


class Nginx:
    """The process, and its configuration by generations."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        self.folder = Path(settings["folder"])
        self.process: subprocess.Popen[bytes] | None = None
        self.body = ""
        self.generation = 0

    def serve(self, found: Mapping[str, Server], secrets: Mapping[tuple[str, str], Object]) -> None:
        """Have nginx serve this, and come back when it does."""
        body = "\n".join(self._server(server, secrets) for server in found.values())
        if body == self.body:
            return
        self.generation += 1
        config = self.folder / "nginx.conf"
        config.write_text(self._frame(body))
        if self.process is None:
            argv = ["nginx", "-e", "stderr", "-c", str(config)]
            self.process = subprocess.Popen(argv)
        else:
            self.process.send_signal(signal.SIGHUP)
        self._await()
        self.body = body

    def _await(self) -> None:
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            try:
                url = f"http://127.0.0.1:{GENERATION_PORT}/"
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.read() == str(self.generation).encode():
                        return
            except OSError:
                pass
            time.sleep(0.03)
        raise OSError(f"nginx does not take over generation {self.generation}")

    def _frame(self, body: str) -> str:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        text, upstreams = with_upstreams(body)
        return f"""
daemon off;
user www-data;
worker_processes 1;
pid {self.folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
access_log off;
default_type text/plain;
{temporary}
resolver {self.settings["resolver"]} valid=1s ipv6=off;
proxy_http_version 1.1;
proxy_connect_timeout 1s;
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-For $remote_addr;
{upstreams}
server {{
  listen 127.0.0.1:{GENERATION_PORT};
  return 200 "{self.generation}";
}}
{text}
}}
"""

    def _server(self, server: Server, secrets: Mapping[tuple[str, str], Object]) -> str:
        certificate, key = self._pair(server, secrets)
        first = "" if server.name else " default_server"
        address = self.settings["address"]
        lines = [f"listen {address}:80{first};", f"listen {address}:443 ssl{first};"]
        lines += [f"server_name {server.name or '_'};"]
        lines += [f"ssl_certificate {certificate};", f"ssl_certificate_key {key};"]
        if server.tls:
            lines += ["if ($scheme = http) { return 308 https://$host$request_uri; }"]
        for location, what in server.locations.items():
            lines += [f"location {location} {{ {what} }}"]
        if "/" not in server.locations:
            lines += ['location / { return 404 "default backend - 404\\n"; }']
        inner = "\n  ".join(lines)
        return f"server {{\n  {inner}\n}}"

    def _pair(self, server: Server, secrets: Mapping[tuple[str, str], Object]) -> tuple[str, str]:
        """Files of the Secret's certificate; without one that can be used, its own."""
        own = self.settings["certificate"], self.settings["key"]
        secret = secrets.get(server.secret) if server.secret else None
        data = (secret or {}).get("data") or {}
        if not data.get("tls.crt") or not data.get("tls.key"):
            return own
        base = self.folder / f"{server.secret[0]}.{server.secret[1]}" if server.secret else None
        assert base is not None
        files = Path(f"{base}.crt"), Path(f"{base}.key")
        for file, word in zip(files, ("tls.crt", "tls.key"), strict=True):
            file.touch(mode=0o600)
            file.write_bytes(base64.b64decode(data[word]))
        return str(files[0]), str(files[1])


def with_upstreams(body: str) -> tuple[str, str]:
    """`<A:1 B:2>` becomes the name of an upstream: the text, and the upstreams."""
    names: dict[str, str] = {}
    text = re.sub(r"<([^>]+)>", lambda m: names.setdefault(m[1], f"backend{len(names)}"), body)
    upstreams = (
        f"upstream {name} {{ {' '.join(f'server {end};' for end in ends.split())} }}"
        for ends, name in names.items()
    )
    return text, "\n".join(upstreams)


# -- the loop ------------------------------------------------------------------------------------


def tell_status(api: Api, seen: Seen, address: str) -> None:
    """Our address, into every Ingress that has another or none."""
    wanted = [{"ip": address}]
    for item in seen.ingresses:
        known = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress")
        if known != wanted:
            namespace, name = key_of(item)
            path = f"{NETWORKING}/namespaces/{namespace}/ingresses/{name}/status"
            status = {"status": {"loadBalancer": {"ingress": wanted}}}
            api.ask("PATCH", path, status, "application/merge-patch+json")


def own_class(api: Api, name: str) -> None:
    """The IngressClass, as an installation of a controller brings it."""
    path = f"{NETWORKING}/ingressclasses/{name}?fieldManager=ingress-standin&force=true"
    item = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name},
        "spec": {"controller": CONTROLLER},
    }
    api.ask("PATCH", path, item, "application/apply-patch+yaml")


def main(settings: Mapping[str, str]) -> None:
    """Look, serve, tell; until it is ended. What fails is said and tried again."""
    os.umask(0o077)
    Path(settings["folder"]).mkdir(parents=True, exist_ok=True)
    Path(settings["folder"]).chmod(0o755)
    api = Api(Path(settings["kubeconfig"]), Path(settings["folder"]))
    nginx = Nginx(settings)
    nginx.serve(servers(Seen((), {}, (), {})), {})
    known = False
    while True:
        try:
            if not known:
                own_class(api, settings["class"])
                known = True
            seen = look(api, settings["class"])
            nginx.serve(servers(seen, outside=settings["external_names"] == "yes"), seen.secrets)
            tell_status(api, seen, settings["address"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
