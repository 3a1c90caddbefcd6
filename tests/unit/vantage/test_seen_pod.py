"""What a run of a pod is worth when less than everything was heard of it."""

from typing import Any

import pytest

from k8sext.model.codec import to_json
from k8sext.model.plan import Plan, Target
from k8sext.model.report import VantageReport
from k8sext.model.words import Route
from k8sext.vantage import seen_pod
from k8sext.vantage.follow import PodRun
from k8sext.vantage.start import Trouble
from tests.support.seen import ADDRESS, at, bridge, by_name


def target(id: str, route: Route, **more: Any) -> Target:
    host = "redis-svc" if route is Route.NAME else ADDRESS
    base: dict[str, Any] = {"service": "redis-svc", "port_key": "redis", "protocol": "redis"}
    return Target(id=id, route=route, host=host, port=26379, **{**base, **more})


PLAN = Plan(
    run_id="r",
    namespace="dev",
    modules=(),
    targets=(
        target("o1", Route.NAME),
        target("o2", Route.ENDPOINT),
        target("o9", Route.CLUSTER_IP, fallback=True),
        target("o3", Route.NAME, service="other-svc", shard=1),
    ),
)
EXPANDED = Plan(
    run_id="r", namespace="dev", modules=(), targets=(target("o1", Route.NAME, expand=True),)
)
NAME = {"seq": 1, "observation": to_json(by_name())}
END_POINT = {"seq": 2, "observation": to_json(at())}
REDIS = ("redis-svc", "redis")
AMBIENT = {"ambient.istio.io/redirection": "enabled"}
UNREAD = Trouble("KX907", "the probe's log is incomplete", "")
SUMMARY = {"type": "summary", "total": 2, "interrupted": False}


def ran(*records: Any, **more: Any) -> PodRun:
    return PodRun(records=list(records), **more)


def test_all_that_was_planned_for_this_pod_was_seen() -> None:
    assert seen_pod.lost(ran(NAME, END_POINT, ended=True), PLAN) == frozenset()


@pytest.mark.parametrize("records", [[NAME], [END_POINT], []])
def test_a_missing_result_is_lost_even_with_an_end_record(records: list[Any]) -> None:
    assert seen_pod.lost(ran(*records, ended=True), PLAN) == {REDIS}


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ({"ended": True}, False),
        ({}, True),
    ],
)
def test_how_many_addresses_a_name_has_is_known_at_the_end(
    more: dict[str, Any], lost: bool
) -> None:
    assert (REDIS in seen_pod.lost(ran(NAME, **more), EXPANDED)) is lost


@pytest.mark.parametrize(
    ("summary", "lost"),
    [
        ({**SUMMARY, "total": 1}, False),
        ({**SUMMARY, "total": 2}, True),
        ({**SUMMARY, "total": 1, "interrupted": True}, True),
    ],
)
def test_a_whole_summary_counts_as_an_end(summary: dict[str, Any], lost: bool) -> None:
    assert (REDIS in seen_pod.lost(ran(NAME, summary), EXPANDED)) is lost


def test_an_interrupted_run_has_no_end() -> None:
    end = {"seq": 3, "type": "end", "interrupted": True}
    assert seen_pod.lost(ran(NAME, end, ended=True), EXPANDED) == {REDIS}


def test_a_log_that_could_not_be_read_is_no_trouble_where_all_verdicts_came_otherwise() -> None:
    whole = ran(NAME, END_POINT, SUMMARY, trouble=UNREAD, from_summary=True)
    assert seen_pod.trouble_to_report(whole, PLAN) is None
    vantage = VantageReport(namespace="dev", vantage="pod")
    assert "termination message" in seen_pod.described(vantage, whole, PLAN).notes[0]
    part = ran(NAME, SUMMARY, trouble=UNREAD, from_summary=True)
    assert seen_pod.trouble_to_report(part, PLAN) is UNREAD


def test_a_killed_pod_is_told_whatever_was_seen() -> None:
    killed = Trouble("KX911", "out of memory", "")
    assert (
        seen_pod.trouble_to_report(ran(NAME, END_POINT, trouble=killed, from_summary=True), PLAN)
        is killed
    )


def test_bridges_go_with_the_pod_that_probes_them() -> None:
    here = [bridge("redis-svc"), bridge("other-svc"), bridge("without-probe")]
    assert [b.service for b in seen_pod.bridges_of(PLAN, here, 1)] == ["other-svc"]
    assert len(seen_pod.bridges_of(PLAN, here, 0)) == 2


@pytest.mark.parametrize(
    ("pod", "mesh"),
    [
        ({"spec": {"containers": [{"name": "istio-proxy"}]}}, "Istio"),
        ({"spec": {"initContainers": [{"name": "linkerd-proxy"}]}}, "Linkerd"),
        ({"metadata": {"annotations": AMBIENT}}, "Istio ambient"),
        ({"metadata": {"annotations": None}, "spec": {"containers": [{"name": "probe"}]}}, ""),
    ],
)
def test_meshes_are_read_off_the_created_pod(pod: dict[str, Any], mesh: str) -> None:
    assert seen_pod.mesh_of(pod) == mesh
