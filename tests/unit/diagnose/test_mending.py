"""Commands and words that mend one object: its places in lists, its names, its modes."""

import json
import shlex
from dataclasses import replace

from k8sext.diagnose.case import Case, PlaceFacts
from k8sext.diagnose.codes.rows import ANSWERS
from k8sext.diagnose.codes.rows_reach import PORT_NAME
from k8sext.diagnose.mending import facts, lead_to
from k8sext.diagnose.saying import command_of
from k8sext.model.bridge import Bridge, Endpoint
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason
from tests.support.seen import bridge

HERE = PlaceFacts(namespace="dev", vantage="pod")


def facts_about(what: Bridge, number: int = 0, detail: str = "") -> dict[str, str]:
    case = Case(what, what.ports[number], None, None, (), HERE)
    named = {"namespace": what.namespace, "service": what.service}
    return facts(case, detail) | named


def test_the_patch_of_a_port_names_its_place() -> None:
    one = bridge()
    second = replace(one.ports[0], name="web", port=8080)
    both = replace(
        one,
        ports=(one.ports[0], second),
        endpoints=(*one.endpoints, Endpoint(address="198.51.100.7", port=8080, port_name="http")),
    )
    words = shlex.split(command_of(PORT_NAME, facts_about(both, 1)))
    (step,) = json.loads(words[-1])
    assert (step["path"], step["value"]) == ("/spec/ports/1/name", "http")


def test_a_name_that_another_port_has_is_not_given_twice() -> None:
    one = bridge()
    twin = replace(one.ports[0], name="other", port=9999)
    both = replace(one, ports=(one.ports[0], twin))
    assert command_of(PORT_NAME, facts_about(both, 1)) == ""


def test_a_bridge_of_a_file_is_not_annotated() -> None:
    assert command_of(ANSWERS[Reason.TLS_REQUIRED], facts_about(bridge())).startswith("kubectl")
    of_file = replace(bridge(), source="bridges.yaml:3")
    assert command_of(ANSWERS[Reason.TLS_REQUIRED], facts_about(of_file)) == ""


def test_tls_is_verified_only_where_an_authority_is_named() -> None:
    plain = facts_about(bridge())
    named = facts_about(replace(bridge(), tls=TlsSpec(ca_secret="ca", ca_key="ca.crt")))
    assert (plain["tls_mode"], named["tls_mode"]) == ("require", "verify-full")


def test_a_port_with_an_annotation_of_its_own_keeps_it() -> None:
    one = bridge()
    by_port = ((one.ports[0].key, TlsSpec(mode=TlsMode.DISABLE)),)
    found = facts_about(replace(one, tls_by_port=by_port))
    assert found["tls_key"] == f"k8sext.io/tls.{one.ports[0].key}"


def test_the_authority_that_is_missing_is_not_the_one_that_did_not_sign() -> None:
    named = replace(bridge(), tls=TlsSpec(ca_secret="lab-ca", ca_key="ca.crt"))
    assert "create secret generic" in facts_about(bridge())["ca"]
    missing = facts_about(named, detail="Secret lab-ca has no ca.crt")["ca"]
    assert "under the key ca.crt into Secret lab-ca" in missing
    assert "signed it" in facts_about(named, detail="self-signed certificate")["ca"]


def test_addresses_of_several_slices_are_left_to_people() -> None:
    def at(*sources: str) -> Bridge:
        ends = tuple(Endpoint(address="198.51.100.7", port=1, source=s) for s in sources)
        return replace(bridge(), endpoints=ends)

    assert lead_to(at("EndpointSlice/a", "EndpointSlice/b"), ["198.51.100.8"]) == ""
    assert lead_to(at("Endpoints/a"), ["198.51.100.8"]) == ""
    assert "198.51.100.8" in lead_to(at("EndpointSlice/a"), ["198.51.100.8"])
