"""Several addresses, each with a cause of its own: which one leads, whatever chance decided."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Severity, Stage, Status
from tests.support.seen import at, bridge, by_name

HERE = PlaceFacts(namespace="dev", vantage="pod", node="node2", policies=())
A, B, C, D = (f"198.51.100.{n}" for n in (21, 22, 23, 24))
SILENCE = (Stage.CONNECT, Reason.TIMED_OUT)
REFUSED = (Stage.CONNECT, Reason.REFUSED)
EXPIRED = (Stage.TLS, Reason.CERTIFICATE_EXPIRED)
FULL = (Stage.HANDSHAKE, Reason.TOO_MANY_CONNECTIONS)
REJECTED = (Stage.AUTH, Reason.AUTH_REJECTED)
FINE = (None, None)
How = tuple[Any, Any]
SPARED: dict[str, Any] = {"status": Status.SKIP}


def ends(**how: How) -> list[Observation]:
    """Endpoints A, B, … by how each ended, in the order of the letters."""
    places = zip(sorted(how), (A, B, C, D), strict=False)
    return [at(place, *how[letter], f"o{place[-2:]}") for letter, place in places]


def judged(seen: Sequence[Observation], what: Bridge | None = None, **more: Any) -> Diagnosis:
    addresses = [o.target.partition(":")[0] for o in seen if o.route == "endpoint"]
    what = what or bridge("redis-svc", *sorted(addresses))
    (report,) = judge([what], seen, [], replace(HERE, **more)).bridges
    return next(d for d in report.diagnoses if d.severity is Severity.FAIL)


# The endpoints, and the code and culprit that are right however the name fared.
COMPOUND = [
    ({"a": SILENCE, "b": SILENCE, "c": EXPIRED}, "KX302", "path"),
    ({"a": EXPIRED, "b": SILENCE, "c": EXPIRED}, "KX406", "tls"),
    ({"a": SILENCE, "b": EXPIRED}, "KX406", "tls"),
    ({"a": REFUSED, "b": SILENCE, "c": FULL}, "KX704", "server-state"),
    ({"a": FINE, "b": SILENCE, "c": EXPIRED, "d": SILENCE}, "KX307", "path"),
    ({"a": FINE, "b": SILENCE, "c": EXPIRED}, "KX307", "tls"),
    ({"a": FINE, "b": REFUSED, "c": REFUSED, "d": FULL}, "KX307", "server-host"),
]


@pytest.mark.parametrize(("how", "code", "culprit"), COMPOUND)
def test_chance_decides_nothing(how: dict[str, How], code: str, culprit: str) -> None:
    """Whichever address kube-proxy chose for the name, and in whatever order probes ended."""
    said: set[tuple[str, str, str, str]] = set()
    for by_chance in set(how.values()):
        seen = [by_name(*by_chance), *ends(**how)]
        for order in itertools.islice(itertools.permutations(seen), 30):
            found = judged(order)
            said.add((found.code, found.culprit.value, found.summary, found.fix))
    assert [(c, w) for c, w, *_ in said] == [(code, culprit)]


def test_all_fail_and_differently() -> None:
    said = judged([by_name(*SILENCE), *ends(a=SILENCE, b=SILENCE, c=EXPIRED)])
    assert said.summary == f"nothing comes back from each of {A}:26379, {B}:26379"
    wanted = f"2 × timed out: {A}:26379, {B}:26379; 1 × certificate expired: {C}:26379"
    assert f"none of 3 addresses works: {wanted}" in said.why
    assert f"for {C}:26379: renew the certificate" in said.fix


def test_some_fail_and_differently() -> None:
    said = judged([by_name(), *ends(a=FINE, b=SILENCE, c=EXPIRED, d=SILENCE)])
    causes = f"2 × timed out: {B}:26379, {D}:26379; 1 × certificate expired: {C}:26379"
    assert said.summary == (
        f"3 of 4 addresses do not work ({causes}): about 75 % of connections fail"
    )
    assert f"take {B} out of EndpointSlice/redis-svc-1" in said.fix
    assert "allow TCP 26379" in said.fix


def test_many_addresses_are_named_in_the_reasons_only() -> None:
    places = [f"198.51.100.{n}" for n in range(30, 40)]
    seen = [by_name(*SILENCE), *(at(p, *SILENCE, f"o{p}") for p in places)]
    said = judged(random.Random(1).sample(seen, len(seen)))
    assert "each of 198.51.100.30:26379, 198.51.100.31:26379, 198.51.100.32:26379 and 7 more" in (
        said.summary
    )


@pytest.mark.parametrize("name", [SILENCE, REFUSED, (Stage.CONNECT, Reason.NO_ROUTE)])
def test_the_clusters_network_is_to_blame_only_where_every_address_accepts(name: How) -> None:
    accepting = judged([by_name(*name), *ends(a=FINE, b=EXPIRED)])
    assert accepting.code in ("KX303", "KX306")
    not_all = judged([by_name(*name), *ends(a=FINE, b=SILENCE)])
    assert (not_all.code, not_all.culprit) == ("KX307", "path")


def test_a_name_that_fails_in_a_way_of_its_own_is_told() -> None:
    unknown = (Stage.HANDSHAKE, Reason.HOST_NAME_UNKNOWN)
    assert judged([by_name(*unknown), *ends(a=FINE, b=FINE)]).code == "KX506"
    assert judged([by_name(*unknown), *ends(a=SILENCE, b=SILENCE)]).code == "KX506"


@pytest.mark.parametrize("tried_first", ["good", "bad"])
@pytest.mark.parametrize("local", [False, True])
def test_a_rejected_login_is_told_alike_whichever_server_was_asked_first(
    tried_first: str, local: bool
) -> None:
    spared = at(A, Stage.AUTH, Reason.LOGIN_REJECTED_BEFORE, "o21", **SPARED)
    good = at(A, id="o21") if tried_first == "good" else spared
    name = by_name(Stage.AUTH, Reason.LOGIN_REJECTED_BEFORE, **SPARED)
    bad = at(B, *REJECTED, "o22")
    seen = [good, bad] if local else [name, good, bad]
    said = judged(seen, vantage="local" if local else "pod")
    assert (said.code, B in said.summary, A in said.summary) == ("KX601", True, False)


def test_a_login_that_was_spared_beside_silent_addresses_is_neither_good_nor_bad() -> None:
    spared = at(D, Stage.AUTH, Reason.LOGIN_REJECTED_BEFORE, "o24", **SPARED)
    said = judged([by_name(*SILENCE), *ends(a=SILENCE, b=SILENCE, c=REJECTED), spared])
    assert (said.code, said.culprit) == ("KX307", "path")
    assert "3 of 4 addresses" in said.summary


def outside(**more: Any) -> Bridge:
    base: dict[str, Any] = {"kind": Kind.EXTERNAL_NAME, "endpoints": (), "cluster_ips": ()}
    return bridge(external_name="redis.corp.example", **{**base, **more})


def test_an_external_name_has_no_slice() -> None:
    said = judged([by_name(), *ends(a=FINE, b=REFUSED)], outside())
    assert said.code == "KX307"
    assert "slice" not in (said.summary + said.fix + said.why).lower()
    assert f"take {B} out of the addresses that DNS gives for redis.corp.example" in said.fix


def test_an_external_name_that_is_refused_once_is_no_fault_of_kube_proxy() -> None:
    said = judged([by_name(*REFUSED), *ends(a=FINE)], outside())
    assert (said.code, said.culprit) == ("KX301", "server-host")


def test_behind_a_mesh_one_silent_address_of_two_blames_nobody() -> None:
    silent = (Stage.HANDSHAKE, Reason.SILENT)
    seen = [by_name(), *ends(a=FINE, b=silent)]
    what = bridge("redis-svc", A, B)
    (report,) = judge([what], seen, [], replace(HERE, mesh="Istio")).bridges
    assert report.status is Status.INCONCLUSIVE


def test_the_reasons_list_each_address_once() -> None:
    said = judged([by_name(*SILENCE), *ends(a=SILENCE, b=SILENCE, c=EXPIRED)])
    assert all(said.why.count(f"{place}:26379") == 1 for place in (A, B, C))
    some = judged([by_name(), *ends(a=FINE, b=SILENCE, c=EXPIRED)])
    assert f"{A}:26379 (endpoint) works to verify" in some.why


LATE: dict[str, Any] = {"status": Status.INCONCLUSIVE}


@pytest.mark.parametrize("name", [FINE, REFUSED])
def test_an_address_that_we_had_no_time_for_is_neither_good_nor_bad(name: How) -> None:
    late = at(B, Stage.RESOLVE, Reason.OUT_OF_TIME, "o22", **LATE)
    said = judged([by_name(*name), *ends(a=REFUSED), late])
    assert (said.code, "1 of 2 addresses" in said.summary) == ("KX307", True)


def test_a_name_that_fails_beside_addresses_that_we_had_no_time_for_blames_nobody() -> None:
    late = at(A, Stage.RESOLVE, Reason.OUT_OF_TIME, "o21", **LATE)
    (report,) = judge([bridge("redis-svc", A)], [by_name(*REFUSED), late], [], HERE).bridges
    assert [d.code for d in report.diagnoses] == ["KX908"]
    assert report.status is Status.INCONCLUSIVE


def test_an_external_name_that_is_refused_once_fails_by_what_its_addresses_say() -> None:
    said = judged([by_name(*REFUSED), *ends(a=EXPIRED)], outside())
    assert (said.code, said.culprit) == ("KX406", "tls")
