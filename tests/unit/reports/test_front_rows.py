"""Ways from outside have rows of their own; the JSON names them, within its schema."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from k8sext import registry
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.doctor.saved import judged_again
from k8sext.model.codec import to_json
from k8sext.model.report import Place, Report, VantageReport
from k8sext.model.result import Observation
from k8sext.model.words import Route
from tests.support.front_objects import HOST, HTTP, front, kibana, own, page, page_of
from tests.support.sample_report import sample

NODES = (("node1", "192.0.2.11"), ("node2", "192.0.2.12"))
LOGS = front(ingress="logs", host="logs.example.com", path="/ui")


def at_nodes() -> list[Observation]:
    return [
        page_of(Route.NODE_PORT, f"{address}:30561", f"Node/{name}", id=name)
        for name, address in NODES
    ]


def report(*seen: Observation) -> Report:
    bridge = kibana(front(), LOGS, ports=(replace(HTTP, node_port=30561),), nodes=NODES)
    context = PlaceFacts(namespace="dev", vantage="pod", policies=())
    made = judge([bridge], [own(), *seen], (), context)
    place = Place(
        namespace="dev", vantage="pod", services=(bridge.service,), context=to_json(context)
    )
    here = (VantageReport(namespace="dev", vantage="pod"),)
    return replace(sample(), bridges=made.bridges, places=(place,), vantages=here)


EVERY = (page(200), replace(page(404, rule=LOGS), id="o8"), *at_nodes())


def rendered(form: str, **options: Any) -> str:
    given = registry.report_options(**options)
    return str(registry.report(form).render(report(*EVERY), given))


@pytest.mark.parametrize("form", ["table", "wide"])
@pytest.mark.parametrize("width", [80, 160])
def test_each_has_a_row(form: str, width: int) -> None:
    text = rendered(form, width=width).partition("KX332")[0]
    rows = [line for line in text.splitlines() if " kibana-svc  http" in line]
    assert len(rows) == 4
    for told in (
        f"ingress {HOST} at 192.0.2.80:80",
        "ingress logs.example.com/ui at 192.0.2.80:80",
        "node1 192.0.2.11:30561 + node2 192.0.2.12:30561",
    ):
        assert told in " ".join(text.split())


def test_json_names_them() -> None:
    data = json.loads(rendered("json"))
    jsonschema.Draft202012Validator(registry.report("json").SCHEMA).validate(data)
    (bridge,) = data["bridges"]
    assert [f["ingress"] for f in bridge["fronts"]] == ["kibana", "logs"]
    routes = [o["route"] for o in bridge["observations"]]
    assert routes == ["name", "ingress", "ingress", "node-port", "node-port"]
    assert bridge["observations"][1]["via"] == f"Ingress/kibana {HOST}"


def test_a_saved_report_is_judged_alike() -> None:
    once = report(*EVERY)
    codes = [d.code for b in judged_again(once).bridges for d in b.diagnoses]
    assert codes == [d.code for b in once.bridges for d in b.diagnoses] == ["KX332"]
