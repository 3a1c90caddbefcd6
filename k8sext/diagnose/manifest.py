"""What lint rules found of a bridge, put beside what was seen of it: pure.

The manifest is consulted first: where a finding explains a failure, the finding is the cause, and
neither the server nor the network is blamed. Where the bridge works, it is a warning or a note.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from k8sext.model import shell
from k8sext.model.bridge import Bridge, Endpoint
from k8sext.model.diagnosis import Diagnosis, Finding
from k8sext.model.plan import join_address
from k8sext.model.words import Severity

from .case import Case, PlaceFacts, failed, findings_of
from .codes import rows_reach

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "ReplicaSet")


def instead(case: Case, root: Diagnosis | None) -> Diagnosis | None:
    """`root`, or in its place the finding that explains it, with the same evidence."""
    if root is None or root.severity is not Severity.FAIL:
        return root
    finding = next((f for f in case.findings if _explains(f, root, case)), None)
    if finding:
        cause = _diagnosis(finding, Severity.FAIL)
        return replace(cause, why=root.why, because=(*root.because, finding.object))
    refining = [f for f in case.findings if root.code in f.refines]
    causes = (f"{f.summary} ({f.code})" for f in refining)
    told = functools.reduce(_refined, refining, root)
    return replace(told, why="; ".join((*causes, root.why)))


def _refined(root: Diagnosis, finding: Finding) -> Diagnosis:
    """The same verdict with the cause of it; the first of several says what to do."""
    refined = any("#" in mark for mark in root.because)
    return replace(
        root,
        because=(*root.because, f"{finding.object}#{finding.code}"),
        fix=root.fix if refined else finding.fix,
        command=root.command if refined else finding.command,
        see=f"{root.see} · k8sext explain {finding.code}",
    )


def _explains(finding: Finding, root: Diagnosis, case: Case) -> bool:
    """Whether a failure of this kind follows from it, and at no address that it does not name."""
    if root.code not in finding.explains:
        return False
    dead = {o.target for o in failed(case.endpoints)}
    if finding.only_as_cause and not dead:
        return False
    return not finding.addresses or dead <= set(finding.addresses)


def beside(bridge: Bridge, context: PlaceFacts, said: Iterable[Diagnosis]) -> list[Diagnosis]:
    """The findings of a bridge that are no cause of a failure here."""
    diagnoses = list(said)
    known = {d.code for d in diagnoses} | {_code_in(m) for d in diagnoses for m in d.because}
    new = [_standing(f) for f in findings_of(bridge, context) if _is_new(f, known)]
    return [*new, *([] if rows_reach.PORT_NAME.code in known else _unmatched(bridge))]


def _code_in(mark: str) -> str:
    """The finding that a diagnosis refers to, by what it refers to."""
    return mark.partition("#")[2]


def _unmatched(bridge: Bridge) -> Iterator[Diagnosis]:
    """Endpoints that no Service port can use, where others work: half of what was meant is missing.

    A slice may well have ports that the Service does not; what counts is that it lacks one of them.
    """
    wanted = {p.name for p in bridge.ports}
    if not any(e.port_name in wanted for e in bridge.endpoints):
        return  # nothing works, or a file names the ports otherwise
    for source in dict.fromkeys(e.source for e in bridge.endpoints):
        mine = [e for e in bridge.endpoints if e.source == source]
        lacking = wanted - {e.port_name for e in mine}
        lost = [e for e in mine if e.port_name not in wanted]
        meant = [e for e in lost if not _also_matched(e, mine, wanted)]
        if meant and lacking:
            yield _port_name(bridge, source, meant[0], sorted(lacking))


def _also_matched(lost: Endpoint, mine: Sequence[Endpoint], wanted: set[str]) -> bool:
    """Whether the same number is there under a name that a Service port has."""
    return any(e.port_name in wanted and e.port == lost.port for e in mine)


def _port_name(bridge: Bridge, source: str, lost: Endpoint, lacking: Sequence[str]) -> Diagnosis:
    kind, _, name = source.partition("/")
    names = " or ".join(repr(n) if n else "no name" for n in lacking)
    own = repr(lost.port_name) if lost.port_name else "by no name"
    target = join_address(lost.address, lost.port)
    there = f"{kind}/{bridge.namespace}/{name}"
    facts = {"kind": kind.lower(), "namespace": bridge.namespace, "name": name}
    return Diagnosis(
        code=rows_reach.PORT_NAME.code,
        severity=Severity.WARN,
        culprit=rows_reach.PORT_NAME.culprit,
        summary=f"{target} never gets a connection: {source} calls its port {own}, and Service "
        f"{bridge.service} looks for {names}",
        because=(there,),
        fix=shell.filled("kubectl edit {kind!q} -n {namespace!q} {name!q}", facts)
        + f", and give port {lost.port} the name {lacking[0]!r}",
        see=f"k8sext explain {rows_reach.PORT_NAME.code} · {_by_hand(there)}",
    )


def _is_new(finding: Finding, known: set[str]) -> bool:
    """What is found of a workload is told of the workload, not of each bridge that it uses; but for
    what the bridge's own Secret did to it.
    """
    elsewhere = finding.object.partition("/")[0] in WORKLOADS and not finding.of_bridge
    return finding.code not in known and not elsewhere and not finding.only_as_cause


def _standing(finding: Finding) -> Diagnosis:
    """A working bridge is failed by proven harm alone."""
    weaker = Severity.WARN if finding.severity is Severity.FAIL else finding.severity
    return _diagnosis(finding, Severity.FAIL if finding.harmful else weaker)


def _diagnosis(finding: Finding, severity: Severity) -> Diagnosis:
    return Diagnosis(
        code=finding.code,
        severity=severity,
        culprit=finding.culprit,
        summary=finding.summary,
        because=(finding.object,),
        fix=finding.fix,
        command=finding.command,
        see=f"k8sext explain {finding.code} · {_by_hand(finding.object)}",
    )


def _by_hand(ref: str) -> str:
    """How to look at the object `KIND/NAMESPACE/NAME`."""
    kind, _, rest = ref.partition("/")
    namespace, _, name = rest.rpartition("/")
    where = "-n {namespace!q} " if namespace else ""
    facts = {"kind": kind.lower(), "namespace": namespace, "name": name}
    return shell.filled(f"kubectl get {{kind!q}} {where}{{name!q}} -o yaml", facts)
