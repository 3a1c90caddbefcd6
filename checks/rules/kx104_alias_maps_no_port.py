"""KX104: an ExternalName Service has a targetPort, and an alias maps no port."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind, Port
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import ANOTHER_ANSWERS, NOBODY_THERE, number_of, patch, replaced


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each port of an alias with another targetPort."""
    for bridge in subject.bridges:
        if bridge.kind is Kind.EXTERNAL_NAME:
            for number, port in enumerate(bridge.ports):
                wanted = number_of(port.target_port)
                if wanted and wanted != port.port:
                    yield _finding(bridge, port, number, wanted)


def _finding(bridge: Bridge, port: Port, number: int, wanted: int) -> Finding:
    """DNS gives the outside name and nothing else: clients dial the port that they were given."""
    command = patch(
        "service", bridge.namespace, bridge.service,
        replaced(f"/spec/ports/{number}/port", wanted),
    )  # fmt: skip
    return Finding(
        code=RULE.code,
        severity=Severity.NOTE,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} is an alias (ExternalName) and maps no ports: clients "
        f"that use {bridge.service}:{port.port} dial {bridge.external_name}:{port.port}, not the "
        f"targetPort {wanted}",
        fix=f"let applications use port {wanted}, and write it in the Service: {command}; to keep "
        f"port {port.port}, make it a Service with addresses: k8sext provision "
        f"{word(bridge.service)} -n "
        f"{word(bridge.namespace)} --to ADDRESS:{wanted} --adopt",
        bridge=bridge.ref,
        ports=(port.key,),
        explains=(*NOBODY_THERE, *ANOTHER_ANSWERS),
    )


RULE = Rule(
    code="KX104",
    line="an ExternalName Service has a targetPort, and an alias maps no port",
    judge=judge,
)
