"""Whom systems outside call back: every row of the judgement, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.owner import Owner
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from tests.support.seen import ADDRESS, bridge, seen

POD, NODE = "198.18.1.7:8719", "192.0.2.11:31208"


def said(
    entries: list[dict[str, Any]],
    *owners: Owner,
    source: str = "192.0.2.11",
    distinct: bool = True,
    expected: list[str] | None = None,
    vantage: str = "pod",
) -> list[Diagnosis]:
    facts: dict[str, Any] = {
        **({} if expected is None else {"expected": expected}),
        "caller": "the dashboard",
        "setting": "-Dheartbeat.ip=NODE",
        "inside": "run it inside",
        "distinct": distinct,
        "entries": entries,
    }
    told = seen(
        "o1", Route.NAME, "redis-svc:26379", Stage.VERIFY, Reason.DEGRADED, status=Status.PASS,
        callbacks=facts, source_seen=source,
    )  # fmt: skip
    end = seen("o2", Route.ENDPOINT, f"{ADDRESS}:26379")
    context = PlaceFacts(namespace="dev", vantage=vantage, address="198.18.2.9", owners=owners)
    found = judge([bridge()], [told, end], [], context).bridges[0].diagnoses
    return [d for d in found if d.code.startswith("KX8")]


def entry(address: str, state: str = "down", **more: Any) -> dict[str, Any]:
    return {"address": address, "app": "shop", "state": state, **more}


def pod(address: str = POD) -> Owner:
    return Owner(address=address, kind="pod", name="dev/shop-1")


NAMED = "gateway.example:31208"
TABLE = [
    (
        "a name that leads to a node port behind a firewall",
        entry(NAMED, reached=True, leads_to=NODE, error="context deadline exceeded"),
        Owner(address=NODE, kind="node-port", name="dev/gateway"), "KX805", Severity.FAIL,
    ),
    (
        "a name that leads to a node port with several replicas behind it",
        entry(NAMED, "up", leads_to=NODE),
        Owner(address=NODE, kind="node-port", name="dev/gateway", replicas=3),
        "KX809", Severity.WARN,
    ),
    ("what it has reached is fine", entry(POD, "up"), pod(), None, None),
    ("loopback", entry("127.0.0.1:8719", "unknown"), None, "KX803", Severity.FAIL),
    ("any address", entry("0.0.0.0:8719"), None, "KX803", Severity.FAIL),
    ("localhost", entry("localhost:80"), None, "KX803", Severity.FAIL),
    ("the only pod is gone", entry(POD), Owner(address=POD, kind="gone"), "KX804", Severity.FAIL),
    ("a live pod that answers here", entry(POD, reached=True), pod(), "KX805", Severity.FAIL),
    ("nobody looked from here", entry(POD), pod(), "KX805", Severity.FAIL),
    ("a live pod that answers nobody", entry(POD, reached=False), pod(), "KX808", Severity.WARN),
    (
        "it answers with a status",
        entry(POD, reached=True, error="server returned HTTP status 404 Not Found"),
        pod(), "KX808", Severity.WARN,
    ),
    (
        "no such node",
        entry("192.0.2.99:31208"), Owner(address="192.0.2.99:31208", kind="stranger"),
        "KX806", Severity.FAIL,
    ),
    (
        "a node where nothing listens, not tried",
        entry(NODE, "unknown"), Owner(address=NODE, kind="node", name="node1"),
        "KX806", Severity.WARN,
    ),
    (
        "a node port behind a firewall",
        entry(NODE, reached=True), Owner(address=NODE, kind="node-port", name="dev/gateway"),
        "KX805", Severity.FAIL,
    ),
    ("a Service's name", entry("shop.dev.svc:8719"), None, "KX807", Severity.FAIL),
    ("reached, and refused", entry(POD, "unwell"), pod(), "KX808", Severity.WARN),
    ("a pod's host name", entry("shop-7f-x:8080", "unknown"), None, "KX807", Severity.WARN),
    ("likely", entry(POD, "unknown"), pod(), "KX810", Severity.WARN),
    (
        "somebody else's",
        entry("203.0.113.9:80"), Owner(address="203.0.113.9:80", kind="outside"),
        "KX808", Severity.WARN,
    ),
    (
        "somebody else's that has not been tried",
        entry("203.0.113.9:80", "unknown"), Owner(address="203.0.113.9:80", kind="outside"),
        None, None,
    ),
    (
        "replicas behind one address that works",
        entry(NODE, "up"), Owner(address=NODE, kind="node-port", name="dev/gw", replicas=3),
        "KX809", Severity.WARN,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "owner", "code", "severity"), [t[1:] for t in TABLE], ids=[t[0] for t in TABLE]
)
def test_one_address(
    fact: dict[str, Any], owner: Owner | None, code: str | None, severity: Severity | None
) -> None:
    found = said([fact], *([owner] if owner else []))
    assert [(d.code, d.severity) for d in found] == ([(code, severity)] if code else [])


OUTSIDE = "203.0.113.9:9999"
REFUSED: dict[str, Any] = {"reached": False, "error": "Connection refused"}
DIFFER: dict[str, Any] = {"callers": {"10.244.1.7": "up", "172.17.0.2": "down"}}


@pytest.mark.parametrize(
    ("facts", "owner", "expected", "code", "severity"),
    [
        # Another team's executor, elsewhere, is not this bridge's failure.
        ([entry("127.0.0.1:9999")], None, [], "KX803", Severity.WARN),
        ([entry("127.0.0.1:9999")], None, ["shop"], "KX803", Severity.FAIL),
        ([entry(POD)], Owner(address=POD, kind="gone"), ["other"], "KX804", Severity.WARN),
        ([entry(POD, reached=True)], pod(), [], "KX805", Severity.FAIL),
        # The only executor of an expected application.
        ([entry(OUTSIDE, **REFUSED)], None, ["shop"], "KX808", Severity.FAIL),
        ([entry(OUTSIDE, **REFUSED)], None, ["other"], "KX808", Severity.WARN),
        (
            [entry(OUTSIDE, **REFUSED), entry("203.0.113.8:9999", "up")],
            None, ["shop"], "KX808", Severity.WARN,
        ),
        ([entry(OUTSIDE, "unwell")], None, ["shop"], "KX808", Severity.WARN),
        # Outcomes differ by who calls.
        ([entry(POD, reached=True, **DIFFER)], pod(), [], "KX811", Severity.FAIL),
        ([entry(OUTSIDE, **DIFFER)], None, ["shop"], "KX811", Severity.FAIL),
        ([entry(OUTSIDE, **DIFFER)], None, [], "KX811", Severity.FAIL),
        ([entry(POD, "up", callers={"a": "up", "b": "up"})], pod(), ["shop"], None, None),
    ],
)  # fmt: skip
def test_an_application_that_the_bridge_expects_or_does_not(
    facts: list[dict[str, Any]],
    owner: Owner | None,
    expected: list[str],
    code: str | None,
    severity: Severity | None,
) -> None:
    found = said(facts, *([owner] if owner else []), expected=expected)
    assert [(d.code, d.severity) for d in found] == ([(code, severity)] if code else [])


def test_a_second_scheduler_does_not_hide_what_else_is_wrong() -> None:
    facts = [entry(POD, reached=True, **DIFFER), {**entry("127.0.0.1:9999"), "app": "sums"}]
    found = said(facts, pod(), expected=["shop", "sums"])
    assert {(d.code, d.severity) for d in found} == {
        ("KX811", Severity.FAIL), ("KX803", Severity.FAIL),
    }  # fmt: skip


def test_a_gone_pod_beside_a_live_one_only_warns() -> None:
    other = "198.18.1.8:8719"
    facts = [entry(POD, "unknown"), entry(other, "up")]
    (found,) = said(facts, Owner(address=POD, kind="gone"), pod(other))
    assert (found.code, found.severity) == ("KX804", Severity.WARN)


def test_pods_that_leave_under_their_own_address_may_be_called_back() -> None:
    assert said([entry(POD, "unknown")], pod(), source="198.18.2.9") == []
    assert said([entry(POD, "unknown")], pod(), source="") == []


def test_where_replicas_need_no_telling_apart_nothing_is_said() -> None:
    owner = Owner(address=NODE, kind="node-port", name="dev/gw", replicas=3)
    assert said([entry(NODE, "up")], owner, distinct=False) == []


def test_the_sentence_names_caller_address_owner_and_what_to_do() -> None:
    (found,) = said([entry(POD, reached=True, error="connect timed out")], pod())
    assert found.summary == (
        "the dashboard cannot call back what runs in this cluster: "
        "198.18.1.7:8719 (shop, pod dev/shop-1, connect timed out)"
    )
    assert "-Dheartbeat.ip=NODE; or run it inside" in found.fix
    assert "198.18.1.7:8719 accepts" in found.why
    assert "198.18.2.9 was seen as 192.0.2.11" in found.why


@pytest.mark.parametrize(
    ("vantage", "dead", "alive"),
    [
        ("pod", "does not accept from a pod either", "from a pod of this cluster"),
        ("relay", "does not accept from a pod either", "from a pod of this cluster"),
        ("local", "does not accept from here either", "from here 198.18"),
    ],
)
def test_only_where_a_pod_has_looked_is_it_said(vantage: str, dead: str, alive: str) -> None:
    (found,) = said([entry(POD, reached=False)], pod(), vantage=vantage)
    assert dead in found.why
    (found,) = said([entry(POD, reached=True)], pod(), vantage=vantage)
    assert alive in found.why


GONE_NAME = "shop-gone.example:80"
NO_HOST = "dial tcp: lookup shop-gone.example on 192.0.2.53:53: no such host"


def test_a_name_that_nobody_knows_is_not_one_of_this_cluster_only() -> None:
    outside = Owner(address=GONE_NAME, kind="outside")
    (found,) = said([entry(GONE_NAME, reached=False, error=NO_HOST)], outside)
    assert (found.code, found.severity) == ("KX808", Severity.WARN)
    assert "shop-gone.example is not known in this cluster either" in found.why
    assert "does not accept" not in found.why
    known = entry(GONE_NAME, reached=True, error=NO_HOST, leads_to=NODE)
    (found,) = said([known], Owner(address=NODE, kind="node-port", name="dev/gw"))
    assert found.code == "KX807"


@pytest.mark.parametrize("hostile", [None, "x", [], {"entries": "x"}, {"entries": [1, None]}])
def test_facts_of_another_shape_say_nothing(hostile: Any) -> None:
    told = seen(
        "o1", Route.NAME, "redis-svc:26379", Stage.VERIFY, Reason.DEGRADED, status=Status.PASS,
        callbacks=hostile,
    )  # fmt: skip
    end = seen("o2", Route.ENDPOINT, f"{ADDRESS}:26379")
    context = PlaceFacts(namespace="dev", vantage="pod")
    assert judge([bridge()], [told, end], [], context).bridges[0].diagnoses == ()


@pytest.mark.parametrize(
    ("reason", "status", "code", "severity"),
    [
        (Reason.NOT_REGISTERED, Status.FAIL, "KX802", Severity.FAIL),
        (Reason.NOT_ARRIVED, Status.FAIL, "KX730", Severity.FAIL),
        (Reason.COMPANION_FAILED, Status.FAIL, "KX736", Severity.FAIL),
        (Reason.DEFAULT_LOGIN, Status.WARN, "KX615", Severity.WARN),
    ],
)
def test_what_a_check_says_itself(
    reason: Reason, status: Status, code: str, severity: Severity
) -> None:
    told = [
        seen(i, route, target, Stage.VERIFY, reason, status=status)
        for i, route, target in (
            ("o1", Route.NAME, "redis-svc:26379"),
            ("o2", Route.ENDPOINT, f"{ADDRESS}:26379"),
        )
    ]
    context = PlaceFacts(namespace="dev", vantage="pod")
    (found,) = judge([bridge()], told, [], context).bridges[0].diagnoses
    assert (found.code, found.severity) == (code, severity)


def test_the_probe_that_was_told_more_is_believed() -> None:
    """A system that was slow to answer by name has said the rest at its address."""
    told = [
        seen(
            "o1", route, where, Stage.VERIFY, Reason.DEGRADED, status=Status.PASS,
            callbacks={"caller": "the dashboard", "entries": [entry(POD, state, reached=True)]},
        )
        for route, where, state in (
            (Route.NAME, "redis-svc:26379", "unknown"),
            (Route.ENDPOINT, f"{ADDRESS}:26379", "down"),
        )
    ]  # fmt: skip
    context = PlaceFacts(namespace="dev", vantage="pod", address="198.18.2.9", owners=(pod(),))
    (found,) = judge([bridge()], told, [], context).bridges[0].diagnoses
    assert (found.code, found.severity) == ("KX805", Severity.FAIL)


def test_the_probes_own_listener_is_a_pod() -> None:
    """It has ended when the cluster is asked whose the address is."""
    (found,) = said([entry(POD, ours=True)], Owner(address=POD, kind="gone"))
    assert found.code == "KX805"
