"""The differential, row by row: what was seen by each route, and who is blamed for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.codes import rows
from k8sext.diagnose.judge import Judgement, judge
from k8sext.model.bridge import Bridge, Endpoint, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.report import BridgeReport, Gate, Report
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from tests.support.seen import ADDRESS, at, bridge, by_name, seen

HERE = PlaceFacts(namespace="dev", vantage="pod", node="node2", address="198.18.1.7", policies=())
LOCAL = PlaceFacts(namespace="dev", vantage="local")
OTHER = "198.51.100.22"
CONNECT, RESOLVE, AUTH = Stage.CONNECT, Stage.RESOLVE, Stage.AUTH
HANDSHAKE, VERIFY = Stage.HANDSHAKE, Stage.VERIFY
SILENCE = Reason.TIMED_OUT
SPARED: Mapping[str, Any] = {"reason": Reason.LOGIN_REJECTED_BEFORE, "status": Status.SKIP}


def judged(
    what: Bridge,
    observations: Sequence[Observation],
    context: PlaceFacts = HERE,
    controls: Sequence[Mapping[str, Any]] = (),
) -> BridgeReport:
    return judge([what], observations, controls, context).bridges[0]


def codes(report: BridgeReport) -> list[tuple[str, str]]:
    return [(d.code, d.culprit.value) for d in report.diagnoses]


def test_all_routes_work() -> None:
    report = judged(bridge(), [by_name(), at()])
    assert (report.status, report.depth, report.diagnoses) == (Status.PASS, VERIFY, ())


BOTH = [
    (Reason.REFUSED, Reason.REFUSED, ("KX301", "server-host")),
    (Reason.TIMED_OUT, Reason.TIMED_OUT, ("KX302", "path")),
    (Reason.TIMED_OUT, Reason.REFUSED, ("KX301", "server-host")),
    (Reason.REFUSED, Reason.TIMED_OUT, ("KX302", "path")),
    (Reason.NO_ROUTE, Reason.NO_ROUTE, ("KX308", "path")),
    (Reason.NOT_PERMITTED, Reason.NOT_PERMITTED, ("KX309", "cluster-network")),
    (Reason.RESET, Reason.RESET, ("KX310", "path")),
    (Reason.REFUSED, None, ("KX303", "cluster-network")),
    (Reason.NO_ROUTE, None, ("KX303", "cluster-network")),
    (Reason.NOT_PERMITTED, None, ("KX303", "cluster-network")),
    (Reason.TIMED_OUT, None, ("KX306", "cluster-network")),
]


@pytest.mark.parametrize(("name", "endpoint", "expected"), BOTH)
def test_name_against_endpoint(
    name: Reason, endpoint: Reason | None, expected: tuple[str, str]
) -> None:
    direct = at(ADDRESS, CONNECT, endpoint) if endpoint else at()
    report = judged(bridge(), [by_name(CONNECT, name), direct])
    assert codes(report) == [expected]
    assert report.status is Status.FAIL


def test_only_the_name_works_and_nobody_is_blamed() -> None:
    report = judged(bridge(), [by_name(), at(ADDRESS, CONNECT, Reason.TIMED_OUT)])
    assert codes(report) == [("KX312", "cluster-network")]
    assert (report.status, report.depth) == (Status.PASS, VERIFY)
    assert report.diagnoses[0].severity is Severity.NOTE


@pytest.mark.parametrize("name_fails", [False, True])
def test_one_of_two_addresses_is_dead(name_fails: bool) -> None:
    name = by_name(CONNECT, Reason.REFUSED) if name_fails else by_name()
    dead = at(OTHER, CONNECT, Reason.REFUSED, "o3")
    report = judged(bridge("redis-svc", ADDRESS, OTHER), [name, at(), dead])
    assert codes(report) == [("KX307", "server-host")]
    assert OTHER in report.diagnoses[0].summary
    assert "50 %" in report.diagnoses[0].summary
    assert "o3/connect" in report.diagnoses[0].because


def test_a_name_that_we_had_no_time_for_is_no_defect_of_ours() -> None:
    late = {"status": Status.INCONCLUSIVE}
    name = by_name(RESOLVE, Reason.OUT_OF_TIME, **late)
    report = judged(bridge(), [name, at(ADDRESS, RESOLVE, Reason.OUT_OF_TIME, **late)])
    assert codes(report) == [("KX908", "tool-environment")]
    assert report.status is Status.INCONCLUSIVE


def test_an_address_that_we_had_no_time_for_is_not_dead() -> None:
    late = at(OTHER, RESOLVE, Reason.OUT_OF_TIME, "o3", status=Status.INCONCLUSIVE)
    report = judged(bridge("redis-svc", ADDRESS, OTHER), [by_name(), at(), late])
    assert codes(report) == [("KX908", "tool-environment")]
    assert report.status is Status.INCONCLUSIVE


# -- what the objects explain --------------------------------------------------------------------


def test_port_names_that_differ() -> None:
    unmatched = Endpoint(address=ADDRESS, port=26379, port_name="tcp")
    what = bridge(endpoints=(unmatched,))
    report = judged(what, [by_name(CONNECT, Reason.REFUSED), at()])
    assert codes(report) == [("KX304", "manifest")]
    assert "'redis'" in report.diagnoses[0].summary
    assert "'tcp'" in report.diagnoses[0].summary


def test_no_endpoints_at_all() -> None:
    report = judged(bridge(endpoints=()), [by_name(CONNECT, Reason.REFUSED)])
    assert codes(report) == [("KX305", "manifest")]
    assert "k8sext provision redis-svc -n dev" in report.diagnoses[0].fix


@pytest.mark.parametrize("reason", [Reason.NAME_NOT_FOUND, Reason.NAME_NO_ADDRESS])
def test_a_headless_service_without_endpoints_has_no_name(reason: Reason) -> None:
    what = bridge(kind=Kind.HEADLESS, endpoints=(), cluster_ips=())
    assert codes(judged(what, [by_name(RESOLVE, reason)])) == [("KX305", "manifest")]


def test_endpoints_that_are_not_ready() -> None:
    what = bridge()
    what = replace(what, endpoints=tuple(replace(e, ready=False) for e in what.endpoints))
    report = judged(what, [by_name(CONNECT, Reason.REFUSED), at()])
    assert codes(report) == [("KX315", "manifest")]


# -- names ---------------------------------------------------------------------------------------

NAMES = [
    (Reason.NAME_NOT_FOUND, ("KX201", "manifest")),
    (Reason.NAME_NO_ADDRESS, ("KX202", "manifest")),
    (Reason.DNS_TIMED_OUT, ("KX203", "cluster-dns")),
    (Reason.NAME_NOT_A_NAME, ("KX204", "manifest")),
    (Reason.DNS_SERVER_FAILURE, ("KX205", "cluster-dns")),
]


@pytest.mark.parametrize(("reason", "expected"), NAMES)
def test_outside_names(reason: Reason, expected: tuple[str, str]) -> None:
    what = bridge(
        kind=Kind.EXTERNAL_NAME, external_name="redis.corp.example", endpoints=(), cluster_ips=()
    )
    assert codes(judged(what, [by_name(RESOLVE, reason)])) == [expected]


def test_a_service_that_cluster_dns_does_not_know_is_not_the_manifests_fault() -> None:
    report = judged(bridge(), [by_name(RESOLVE, Reason.NAME_NOT_FOUND), at()])
    assert codes(report) == [("KX206", "cluster-dns")]
    assert "externalName" not in report.diagnoses[0].fix


def dead_dns() -> Judgement:
    observations = [
        seen(f"o{n}", Route.NAME, f"{s}:26379", RESOLVE, Reason.DNS_TIMED_OUT, service=s)
        for n, s in enumerate(("a", "b", "c"))
    ]
    direct = seen("o9", Route.ENDPOINT, f"{ADDRESS}:26379", service="a")
    proof = {"dns": False, "connected": True}
    return judge([bridge(s) for s in ("a", "b", "c")], [*observations, direct], [proof], HERE)


def test_a_dead_dns_is_one_diagnosis() -> None:
    judgement = dead_dns()
    assert [d.code for d in judgement.overall] == ["KX203"]
    assert len(judgement.overall[0].consequences) == 3
    assert [b.diagnoses for b in judgement.bridges] == [(), (), ()]
    assert {b.status for b in judgement.bridges} == {Status.FAIL}


# -- what the server says ------------------------------------------------------------------------


@pytest.mark.parametrize("reason", sorted(rows.ANSWERS))
def test_every_answer_has_its_row(reason: Reason) -> None:
    row = rows.ANSWERS[reason]
    report = judged(bridge(), [by_name(VERIFY, reason), at(ADDRESS, VERIFY, reason)])
    assert [(d.code, d.severity) for d in report.diagnoses] == [(row.code, row.severity)]
    assert "{" not in report.diagnoses[0].summary + report.diagnoses[0].fix
    assert report.diagnoses[0].because[0] in ("o1/verify", "o2/verify")


def test_a_warning_passes_and_is_told() -> None:
    soon = Reason.CERTIFICATE_EXPIRES_SOON
    report = judged(bridge(), [by_name(Stage.TLS, soon, status=Status.WARN), at()])
    assert codes(report) == [("KX408", "tls")]
    assert (report.status, report.depth) == (Status.WARN, VERIFY)


def test_the_servers_own_words_are_kept() -> None:
    words = "Host '192.0.2.12' is not allowed to connect"
    refused: dict[str, Any] = {"words": words, "source_seen": "192.0.2.12"}
    name = by_name(HANDSHAKE, Reason.HOST_NOT_ALLOWED, **refused)
    direct = at(ADDRESS, HANDSHAKE, Reason.HOST_NOT_ALLOWED, **refused)
    said = judged(bridge(), [name, direct]).diagnoses[0]
    assert (said.code, words in said.why) == ("KX603", True)
    assert "192.0.2.12" in said.summary
    assert "192.0.2.12" in said.fix


@pytest.mark.parametrize(("context", "name"), [(HERE, True), (LOCAL, False)])
def test_a_rejected_login_is_not_a_partial_outage(context: PlaceFacts, name: bool) -> None:
    rejected = at(ADDRESS, AUTH, Reason.AUTH_REJECTED)
    spared = at(OTHER, AUTH, id="o3", **SPARED)
    by = [by_name(AUTH, **SPARED)] if name else []
    report = judged(bridge("redis-svc", ADDRESS, OTHER), [*by, rejected, spared], context)
    assert codes(report) == [("KX601", "credentials")]


LOGINS = [
    (Reason.SECRET_MISSING, ("KX610", "credentials"), Status.FAIL),
    (Reason.SECRET_KEY_MISSING, ("KX611", "credentials"), Status.FAIL),
    (Reason.AUTH_REQUIRED, ("KX602", "credentials"), Status.WARN),
    (Reason.NO_CONSENT, ("KX612", "credentials"), Status.WARN),
    (Reason.CONSENT_ELSEWHERE, ("KX619", "credentials"), Status.WARN),
    (Reason.KEY_NOT_ALLOWED, ("KX622", "credentials"), Status.WARN),
    (Reason.TLS_DEMANDED, ("KX623", "credentials"), Status.WARN),
]


@pytest.mark.parametrize(("reason", "expected", "status"), LOGINS)
def test_logins_that_were_not_tried(
    reason: Reason, expected: tuple[str, str], status: Status
) -> None:
    skipped: dict[str, Any] = {"status": Status.SKIP, "detail": "Secret redis-auth says no"}
    probes = [by_name(AUTH, reason, **skipped), at(ADDRESS, AUTH, reason, **skipped)]
    report = judged(bridge(), probes)
    assert codes(report) == [expected]
    assert (report.status, report.depth) == (status, HANDSHAKE)


def test_why_a_login_was_held_back_comes_after_what_was_done_to_the_objects() -> None:
    skipped: dict[str, Any] = {"status": Status.SKIP, "detail": "Secret redis-auth says no"}
    probes = [by_name(AUTH, Reason.CONSENT_ELSEWHERE, **skipped), at()]
    selector = Finding(
        code="KX101", severity=Severity.WARN, object="Service/dev/redis-svc", summary="s",
        bridge="dev/redis-svc",
    )  # fmt: skip
    report = judged(bridge(), probes, replace(HERE, findings=(selector,)))
    assert [code for code, _ in codes(report)] == ["KX101", "KX619"]


# -- never a false OK, never a false accusation --------------------------------------------------


def test_a_failed_stage_without_a_reason_is_no_pass() -> None:
    report = judged(bridge(), [by_name(HANDSHAKE), at()])
    assert codes(report) == [("KX910", "tool-environment")]
    assert report.status is Status.INCONCLUSIVE


@pytest.mark.parametrize("left", [[], [at()]])
def test_a_probe_whose_record_was_lost_is_no_pass(left: list[Observation]) -> None:
    report = judged(bridge(), left)
    assert codes(report) == [("KX907", "tool-environment")]
    assert report.status is Status.INCONCLUSIVE


def test_a_bridge_with_nothing_to_probe_is_skipped() -> None:
    assert judged(bridge(ports=()), [], LOCAL).status is Status.SKIP
    assert judged(bridge(endpoints=()), [], LOCAL).status is Status.SKIP


@pytest.mark.parametrize("reason", [Reason.RESET, Reason.CLOSED_EARLY, Reason.SILENT])
def test_behind_a_mesh_proxy_an_accepted_connection_blames_nobody(reason: Reason) -> None:
    probes = [by_name(HANDSHAKE, reason), at(ADDRESS, HANDSHAKE, reason)]
    report = judged(bridge(), probes, replace(HERE, mesh="Istio"))
    assert codes(report) == [("KX316", "cluster-network")]
    assert report.status is Status.INCONCLUSIVE
    assert judged(bridge(), probes).status is Status.FAIL


def test_a_code_that_is_ignored_is_not_said() -> None:
    what = bridge(ignore=(("KX301", "decommissioned on purpose"),))
    probes = [by_name(CONNECT, Reason.REFUSED), at(ADDRESS, CONNECT, Reason.REFUSED)]
    assert judged(what, probes).diagnoses == ()


UNPROVEN = [
    ({"dns": False, "api": None, "connected": False, "words": "no answer"}, True),
    ({"dns": True, "api": False, "connected": False, "words": "ETIMEDOUT"}, True),
    ({"dns": True, "api": True, "connected": False}, False),
]


@pytest.mark.parametrize(("proof", "unproven"), UNPROVEN)
def test_an_unproven_vantage_blames_no_server(proof: Mapping[str, Any], unproven: bool) -> None:
    probes = [by_name(CONNECT, Reason.TIMED_OUT), at(ADDRESS, CONNECT, Reason.TIMED_OUT)]
    judgement = judge([bridge()], probes, [proof], HERE)
    assert [d.code for d in judgement.overall] == (["KX909"] if unproven else [])
    expected = Status.INCONCLUSIVE if unproven else Status.FAIL
    assert judgement.bridges[0].status is expected


def test_any_accepted_connection_proves_the_vantage() -> None:
    proof = {"dns": True, "api": False, "connected": True}
    good = [
        seen("o8", Route.NAME, "pg-svc:26379", service="pg-svc"),
        seen("o9", Route.ENDPOINT, f"{OTHER}:26379", service="pg-svc"),
    ]
    probes = [by_name(CONNECT, Reason.TIMED_OUT), at(ADDRESS, CONNECT, Reason.TIMED_OUT)]
    judgement = judge([bridge(), bridge("pg-svc", OTHER)], [*probes, *good], [proof], HERE)
    assert judgement.overall == ()
    assert [b.status for b in judgement.bridges] == [Status.FAIL, Status.PASS]


# -- what must not be reachable ------------------------------------------------------------------

AWAY = [
    ((RESOLVE, Reason.NAME_NOT_FOUND), (CONNECT, Reason.TIMED_OUT), "KX206", Status.FAIL),
    ((CONNECT, Reason.TIMED_OUT), (CONNECT, Reason.REFUSED), "KX318", Status.PASS),
    ((HANDSHAKE, Reason.HOST_NOT_ALLOWED), (HANDSHAKE, Reason.RESET), "KX317", Status.FAIL),
    ((CONNECT, Reason.TIMED_OUT), (HANDSHAKE, Reason.SILENT), "KX317", Status.FAIL),
    ((CONNECT, Reason.TIMED_OUT), (AUTH, Reason.AUTH_REJECTED), "KX317", Status.FAIL),
    ((None, None), (CONNECT, Reason.TIMED_OUT), "KX317", Status.FAIL),
    ((CONNECT, Reason.TIMED_OUT), (None, None), "KX317", Status.FAIL),
]


@pytest.mark.parametrize(("name", "direct", "code", "status"), AWAY)
def test_a_bridge_that_must_not_be_reachable(
    name: Any, direct: Any, code: str, status: Status
) -> None:
    report = judged(bridge(expect={"unreachable": True}), [by_name(*name), at(ADDRESS, *direct)])
    assert codes(report) == [(code, "cluster-dns" if code == "KX206" else "path")]
    assert report.status is status


def test_what_is_reached_is_told_by_its_address() -> None:
    report = judged(bridge(expect={"unreachable": True}), [by_name(), at()])
    assert f"{ADDRESS}:26379 answers to verify" in report.diagnoses[0].summary
    assert f"on the firewall before {ADDRESS} deny" in report.diagnoses[0].fix


def test_behind_a_mesh_an_accepted_connection_does_not_prove_that_it_is_reached() -> None:
    probes = [by_name(HANDSHAKE, Reason.SILENT), at(ADDRESS, HANDSHAKE, Reason.SILENT)]
    what = bridge(expect={"unreachable": True})
    report = judged(what, probes, replace(HERE, mesh="Istio"))
    assert codes(report) == [("KX316", "cluster-network")]
    assert report.status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ((), "KX305"),
        ((Endpoint(address=ADDRESS, port=26379, port_name="tcp"),), "KX304"),
        ((Endpoint(address=ADDRESS, port=26379, port_name="redis", ready=False),), "KX315"),
    ],
)
@pytest.mark.parametrize("refused", [True, False])
def test_where_nothing_can_be_reached_nothing_is_as_expected(
    ends: tuple[Endpoint, ...], code: str, refused: bool
) -> None:
    what = bridge(expect={"unreachable": True}, endpoints=ends)
    reason = Reason.REFUSED if refused else SILENCE
    probes = [by_name(CONNECT, reason), *[at(ADDRESS, CONNECT, SILENCE) for _ in ends]]
    report = judged(what, probes)
    assert codes(report)[0] == (code, "manifest")
    assert report.status is Status.FAIL


def test_what_we_could_not_finish_does_not_prove_that_it_is_unreachable() -> None:
    late = by_name(RESOLVE, Reason.OUT_OF_TIME, status=Status.INCONCLUSIVE)
    report = judged(bridge(expect={"unreachable": True}), [late, at(ADDRESS, CONNECT, SILENCE)])
    assert report.status is Status.INCONCLUSIVE


def test_an_unproven_vantage_proves_nothing_unreachable() -> None:
    probes = [by_name(CONNECT, SILENCE), at(ADDRESS, CONNECT, SILENCE)]
    proof = [{"dns": True, "api": False, "connected": False}]
    report = judged(bridge(expect={"unreachable": True}), probes, controls=proof)
    assert report.status is Status.INCONCLUSIVE


def test_the_gate_asks_no_depth_of_what_must_not_be_reachable() -> None:
    report = judged(bridge(expect={"unreachable": True}), [by_name(CONNECT, SILENCE), at(
        ADDRESS, CONNECT, SILENCE)])  # fmt: skip
    whole = Report(
        run_id="r", started="", duration_s=0, tool_version="", vantages=(), bridges=(report,),
        gate=Gate(require=VERIFY),
    )  # fmt: skip
    assert whole.exit_code == 0


# -- runs that were cut --------------------------------------------------------------------------


def test_a_probe_whose_result_is_missing_leaves_the_bridge_untested() -> None:
    """The name works; that the second address was not heard of may hide a dead one."""
    what = bridge("redis-svc", ADDRESS, OTHER)
    context = replace(HERE, cut=True, lost=frozenset({("redis-svc", "redis")}))
    report = judged(what, [by_name(), at()], context)
    assert codes(report) == [("KX907", "tool-environment")]
    assert report.status is Status.INCONCLUSIVE
    assert len(report.observations) == 2


def test_a_bridge_that_was_seen_whole_is_judged_though_the_run_was_cut() -> None:
    context = replace(HERE, cut=True, lost=frozenset({("other-svc", "redis")}))
    assert judged(bridge(), [by_name(), at()], context).status is Status.PASS


def test_a_run_that_was_cut_before_its_control_probes_blames_nobody() -> None:
    both = [by_name(CONNECT, Reason.TIMED_OUT), at(ADDRESS, CONNECT, Reason.TIMED_OUT)]
    judgement = judge([bridge()], both, [], replace(HERE, cut=True))
    assert [d.code for d in judgement.overall] == ["KX909"]
    assert judgement.bridges[0].status is Status.INCONCLUSIVE


def test_the_labels_that_the_pod_has_decide_which_policy_speaks_of_it() -> None:
    spec = {"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Egress"]}
    deny = {"metadata": {"name": "shop-egress"}, "spec": spec}
    both = [by_name(CONNECT, Reason.TIMED_OUT), at(ADDRESS, CONNECT, Reason.TIMED_OUT)]
    like = replace(HERE, policies=(deny,), labels={"app": "shop"})
    assert codes(judged(bridge(), both, like)) == [("KX309", "cluster-network")]
    assert codes(judged(bridge(), both, replace(HERE, policies=(deny,)))) == [("KX302", "path")]


def headless(*ports: int, ready: bool = True) -> Bridge:
    whole = bridge(kind=Kind.HEADLESS, cluster_ips=())
    ends = (replace(e, port=p, ready=ready) for e in whole.endpoints for p in ports)
    return replace(whole, endpoints=tuple(ends))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (headless(), ("KX305", "manifest")),
        (headless(26379, ready=False), ("KX315", "manifest")),
        (headless(26379), ("KX206", "cluster-dns")),
        (bridge(), ("KX206", "cluster-dns")),
        (
            bridge(kind=Kind.EXTERNAL_NAME, external_name="198.51.100.9", endpoints=()),
            ("KX204", "manifest"),
        ),
        (
            bridge(kind=Kind.EXTERNAL_NAME, external_name="a.example", endpoints=()),
            ("KX201", "manifest"),
        ),
    ],
)
def test_a_name_that_does_not_exist(what: Bridge, expected: tuple[str, str]) -> None:
    """CoreDNS says NXDOMAIN for all of them, also for an externalName that is an address."""
    report = judged(what, [by_name(RESOLVE, Reason.NAME_NOT_FOUND), at()])
    assert codes(report) == [expected]


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.TIMED_OUT])
def test_traffic_that_is_kept_on_the_node(reason: Reason) -> None:
    report = judged(bridge(internal_traffic="Local"), [by_name(CONNECT, reason), at()])
    assert codes(report) == [("KX319", "manifest")]
    dead = judged(
        bridge(internal_traffic="Local"), [by_name(CONNECT, reason), at(ADDRESS, CONNECT, reason)]
    )
    assert codes(dead)[0][0] in ("KX301", "KX302")


def test_endpoints_of_which_there_is_no_slice() -> None:
    whole = bridge()
    legacy = tuple(replace(e, source="Endpoints/redis-svc") for e in whole.endpoints)
    report = judged(replace(whole, endpoints=legacy), [by_name(CONNECT, Reason.REFUSED), at()])
    assert codes(report) == [("KX320", "manifest")]


def test_a_headless_service_with_another_port_is_a_warning() -> None:
    report = judged(headless(6379), [by_name(), at()])
    assert codes(report) == [("KX321", "manifest")]
    assert report.status is Status.WARN
    assert "26379" in report.diagnoses[0].summary
    assert codes(judged(headless(26379), [by_name(), at()])) == []


@pytest.mark.parametrize(
    ("stage", "reason", "culprit"),
    [
        (CONNECT, Reason.TIMED_OUT, "path"),
        (CONNECT, Reason.REFUSED, "server-host"),
        (HANDSHAKE, Reason.TOO_MANY_CONNECTIONS, "server-state"),
        (AUTH, Reason.AUTH_REJECTED, "credentials"),
        (VERIFY, Reason.READ_ONLY, "server-state"),
    ],
)
def test_a_partial_failure_blames_what_fails_there(
    stage: Stage, reason: Reason, culprit: str
) -> None:
    broken = at(OTHER, stage, reason, "o3")
    report = judged(bridge("redis-svc", ADDRESS, OTHER), [by_name(), at(), broken])
    assert codes(report) == [("KX307", culprit)]


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.REFUSED, Reason.NO_ROUTE])
def test_an_endpoint_that_is_a_cluster_ip(reason: Reason) -> None:
    what = bridge(virtual=(ADDRESS,))
    report = judged(what, [by_name(CONNECT, reason), at()])
    assert codes(report) == [("KX322", "manifest")]
    assert ADDRESS in report.diagnoses[0].summary
    assert codes(judged(what, [by_name(), at()])) == []


def test_yellow_is_a_warning_and_a_failure_where_green_is_expected() -> None:
    warned = [by_name(VERIFY, Reason.DEGRADED, status=Status.WARN), at()]
    assert judged(bridge(), warned).status is Status.WARN
    failed = [by_name(VERIFY, Reason.DEGRADED), at(ADDRESS, VERIFY, Reason.DEGRADED)]
    report = judged(bridge(), failed)
    assert codes(report) == [("KX708", "server-state")]
    assert report.status is Status.FAIL
