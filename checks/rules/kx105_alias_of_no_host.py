"""KX105: an ExternalName leads to localhost, or to a name that is whole inside a pod only."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.service_names import DOMAIN, cut_short
from k8sext.model.shell import word
from k8sext.model.words import Severity

from ._pieces import ANOTHER_ANSWERS, NOBODY_THERE, patch, replaced

NO_NAME = ("KX201", "KX202", "KX204", "KX205")


def judge(subject: Subject) -> Iterator[Finding]:
    """One finding for each such alias."""
    for bridge in subject.bridges:
        name = bridge.external_name.rstrip(".").lower()
        if bridge.kind is not Kind.EXTERNAL_NAME or not name:
            continue
        if name == "localhost" or name.endswith(".localhost"):
            yield _localhost(bridge)
        elif meant := _short(subject, bridge, name):
            yield _cut_short(bridge, *meant)


def _short(subject: Subject, bridge: Bridge, name: str) -> tuple[str, bool] | None:
    """What is meant and whether there is such a Service; None for a name that may be whole.

    A single word may be a name of the company's own DNS, so may `db.corp`.
    """
    if name.replace(".", "").isdigit():
        return None  # an address: KX204 says so when DNS has answered
    key = cut_short(name, bridge.namespace)
    if key is None:
        return None
    there = key in subject.objects.service_of
    certain = there or "." not in name or name.endswith(".svc")
    return (f"{key[1]}.{key[0]}{DOMAIN}", there) if certain else None


def _localhost(bridge: Bridge) -> Finding:
    return Finding(
        code=RULE.code,
        severity=Severity.FAIL,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} is an alias of {bridge.external_name}: that leads every "
        "pod to itself, not to another host",
        fix=f"k8sext provision {word(bridge.service)} -n {word(bridge.namespace)} --to "
        "ADDRESS:PORT --adopt, "
        "with the address by which the nodes reach that host",
        bridge=bridge.ref,
        explains=(*NO_NAME, *NOBODY_THERE, *ANOTHER_ANSWERS),
    )


def _cut_short(bridge: Bridge, meant: str, there: bool) -> Finding:
    command = patch(
        "service", bridge.namespace, bridge.service, replaced("/spec/externalName", meant)
    )
    whole = "write the whole name of the outside host into spec.externalName; of a Service of this "
    return Finding(
        code=RULE.code,
        severity=Severity.NOTE,
        object=f"Service/{bridge.ref}",
        summary=f"Service {bridge.service} is an alias of {bridge.external_name}, which is not a "
        "whole name: the target of an alias is looked up as it is written, without the search list "
        "of pods",
        fix=f"name the Service that exists: {command}"
        if there
        else f"{whole}cluster it would be {meant}",
        command=command if there else "",
        bridge=bridge.ref,
        explains=NO_NAME,
    )


RULE = Rule(
    code="KX105",
    line="an ExternalName leads to localhost, or to a name that is whole inside a pod only",
    judge=judge,
)
