"""Whom a system calls back: what of it becomes evidence."""

import asyncio
from typing import Any

from k8sext.agent.check import Callbacks, Registered
from k8sext.agent.run.announced import AddressVerdict
from k8sext.agent.run.callbacks import MAX_LISTED, MAX_NAMES, look_back
from k8sext.agent.run.stages import StageLog
from k8sext.model.plan import Budget, Target
from k8sext.model.result import StageResult
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route, Stage, Status

TARGET = Target(id="o", service="s", port_key="p", protocol="x", route=Route.NAME, host="h", port=1)


def entries(*registered: Registered) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """The evidence, the addresses that were looked at, and the names that were asked for."""
    looked: list[str] = []
    asked: list[str] = []

    async def look(address: str) -> AddressVerdict:
        looked.append(address)
        return AddressVerdict(address=address, reason=Reason.REFUSED)

    async def resolve(name: str) -> str:
        asked.append(name)
        return "" if "absent" in name else "192.0.2.11"

    async def run() -> Any:
        log = StageLog(TARGET, Budget(), 0.0, secrets=(Secret("canary-4711"),))
        log.add(StageResult(stage=Stage.VERIFY, status=Status.PASS))
        await look_back(log, Callbacks(entries=registered, caller="it"), look, resolve)
        return log.done[Stage.VERIFY].evidence["callbacks"]

    return asyncio.run(run())["entries"], looked, asked


def test_how_each_caller_fares_and_what_is_expected_become_evidence() -> None:
    ((fact,), _, _) = entries(
        Registered(address="192.0.2.9:1", state="down", callers={"10.0.0.1 canary-4711": "up"})
    )
    assert fact["callers"] == {"10.0.0.1 ***": "up"}


def test_where_names_lead_to_is_told_whether_they_are_up_or_down() -> None:
    found, looked, asked = entries(
        Registered(address="gateway.example:31208", state="up"),
        Registered(address="gateway.example:31209", state="down"),
        Registered(address="absent.example:80", state="up"),
        Registered(address="192.0.2.12:80", state="up"),
        Registered(address="backup:80", state="up"),
        Registered(address="nonsense", state="up"),
    )
    leads = {e["address"]: e.get("leads_to") for e in found}
    assert leads == {
        "gateway.example:31208": "192.0.2.11:31208",
        "gateway.example:31209": "192.0.2.11:31209",
        "absent.example:80": None,
        "192.0.2.12:80": None,
        "backup:80": None,
        "nonsense": None,
    }
    assert (looked, asked) == (["gateway.example:31209"], ["gateway.example", "absent.example"])


def test_of_very_many_a_few_names_are_asked_for() -> None:
    many = [Registered(address=f"n{n}.example:80", state="up") for n in range(100)]
    found, looked, asked = entries(*many)
    assert (len(found), looked, len(asked)) == (MAX_LISTED, [], MAX_NAMES)


def test_what_a_system_was_told_to_say_is_made_fit_to_print() -> None:
    (found,), _, _ = entries(
        Registered(address="192.0.2.11:1", app="a\x1b[2Jb", error="no canary-4711", state="down")
    )
    assert "\x1b" not in found["app"]
    assert "canary-4711" not in found["error"]
