"""What leaves as JSON comes back the same: plans, observations, whole reports."""

import json

import pytest

from k8sext.model.bridge import CredentialRef
from k8sext.model.codec import from_json, to_json
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.report import Report
from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Route
from tests.support.sample_report import not_started, sample

TARGET = Target(
    id="o1",
    service="svc",
    port_key="p",
    protocol="redis",
    route=Route.NAME,
    host="svc",
    port=6379,
    tls=TlsSpec(mode=TlsMode.REQUIRE),
    tls_names=("svc", "svc.dev"),
    credentials=CredentialRef(secret="s", keys=(("password", "my-key"),), vouched=True),
    expect={"role": "master", "list": [1, 2.5, None, {"a": True}]},
)
PLAN = Plan(run_id="r", namespace="dev", targets=(TARGET,), modules=("m",), budget=Budget(run_s=7))


@pytest.mark.parametrize("value", [PLAN, sample(), not_started()], ids=["plan", "report", "none"])
def test_a_round_trip_changes_nothing(value: Plan | Report) -> None:
    assert from_json(type(value), json.loads(json.dumps(to_json(value)))) == value


def test_defaults_are_left_out_and_unknown_keys_ignored() -> None:
    data = to_json(PLAN)
    assert "vantage" not in data
    data["invented-later"] = 1
    assert from_json(Plan, data) == PLAN


@pytest.mark.parametrize(
    "data", [[], {"id": "o1"}, {**to_json(TARGET), "route": "teleport"}], ids=["list", "less", "?"]
)
def test_what_does_not_fit_is_refused(data: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_json(Target, data)
    with pytest.raises(TypeError):
        from_json(Observation, None)
