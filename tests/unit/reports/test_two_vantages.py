"""What two vantages saw of a bridge: folded where they agree, a row each where they differ."""

from dataclasses import replace
from types import ModuleType
from typing import Any

from k8sext import registry
from k8sext.model.report import BridgeReport, Report
from k8sext.model.words import Reason, Stage, Status
from tests.support.sample_report import sample


def table(report: Report) -> str:
    module: ModuleType = registry.report("table")
    options: Any = __import__("k8sext.cli.console", fromlist=["plain"]).plain()
    text: str = module.render(report, options)
    return text


def healthy() -> BridgeReport:
    found = (b for b in sample().bridges if b.status is Status.PASS)
    return next(b for b in found if b.observations and not any(o.client for o in b.observations))


def of_relay(bridge: BridgeReport) -> BridgeReport:
    there = tuple(
        replace(o, id=o.id.replace("o", "r"), vantage="relay") for o in bridge.observations
    )
    return replace(bridge, observations=(*bridge.observations, *there))


def lines(bridge: BridgeReport) -> list[str]:
    report = replace(sample(), bridges=(bridge,))
    name = f" {bridge.bridge.service} "
    return [line for line in table(report).splitlines() if name in line]


def test_vantages_that_agree_are_one_row() -> None:
    one = healthy()
    assert len(lines(of_relay(one))) == len(lines(one)) == 1
    assert "from relay" not in lines(of_relay(one))[0]


def test_vantages_that_differ_say_which_they_are() -> None:
    both = of_relay(healthy())

    def broken(seen: Any) -> Any:
        if seen.vantage != "relay":
            return seen
        bad = {"status": Status.FAIL, "reason": Reason.TIMED_OUT}
        return replace(
            seen,
            stages=tuple(replace(s, **bad) if s.stage is Stage.CONNECT else s for s in seen.stages),
        )

    rows = lines(replace(both, observations=tuple(broken(o) for o in both.observations)))
    assert len(rows) == 2
    assert ["from pod: " in rows[0], "from relay: " in rows[1]] == [True, True]
