"""KX158: a port's name says HTTP, its server speaks something else, and a mesh goes by the name."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity

from ._mesh import meshes
from ._pieces import key_of_bridge, patch, replaced

# What Istio takes for HTTP: a name is `PROTOCOL` or `PROTOCOL-SUFFIX`, appProtocol goes before it
# (Istio documentation, Protocol Selection).
HTTP_NAMES = ("http", "http2", "grpc", "grpc-web")
TCP = "tcp"  # right for all of them; mysql, redis and mongo are off in Istio by default
NO_HTTP = ("postgresql", "mysql", "redis", "rabbitmq")  # checks of protocols that are no HTTP


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each port; only Istio goes by names."""
    known = {name for name, mesh in meshes(subject.objects).items() if mesh == "Istio"}
    for bridge in subject.bridges:
        for port in bridge.ports if bridge.namespace in known else ():
            if port.protocol in NO_HTTP and _taken_for_http(port):
                yield _finding(bridge, port, subject)


def _taken_for_http(port: Port) -> bool:
    word = port.app_protocol.lower() or port.name.partition("-")[0]
    return word in HTTP_NAMES or word == "kubernetes.io/h2c"


def _finding(bridge: Bridge, port: Port, subject: Subject) -> Finding:
    said = f"appProtocol {port.app_protocol}" if port.app_protocol else f"its name {port.name}"
    command = _command(bridge, port, subject)
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=f"Service/{bridge.ref}",
        summary=f"port {port.port} of Service {bridge.service} is HTTP by {said}, its server "
        f"speaks {port.protocol}: the mesh of namespace {bridge.namespace} goes by it and breaks "
        "the connections of every pod with a proxy",
        fix=f"say appProtocol {TCP} at the Service's port{': ' if command else ''}{command}",
        command=command,
        bridge=bridge.ref,
        ports=(port.key,),
    )


def _command(bridge: Bridge, port: Port, subject: Subject) -> str:
    """appProtocol wins over the name, and changes nothing for kube-proxy and endpoints."""
    service = subject.objects.service_of.get(key_of_bridge(bridge))
    ports = list(((service or {}).get("spec") or {}).get("ports") or ())
    index = next((n for n, p in enumerate(ports) if p.get("port") == port.port), None)
    if index is None or bridge.kind is Kind.EXTERNAL_NAME:
        return ""
    step = replaced(f"/spec/ports/{index}/appProtocol", TCP)
    return patch("Service", bridge.namespace, bridge.service, step)


RULE = Rule(
    code="KX158",
    line="a port is HTTP by its name and is none, where a mesh goes by names",
    judge=judge,
)
