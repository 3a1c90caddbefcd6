"""KX102: the endpoints of a port have another transport (TCP, UDP, SCTP) than the Service."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Port
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity

from ._pieces import NO_BACKEND, Piece, key_of_bridge, patch, pieces, replaced

EXPLAINS = (*NO_BACKEND, "KX301", "KX302", "KX308", "KX310")


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each port whose endpoints differ from it.

    A port is matched by name and transport; both default to TCP (kube-proxy's ServicePortName).
    """
    for bridge in subject.bridges:
        written = list(pieces(subject.objects, key_of_bridge(bridge)))
        for port in bridge.ports:
            found = [(p, n, _transport(e)) for p in written for n, e in _named(p, port)]
            other = [(p, n) for p, n, transport in found if transport != port.transport]
            if other:
                yield _finding(bridge, port, other, whole=len(other) == len(found))


def _named(piece: Piece, port: Port) -> Iterator[tuple[int, dict[str, object]]]:
    """The ports of a piece that have the name of the Service's port."""
    for number, entry in enumerate(piece.ports):
        if (entry.get("name") or "") == port.name:
            yield number, dict(entry)


def _transport(entry: dict[str, object]) -> str:
    return str(entry.get("protocol") or "TCP")


def _finding(bridge: Bridge, port: Port, other: list[tuple[Piece, int]], *, whole: bool) -> Finding:
    """Where no endpoint fits, the port leads nowhere; a UDP port is not probed, so this is said."""
    piece, number = other[0]
    transport = _transport(dict(piece.ports[number]))
    command = "; ".join(
        patch(
            p.kind, bridge.namespace, p.name,
            replaced(f"{p.path}/ports/{n}/protocol", port.transport),
        )
        for p, n in other
    )  # fmt: skip
    effect = "nothing leads from one to the other" if whole else "its addresses are never used"
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL if whole else Severity.WARN,
        object=piece.ref(bridge.namespace),
        summary=f"port {port.key} of Service {bridge.service} is {port.transport} and the port of "
        f"that name in {piece.kind} {piece.name} is {transport}: {effect}",
        fix=f"say {port.transport} there: {command}",
        command=command,
        bridge=bridge.ref,
        ports=(port.key,),
        explains=EXPLAINS if whole else (),
        harmful=whole and port.transport != "TCP",
    )


RULE = Rule(
    code="KX102",
    line="the endpoints of a port have another transport (TCP, UDP, SCTP) than the Service",
    judge=judge,
)
