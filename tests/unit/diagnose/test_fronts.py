"""Ingresses and node ports, row by row: what is said of them, and what never is."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Bridge, Kind
from k8sext.model.report import BridgeReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from tests.support.front_objects import CONTROLLER, HOST, HTTP, front, kibana, own, page, page_of

HERE = PlaceFacts(namespace="dev", vantage="pod", node="node2", address="198.18.1.7", policies=())
MANIFEST, PATH, NETWORK, TLS = "manifest", "path", "cluster-network", "tls"
SECURE = {"tls": True, "tls_secret": "kibana-tls", "tls_hosts": (HOST,)}


def judged(
    bridge: Bridge, *seen: Observation, name: Observation | None = None, context: PlaceFacts = HERE
) -> BridgeReport:
    return judge([bridge], [name or own(), *seen], (), context).bridges[0]


def codes(report: BridgeReport) -> list[tuple[str, str, str]]:
    return [(d.code, d.culprit.value, d.severity.value) for d in report.diagnoses]


def test_a_page_that_comes_through() -> None:
    report = judged(kibana(front()), page(200))
    assert (report.status, report.depth, report.diagnoses) == (Status.PASS, Stage.VERIFY, ())


# -- the objects alone -----------------------------------------------------------------------------

ALONE: Sequence[tuple[dict[str, Any], tuple[str, str, str]]] = (
    ({"port_key": "", "port": "web"}, ("KX330", MANIFEST, "fail")),
    ({"addresses": (), "class_name": "", "class_by": ""}, ("KX331", MANIFEST, "fail")),
    ({"addresses": (), "class_known": False}, ("KX331", MANIFEST, "fail")),
    ({"addresses": ()}, ("KX331", MANIFEST, "warn")),
    ({"addresses": (), "class_known": None}, ("KX331", MANIFEST, "warn")),
    (
        {"addresses": (), "class_known": False, "class_by": "annotation"},
        ("KX331", MANIFEST, "warn"),
    ),
    ({"rivals": ("other",)}, ("KX332", MANIFEST, "warn")),
    ({"tls_hosts": ("other.example.com",)}, ("KX333", TLS, "warn")),
    ({"applied_as": "extensions/v1beta1"}, ("KX338", MANIFEST, "note")),
)


@pytest.mark.parametrize(("more", "expected"), ALONE)
def test_by_objects(more: dict[str, Any], expected: tuple[str, str, str]) -> None:
    report = judged(kibana(front(**more)))
    assert codes(report) == [expected]
    assert report.diagnoses[0].fix
    assert "{" not in f"{report.diagnoses[0].summary}{report.diagnoses[0].fix}".replace("[{", "")


@pytest.mark.parametrize("more", [{"class_by": ""}, {"class_known": False}, {"class_known": None}])
def test_a_controller_that_took_it_needs_no_class(more: dict[str, Any]) -> None:
    assert judged(kibana(front(**more)), page(200)).diagnoses == ()


def test_a_class_without_a_default_says_what_to_do() -> None:
    (said,) = judged(kibana(front(addresses=(), class_name="", class_by=""))).diagnoses
    assert said.fix.startswith('kubectl patch ingress -n dev kibana --type=json -p \'[{"op":"add"')
    assert said.because == ("Ingress/dev/kibana",)


@pytest.mark.parametrize(
    ("asked", "read", "said"),
    [
        ("logs.example.com", True, f"leads logs.example.com to Service kibana-svc: Ingress kibana "
         f"has {HOST}"),
        (HOST, True, ""),
        ("", True, ""),
        ("logs.example.com", False, ""),
    ],
)  # fmt: skip
def test_the_host_that_was_asked_for(asked: str, read: bool, said: str) -> None:
    report = judged(kibana(front(), front_wanted=asked, fronts_read=read), page(200))
    assert [d.code for d in report.diagnoses] == (["KX332"] if said else [])
    assert all(said in d.summary for d in report.diagnoses)


def test_no_ingress_at_all_where_one_was_asked_for() -> None:
    (said,) = judged(kibana(front_wanted=HOST)).diagnoses
    assert (said.code, said.because) == ("KX332", ("Service/dev/kibana-svc",))


# -- the page --------------------------------------------------------------------------------------

PAGES: Sequence[tuple[int, int | None, tuple[str, str, str] | None]] = (
    (200, 200, None),
    (404, 404, None),  # the application's own
    (503, 503, None),  # Kibana that is not ready yet says so itself
    (302, 302, None),
    (302, 200, None),
    (401, 200, None),  # a login of the controller's
    (403, 200, None),
    (500, 404, None),
    (404, 200, ("KX332", MANIFEST, "fail")),
    (404, None, ("KX332", MANIFEST, "fail")),
    (421, 200, ("KX332", MANIFEST, "fail")),
    (503, 200, ("KX334", NETWORK, "fail")),
    (502, 200, ("KX334", PATH, "fail")),
    (504, 200, ("KX334", PATH, "fail")),
    (504, 401, ("KX334", PATH, "fail")),
    (500, 200, ("KX334", NETWORK, "warn")),
    (413, 200, ("KX334", NETWORK, "warn")),
)


@pytest.mark.parametrize(("status", "direct", "expected"), PAGES)
def test_the_answer_beside_the_bridge_s_own(
    status: int, direct: int | None, expected: tuple[str, str, str] | None
) -> None:
    report = judged(kibana(front()), page(status, direct))
    assert codes(report) == ([expected] if expected else [])
    assert report.depth is Stage.VERIFY
    for said in report.diagnoses:
        assert str(status) in said.summary
        assert said.because[0].startswith("o9/")


def test_where_the_path_is_rewritten_a_404_is_less_sure() -> None:
    rule = front(rewrites=True)
    assert codes(judged(kibana(rule), page(404, 200, rule))) == [("KX332", MANIFEST, "warn")]


def test_sent_on_to_https_without_a_certificate() -> None:
    moved = page(308, 200, location=f"https://{HOST}/")
    report = judged(kibana(front()), moved)
    assert codes(report) == [("KX333", TLS, "warn")]
    assert f"https://{HOST}/" in report.diagnoses[0].summary
    assert judged(kibana(front()), page(308, 200, location="/app")).diagnoses == ()


@pytest.mark.parametrize("status", [400, 502])
def test_http_spoken_to_an_https_server(status: int) -> None:
    secure = kibana(front(), ports=(replace(HTTP, protocol="https"),))
    assert codes(judged(secure, page(status, 200))) == [("KX334", MANIFEST, "fail")]


def test_the_https_server_says_so_itself_through_the_controller() -> None:
    seen = unreached(Stage.HANDSHAKE, Reason.TLS_REQUIRED)
    secure = kibana(front(), ports=(replace(HTTP, protocol="https"),))
    assert codes(judged(secure, seen)) == [("KX334", MANIFEST, "fail")]
    assert codes(judged(kibana(front()), seen)) == [("KX337", NETWORK, "warn")]


def certificate(names: Sequence[str], *matching: str) -> Observation:
    facts: dict[str, Any] = {"names": [*names], "matching": [*matching], "subject": "CN=fake"}
    return page(200, 200, front(**SECURE), tls=facts)


def test_the_certificate_of_the_ingress() -> None:
    assert judged(kibana(front(**SECURE)), certificate([HOST], HOST)).diagnoses == ()


def test_the_controller_s_own_certificate() -> None:
    (said,) = judged(kibana(front(**SECURE)), certificate(["ingress.local"])).diagnoses
    assert (said.code, said.culprit, said.severity) == ("KX333", TLS, Severity.FAIL)
    assert "certificate for ingress.local" in said.summary
    assert "likely Secret kibana-tls is missing" in said.why
    assert "Secrets are not read" in said.why
    (nameless,) = judged(kibana(front(**SECURE)), certificate([])).diagnoses
    assert "CN=fake" in nameless.summary


def test_a_rule_for_every_host_has_no_name_to_compare() -> None:
    rule = front(**{**SECURE, "host": ""})
    facts: dict[str, Any] = {"names": ["ingress.local"], "matching": []}
    assert judged(kibana(rule), page(200, 200, rule, tls=facts)).diagnoses == ()


@pytest.mark.parametrize(
    ("reason", "severity"),
    [
        (Reason.CERTIFICATE_EXPIRED, "fail"),
        (Reason.CERTIFICATE_NOT_YET_VALID, "fail"),
        (Reason.CERTIFICATE_EXPIRES_SOON, "warn"),
    ],
)
def test_dates_of_the_certificate(reason: Reason, severity: str) -> None:
    rule = front(**SECURE)
    facts: dict[str, Any] = {"names": [HOST], "matching": [HOST]}
    seen = page_of(
        Route.INGRESS, f"{CONTROLLER}:443", rule.via,
        facts={"status": 200, "direct": {"status": 200}}, tls=facts, tls_warning=reason,
    )  # fmt: skip
    assert codes(judged(kibana(rule), seen)) == [("KX333", TLS, severity)]


def unreached(stage: Stage, reason: Reason, **more: Any) -> Observation:
    rule = front(**more)
    target = f"{CONTROLLER}:{443 if rule.tls else 80}"
    tls: dict[str, Any] | None = {} if rule.tls else None
    return page_of(Route.INGRESS, target, rule.via, stage, reason, tls=tls)


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (Stage.RESOLVE, Reason.NAME_NOT_FOUND),
        (Stage.CONNECT, Reason.REFUSED),
        (Stage.CONNECT, Reason.TIMED_OUT),
        (Stage.HANDSHAKE, Reason.SILENT),
        (Stage.HANDSHAKE, Reason.WRONG_PROTOCOL),
    ],
)
def test_a_controller_that_does_not_answer_is_a_warning(stage: Stage, reason: Reason) -> None:
    report = judged(kibana(front()), unreached(stage, reason))
    assert codes(report) == [("KX337", NETWORK, "warn")]
    assert report.status is Status.WARN


def test_tls_that_fails_with_the_controller() -> None:
    seen = unreached(Stage.TLS, Reason.TLS_FAILED, **SECURE)
    assert codes(judged(kibana(front(**SECURE)), seen)) == [("KX333", TLS, "fail")]


POLICY = {
    "metadata": {"name": "default-deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}


def test_a_policy_that_keeps_pods_from_the_controller_is_nobody_s_fault() -> None:
    shut = replace(HERE, policies=(POLICY,))
    seen = unreached(Stage.CONNECT, Reason.TIMED_OUT)
    report = judged(kibana(front()), seen, context=shut)
    assert codes(report) == [("KX337", NETWORK, "note")]
    assert "NetworkPolicy default-deny" in report.diagnoses[0].why
    assert report.status is Status.PASS


# -- beside the bridge's own verdict ---------------------------------------------------------------


@pytest.mark.parametrize("through", [page(200), page(502, None), page(404, None)])
def test_a_dead_name_is_not_hidden_and_not_doubled(through: Observation) -> None:
    dead = own(Stage.CONNECT, Reason.REFUSED)
    report = judged(kibana(front()), through, name=dead)
    assert [d.code for d in report.diagnoses] == ["KX301"]
    assert report.status is Status.FAIL
    assert report.depth is Stage.RESOLVE


def test_a_wrong_object_is_told_beside_a_dead_server_and_after_it() -> None:
    dead = own(Stage.CONNECT, Reason.REFUSED)
    report = judged(kibana(front(port_key="", port="web")), name=dead)
    assert [d.code for d in report.diagnoses] == ["KX301", "KX330"]


def test_no_ingress_fault_blames_the_server() -> None:
    blamed = {expected[1] for *_, expected in PAGES if expected} | {e[1] for _, e in ALONE}
    assert not blamed & {"server-host", "server-config", "server-state"}


def test_what_must_not_be_reached_is_not_followed() -> None:
    shut = kibana(front(addresses=()), expect={"unreachable": True})
    report = judged(shut, name=own(Stage.CONNECT, Reason.REFUSED))
    assert [d.code for d in report.diagnoses] == ["KX318"]


def test_it_can_be_ignored() -> None:
    said = kibana(front(addresses=()), ignore=(("KX331", "a quiet controller"),))
    assert judged(said).status is Status.PASS


# -- ExternalName ----------------------------------------------------------------------------------

OUTSIDE: dict[str, Any] = {"kind": Kind.EXTERNAL_NAME, "external_name": "kibana.corp.example"}


def test_an_external_name_is_fine_where_its_page_comes() -> None:
    assert judged(kibana(front(), **OUTSIDE), page(200)).diagnoses == ()


def test_an_external_name_without_a_page() -> None:
    for status in (503, 404):
        found = codes(judged(kibana(front(), **OUTSIDE), page(status)))
        assert found == [("KX335", MANIFEST, "fail")]
    assert codes(judged(kibana(front(), **OUTSIDE), page(504))) == [("KX334", PATH, "fail")]
    assert codes(judged(kibana(front(), **OUTSIDE))) == [("KX335", MANIFEST, "warn")]


# -- node ports ------------------------------------------------------------------------------------

NODES = (("node1", "192.0.2.11"), ("node2", "192.0.2.12"))


def open_to_nodes(**more: Any) -> Bridge:
    return kibana(ports=(replace(HTTP, node_port=30561),), nodes=NODES, **more)


def at_node(number: int, stage: Stage | None = None, reason: Reason | None = None) -> Observation:
    name, address = NODES[number]
    return page_of(
        Route.NODE_PORT, f"{address}:30561", f"Node/{name}", stage, reason, id=f"n{number}"
    )


SILENT = (Stage.CONNECT, Reason.TIMED_OUT)


def test_node_ports_that_answer() -> None:
    assert judged(open_to_nodes(), at_node(0), at_node(1)).diagnoses == ()


def test_one_node_that_does_not_answer() -> None:
    report = judged(open_to_nodes(), at_node(0), at_node(1, *SILENT))
    assert codes(report) == [("KX336", NETWORK, "warn")]
    assert "does not answer on node2" in report.diagnoses[0].summary


def test_no_node_that_answers() -> None:
    report = judged(open_to_nodes(), at_node(0, *SILENT), at_node(1, *SILENT))
    assert codes(report) == [("KX336", NETWORK, "fail")]
    shut = replace(HERE, policies=(POLICY,))
    report = judged(open_to_nodes(), at_node(0, *SILENT), at_node(1, *SILENT), context=shut)
    assert codes(report) == [("KX336", NETWORK, "note")]


@pytest.mark.parametrize("bad", [True, False])
def test_local_traffic_leads_to_no_address_outside(bad: bool) -> None:
    """The probe's own node may lead its pods on all the same (kube-proxy does)."""
    other = at_node(1, *SILENT) if bad else at_node(1)
    report = judged(open_to_nodes(external_traffic="Local"), at_node(0), other)
    assert codes(report) == [("KX336", MANIFEST, "fail")]
    assert "externalTrafficPolicy" in report.diagnoses[0].fix


def test_a_dead_server_is_not_a_dead_node_port() -> None:
    dead = own(Stage.CONNECT, Reason.REFUSED)
    report = judged(open_to_nodes(), at_node(0, *SILENT), name=dead)
    assert [d.code for d in report.diagnoses] == ["KX301"]
