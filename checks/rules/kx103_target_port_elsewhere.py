"""KX103: the endpoints of a bridge have another port than the Service's targetPort says."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.plan import join_address
from k8sext.model.words import Severity

from ._pieces import ANOTHER_ANSWERS, NOBODY_THERE, key_of_bridge, number_of, patch, pieces
from ._pieces import replaced as operation


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each port with a targetPort that no endpoint has.

    The API fills targetPort with the port where it was left out, so that only another number was
    written by somebody. Without a selector nothing reads it.
    """
    for bridge in subject.bridges:
        if bridge.kind is Kind.EXTERNAL_NAME or bridge.selector:
            continue
        for port in bridge.ports:
            wanted = number_of(port.target_port)
            ends = bridge.endpoints_of(port)
            if wanted and ends and wanted not in {port.port, *(e.port for e in ends)}:
                yield _finding(bridge, port, wanted, ends, subject)


def _finding(
    bridge: Bridge, port: Port, wanted: int, ends: tuple[Endpoint, ...], subject: Subject
) -> Finding:
    """Endpoints that repeat the Service's port are the usual mistake; other numbers contradict."""
    there = " and ".join(sorted({str(e.port) for e in ends}))
    repeated = {e.port for e in ends} == {port.port}
    headless = bridge.kind is Kind.HEADLESS
    command = _command(bridge, port, wanted, subject)
    return Finding(
        code=RULE.code,
        severity=Severity.NOTE if repeated else Severity.WARN,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} says targetPort {wanted} and its endpoints say port "
        f"{there}: "
        + ("a headless Service maps no ports" if headless else "without a selector only the "
           "endpoints' port counts"),
        fix=f"if the server listens on {wanted}, write it there: {command}",
        command=command,
        bridge=bridge.ref,
        ports=(port.key,),
        addresses=tuple(join_address(e.address, e.port) for e in ends),
        explains=(*NOBODY_THERE, *ANOTHER_ANSWERS, "KX307") if repeated else NOBODY_THERE,
    )  # fmt: skip


def _command(bridge: Bridge, port: Port, wanted: int, subject: Subject) -> str:
    """The endpoints' port becomes the targetPort; at a headless Service the Service's port too."""
    commands = [
        patch(p.kind, bridge.namespace, p.name, operation(f"{p.path}/ports/{n}/port", wanted))
        for p in pieces(subject.objects, key_of_bridge(bridge))
        for n, entry in enumerate(p.ports)
        if (entry.get("name") or "") == port.name
    ]
    if bridge.kind is Kind.HEADLESS:
        change = operation(f"/spec/ports/{bridge.ports.index(port)}/port", wanted)
        commands.append(patch("service", bridge.namespace, bridge.service, change))
    return "; ".join(commands)


RULE = Rule(
    code="KX103",
    line="the endpoints of a bridge have another port than the Service's targetPort says",
    judge=judge,
)
