"""A broker that is seen by two doors, AMQP and the management API: is it one broker? Pure.

What is missing behind one door may be there behind the other, where the two lead to two clusters:
then that is said, and not that a queue is missing. Which door belongs to which is known within a
Service; between Services by an address, a Secret or a name that they share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from k8sext.model import shell
from k8sext.model.bridge import Bridge
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Severity, Status

from .codes import rows

DOORS = {"rabbitmq": "AMQP", "elk": "AMQP", "rabbitmq-management": "the management API"}
MISSING = (rows.ANSWERS[Reason.OBJECT_MISSING].code, rows.ANSWERS[Reason.VHOST_MISSING].code)
# What a Service's name says of the door, and not of the broker.
_DOOR_WORDS = ("amqp", "management", "mgmt", "admin", "api", "http", "ui", "svc", "service", "ext")


def compared(reports: Sequence[BridgeReport]) -> tuple[BridgeReport, ...]:
    """The reports, where two doors of one broker lead to two clusters."""
    return tuple(_compared(report, reports) for report in reports)


def _compared(report: BridgeReport, reports: Sequence[BridgeReport]) -> BridgeReport:
    missing = next((d for d in report.diagnoses if d.code in MISSING), None)
    others = [r for r in reports if r is not report and _related(report.bridge, r.bridge)]
    beside = [o for r in others for o in r.observations] if missing else []
    pair = _two_clusters(report.observations, (*report.observations, *beside))
    if pair is None:
        return report
    said = _diagnosis(pair, missing, report)
    rest = tuple(d for d in report.diagnoses if d is not missing)
    status = Status.WARN if report.status is Status.PASS else report.status
    return replace(report, diagnoses=(said, *rest) if missing else (*rest, said), status=status)


def _two_clusters(
    mine: Iterable[Observation], beside: Sequence[Observation]
) -> tuple[Observation, Observation] | None:
    """A probe of this bridge and one of the other door, with another cluster's name."""
    for one in mine:
        for other in beside:
            doors = DOORS.get(one.protocol), DOORS.get(other.protocol)
            names = one.fact("cluster_name"), other.fact("cluster_name")
            if all(doors) and doors[0] != doors[1] and all(names) and names[0] != names[1]:
                return one, other
    return None


def _diagnosis(
    pair: tuple[Observation, Observation], missing: Diagnosis | None, report: BridgeReport
) -> Diagnosis:
    row, (one, other) = rows.ANSWERS[Reason.OTHER_BROKER], pair
    said = (
        f"{DOORS[one.protocol]} at {one.service} is the broker {one.fact('cluster_name')}, "
        f"{DOORS[other.protocol]} at {other.service} is {other.fact('cluster_name')}"
    )
    facts = {"service": report.bridge.service, "namespace": report.bridge.namespace}
    return Diagnosis(
        code=row.code,
        severity=Severity.FAIL if missing else Severity.WARN,
        culprit=row.culprit,
        summary=shell.filled(row.summary, {**facts, "target": one.target, "detail": said}),
        why=missing.why if missing else "",
        because=missing.because if missing else (f"{one.id}", f"{other.id}"),
        fix=shell.filled(row.fix, facts),
        see=f"k8sext explain {row.code}",
        consequences=(missing.summary,) if missing else (),
    )


def _related(one: Bridge, other: Bridge) -> bool:
    """Whether two Services of a namespace are doors of what is meant to be one broker."""
    if one.namespace != other.namespace:
        return False
    addresses = {e.address for e in one.endpoints} & {e.address for e in other.endpoints}
    secrets = _secrets(one) & _secrets(other)
    return bool(addresses or secrets or _stem(one) == _stem(other))


def _secrets(bridge: Bridge) -> set[str]:
    named = (bridge.credentials, *(c for _, c in bridge.credentials_by_port))
    return {c.secret for c in named if c}


def _stem(bridge: Bridge) -> str:
    words = re.split(r"[-.]", bridge.service)
    return "-".join(w for w in words if w not in _DOOR_WORDS)
