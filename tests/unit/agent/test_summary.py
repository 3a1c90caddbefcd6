"""The termination message: verdicts there and back, in what the kubelet keeps."""

import json
from dataclasses import replace

from k8sext.agent import summary
from k8sext.model.plan import Plan, Target
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.seen import ADDRESS, at, by_name

PLAN = Plan(
    run_id="r",
    namespace="dev",
    modules=(),
    targets=(
        Target(id="o1", service="redis-svc", port_key="redis", protocol="redis", route=Route.NAME,
               host="redis-svc", port=6379, expand=True),
    ),
)  # fmt: skip


def test_a_verdict_comes_back_with_every_stage_and_reason() -> None:
    sent = by_name(Stage.AUTH, Reason.AUTH_REJECTED)
    records, (got,) = summary.decode(summary.encode([sent], None), PLAN, "node2")
    assert records[0]["total"] == 1
    assert [(s.stage, s.status, s.reason) for s in got.stages] == [
        (s.stage, s.status, s.reason) for s in sent.stages
    ]
    assert (got.id, got.service, got.route, got.node) == ("o1", "redis-svc", Route.NAME, "node2")


def test_an_address_that_the_plan_does_not_know_travels_along() -> None:
    sent = replace(at(ADDRESS), id="o1.2", target="[2001:db8::1]:6379")
    _, (got,) = summary.decode(summary.encode([sent], None), PLAN, "")
    assert (got.id, got.target, got.route) == ("o1.2", "[2001:db8::1]:6379", Route.ENDPOINT)


def test_control_probes_travel_along() -> None:
    records, _ = summary.decode(summary.encode([], {"dns": True, "api": False}), PLAN, "")
    assert records[-1] == {"type": "control", "dns": True, "api": False}


def test_what_does_not_fit_is_counted_and_the_worst_is_kept() -> None:
    good = [replace(by_name(), id=f"o{n}") for n in range(2, 500)]
    bad = by_name(Stage.CONNECT, Reason.REFUSED)
    text = summary.encode([*good, bad], {"dns": True})
    assert len(text.encode()) <= 4096
    records = json.loads(text)
    assert records[0]["total"] == 499
    assert records[0]["seen"][0].startswith("o1 ")
    assert len(records[0]["seen"]) < 499


def test_messages_that_are_not_ours_tell_nothing() -> None:
    for text in ("", "panic: x", "{}", '["x"]', "[1]"):
        assert summary.decode(text, PLAN, "") == ([], [])


def test_words_that_are_unknown_never_become_a_pass() -> None:
    text = json.dumps([{"type": "summary", "total": 2, "seen": ["o1 z p", "o1 z p p p p p:new"]}])
    _, (got,) = summary.decode(text, PLAN, "")
    assert got.stages[0].status is Status.INCONCLUSIVE
    assert got.stages[5].reason is Reason.INTERNAL_ERROR
