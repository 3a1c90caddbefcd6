"""A place to stand is one file under vantage/places."""

import sys
import textwrap
from pathlib import Path

import pytest

from k8sext import registry
from k8sext.agent.login.credentials import GivenValues
from k8sext.cli.doctor_run import vantages
from k8sext.diagnose.case import PlaceFacts
from k8sext.doctor import running as doctor
from k8sext.doctor.cluster import Cluster
from k8sext.doctor.request import Request
from k8sext.errors import K8sextError
from k8sext.kube import access
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.words import Status
from k8sext.vantage import pack, places

TOY = """
from k8sext.vantage.vantage import Vantage

class OnTheHill(Vantage):
    name = "hill"
    in_pod_network = False
    makes_pod = False
    checks_here = True

    def carry_out(self, errand):
        from k8sext.vantage import local
        from k8sext.vantage.follow import PodRun

        return [PodRun(records=local.observe(errand.plan, errand.logins), ended=True)]
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "hill.py").write_text(textwrap.dedent(TOY))
    monkeypatch.setattr(places, "__path__", [*places.__path__, str(tmp_path)])
    registry.vantages.cache_clear()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return "hill"


@pytest.fixture(autouse=True)
def forget() -> object:
    yield
    registry.vantages.cache_clear()
    sys.modules.pop("k8sext.vantage.places.hill", None)


def test_the_names_are_those_of_the_option() -> None:
    assert set(registry.vantages()) == {"local", "pod", "relay"}


@pytest.mark.parametrize("name", sorted(registry.vantages()))
def test_a_vantage_is_whole(name: str) -> None:
    place = registry.vantages()[name]
    assert place.rights in access.PURPOSES
    assert place.entry in (pack.MAIN, pack.RELAY)
    assert "carry_out" in vars(type(place))
    assert not place.shards or place.makes_pod


def test_letters_keep_two_vantages_of_one_report_apart() -> None:
    together = [p for p in registry.vantages().values() if not p.stands_alone]
    assert len({p.letter for p in together}) == len(together)


def test_a_new_place_needs_one_file(toy: str) -> None:
    assert vantages(toy) == ("hill",)
    assert vantages("hill,pod") == ("hill", "pod")
    with pytest.raises(K8sextError, match="hill, local, pod, relay"):
        vantages("valley")
    assert not PlaceFacts(namespace="dev", vantage="hill").inside
    nobody = Endpoint(address="127.0.0.1", port=1, source="test")
    port = Port(name="", port=1, protocol="tcp", protocol_source="test")
    bridge = Bridge(
        namespace="dev", service="s", kind=Kind.SELECTORLESS, ports=(port,), endpoints=(nobody,)
    )
    report = doctor.probe(
        [bridge],
        Cluster(),
        Request(vantage="hill"),
        lambda _: GivenValues({}),
        lambda _n, _t: None,
    )
    (seen,) = report.bridges
    assert (seen.status, report.vantages[0].vantage) == (Status.FAIL, "hill")
    assert seen.diagnoses[0].code == "KX301"
