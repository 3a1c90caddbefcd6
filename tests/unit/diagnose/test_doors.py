"""Two doors of a broker that lead to two brokers."""

from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose import doors
from k8sext.diagnose.codes import rows
from k8sext.diagnose.saying import say_without
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from tests.support.seen import bridge, seen

FACTS = {"target": "192.0.2.9:15672", "detail": "there is no orders"}


def door(service: str, protocol: str, cluster: str) -> Observation:
    probe = seen(
        "o-" + service, Route.NAME, "192.0.2.9:1", Stage.VERIFY, status=Status.PASS,
        service=service, cluster_name=cluster,
    )  # fmt: skip
    return replace(probe, protocol=protocol)


def report(service: str, *probes: Observation, missing: bool = False, **more: Any) -> BridgeReport:
    row = rows.ANSWERS[Reason.OBJECT_MISSING]
    said = (say_without(row, "o", {**FACTS, "service": service}),) if missing else ()
    status = Status.FAIL if missing else Status.PASS
    return BridgeReport(
        bridge=bridge(service, **more), status=status, depth=Stage.VERIFY, observations=probes,
        diagnoses=said,
    )  # fmt: skip


AMQP = door("mq-svc", "rabbitmq", "rabbit@one")
OTHER = door("mq-management-svc", "rabbitmq-management", "rabbit@two")


def codes(reports: tuple[BridgeReport, ...]) -> list[list[tuple[str, Severity]]]:
    return [[(d.code, d.severity) for d in r.diagnoses] for r in reports]


def test_what_is_missing_at_another_broker_is_not_called_missing() -> None:
    found = doors.compared(
        (report("mq-svc", AMQP), report("mq-management-svc", OTHER, missing=True))
    )
    assert codes(found) == [[], [("KX510", Severity.FAIL)]]
    said = found[1].diagnoses[0]
    assert "rabbit@one" in said.summary and "rabbit@two" in said.summary
    assert "there is no orders" in said.consequences[0]


@pytest.mark.parametrize(
    "reports",
    [
        # one broker; nothing is missing; two brokers that have nothing to do with each other
        (report("mq-svc", AMQP), report("mq-management-svc",
            door("mq-management-svc", "rabbitmq-management", "rabbit@one"), missing=True)),
        (report("mq-svc", AMQP), report("mq-management-svc", OTHER)),
        (report("billing", door("billing", "rabbitmq", "rabbit@one")),
         report("mq-management-svc", OTHER, missing=True, endpoints=())),
    ],
)  # fmt: skip
def test_nothing_is_changed_elsewhere(reports: tuple[BridgeReport, ...]) -> None:
    assert doors.compared(reports) == reports


def test_one_service_with_both_doors_is_warned_of_in_any_case() -> None:
    both = report("mq-svc", AMQP, replace(OTHER, service="mq-svc"))
    (found,) = doors.compared((both,))
    assert (found.status, [d.code for d in found.diagnoses]) == (Status.WARN, ["KX510"])
