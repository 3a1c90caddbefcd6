"""The stand-in of an ingress controller: what it makes of objects. The lab runs it for real."""

from typing import Any

import pytest

from tests.lab.standins.ingress_controller import (
    Seen,
    class_of,
    locations,
    servers,
    with_upstreams,
)

HOST = "kibana.example.com"


def ingress(port: dict[str, Any], **spec: Any) -> dict[str, Any]:
    backend = {"service": {"name": "kibana-svc", "port": port}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rules = [{"host": HOST, "http": {"paths": [path]}}]
    meta = {"name": spec.pop("name", "kibana"), "namespace": "dev"}
    return {"metadata": meta, "spec": {"ingressClassName": "lab", "rules": rules, **spec}}


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 5601}]
    meta = {"name": "kibana-svc", "namespace": "dev"}
    return {"metadata": meta, "spec": {"type": "ClusterIP", "ports": ports, **spec}}


def piece(*addresses: str, port: str = "http", ready: bool = True) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "kibana-svc"}
    return {
        "metadata": {"name": "kibana-svc-1", "namespace": "dev", "labels": labels},
        "ports": [{"name": port, "port": 5601}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a in addresses],
    }


def led(item: dict[str, Any], *slices: dict[str, Any], outside: bool = True, **spec: Any) -> str:
    """What nginx does for the host."""
    there = {("dev", "kibana-svc"): service(**spec)}
    seen = Seen([item], there, slices, {})
    return servers(seen, outside=outside)[HOST].locations["/"]


def test_it_sends_to_the_endpoints_and_not_to_the_service() -> None:
    one, two = "198.51.100.31", "198.51.100.32"
    text = led(ingress({"name": "http"}), piece(one, two))
    assert text == f"proxy_pass http://<{one}:5601 {two}:5601>;"
    body, upstreams = with_upstreams(text + text)
    assert body == "proxy_pass http://backend0;" * 2
    assert upstreams == f"upstream backend0 {{ server {one}:5601; server {two}:5601; }}"


@pytest.mark.parametrize(
    ("port", "more"),
    [
        ({"name": "web"}, piece("198.51.100.31")),
        ({"number": 5601}, piece("198.51.100.31")),
        ({"name": "http"}, piece("198.51.100.31", port="web")),
        ({"name": "http"}, piece("198.51.100.31", ready=False)),
        ({"name": "http"}, piece()),
    ],
    ids=["name", "number", "slice's name", "not ready", "none"],
)
def test_without_an_endpoint_it_says_503(port: dict[str, Any], more: dict[str, Any]) -> None:
    assert led(ingress(port), more) == "return 503;"


def test_outside_names_where_they_are_allowed() -> None:
    name: dict[str, Any] = {"type": "ExternalName", "externalName": "kibana.corp.example"}
    allowed = led(ingress({"number": 80}), **name)
    assert allowed == "set $outside kibana.corp.example; proxy_pass http://$outside:80;"
    assert led(ingress({"number": 80}), outside=False, **name) == "return 503;"


def test_the_older_of_two_has_the_path() -> None:
    later = ingress({"name": "web"}, name="later")
    seen = Seen([ingress({"name": "http"}), later], {("dev", "kibana-svc"): service()},
                [piece("198.51.100.31")], {})  # fmt: skip
    assert "198.51.100.31" in servers(seen)[HOST].locations["/"]


def test_certificates_by_host() -> None:
    item = ingress({"name": "http"}, tls=[{"hosts": [HOST], "secretName": "kibana-tls"}])
    found = servers(Seen([item], {}, (), {}))[HOST]
    assert (found.tls, found.secret) == (True, ("dev", "kibana-tls"))


def test_its_class() -> None:
    assert class_of(ingress({})) == "lab"
    old = ingress({}, ingressClassName="")
    old["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "lab"}
    assert class_of(old) == "lab"
    assert class_of(ingress({}, ingressClassName="")) == ""


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("/", "Prefix", ["/"]),
        ("/ui", "Prefix", ["= /ui", "/ui/"]),
        ("/ui/", "Prefix", ["= /ui", "/ui/"]),
        ("/ui", "Exact", ["= /ui"]),
    ],
)
def test_prefixes_are_whole_elements(path: str, kind: str, expected: list[str]) -> None:
    assert locations({"path": path, "pathType": kind}) == expected
