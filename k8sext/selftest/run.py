"""Opens the doors, runs doctor on them as on any other bridges, and compares what it says."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from k8sext import registry
from k8sext.agent.login.credentials import GivenValues
from k8sext.doctor import running as doctor
from k8sext.doctor.cluster import Cluster
from k8sext.doctor.request import Request
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.data import dataclass
from k8sext.model.plan import Budget
from k8sext.model.report import BridgeReport, Report
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsSpec
from k8sext.model.words import Status

from .case import CERTIFICATES, SelftestCase, Verdict
from .cases import CASES, WRONG_PASSWORD
from .certificates import Authority, KeyPair
from .servers import HOST, Doors, ServerPort, opened
from .speakers import PASSWORD

SCHEMA = "k8sext.selftest/v1"
NAMESPACE = "selftest"
CA = ("selftest-ca", "ca.crt")  # where bridges are told to find it
# Who answers gets time enough on a busy machine, and does not use it; who hangs costs all of his.
ANSWERING = Budget(stage_s=5.0, resolve_s=5.0, probe_s=10.0, run_s=15.0)
WAITING = Budget(stage_s=1.0, resolve_s=1.0, probe_s=3.0, run_s=5.0)
FILES = 2048  # both ends of every connection are ours: more than the 256 that macOS allows at first


@dataclass(frozen=True, slots=True)
class Checked:
    """One verdict beside what it should have been."""

    id: str
    expected: str
    got: str
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it is right."""
        return self.expected == self.got


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestOutcome:
    """The run as doctor reports it, and what is right and wrong with it."""

    report: Report
    checked: tuple[Checked, ...]
    seconds: float
    again: int = 0  # how many were right only at the second look

    @property
    def wrong(self) -> tuple[Checked, ...]:
        """The verdicts that are not what they should be."""
        return tuple(c for c in self.checked if not c.ok)

    @property
    def exit_code(self) -> int:
        """0 only where every verdict is right."""
        return 1 if self.wrong else 0

    @property
    def summary(self) -> str:
        """The last line."""
        good = len(self.checked) - len(self.wrong)
        late = f" ({self.again} of them at a second look)" if self.again else ""
        right = f"{good} of {len(self.checked)} verdicts right on servers of our own{late}"
        return f"{right}, in {self.seconds:.1f} s"

    def document(self) -> dict[str, Any]:
        """`k8sext.selftest/v1`."""
        cases = [
            {"id": c.id, "expected": c.expected, "got": c.got, "ok": c.ok, "seconds": c.seconds}
            for c in self.checked
        ]
        right = len(cases) - len(self.wrong)
        counts = {
            "cases": len(cases),
            "right": right,
            "second_look": self.again,
            "seconds": self.seconds,
        }
        return {"schema": SCHEMA, "summary": counts, "cases": cases}


def run(cases: Sequence[SelftestCase] = CASES) -> SelftestOutcome:
    """Every case at once. Raises K8sextError where this machine's loopback cannot be used."""
    began = time.monotonic()
    _allow_files()
    authority = Authority.make("k8sext selftest")
    doors = [door for case, tls in _with_tls(cases, authority) for door in _doors(case, tls)]
    try:
        with opened(doors) as there:
            report, again = _report(cases, iter(there.ports), authority)
    except OSError as error:
        raise K8sextError("the self-test cannot serve on 127.0.0.1", why=str(error),
                          exit_code=3) from error  # fmt: skip
    by_id = {b.bridge.service: b for b in report.bridges}
    checked = [_compared(case, by_id[case.id]) for case in cases]
    checked += [*formats(report), *_stand_ins(there)]
    seconds = round(time.monotonic() - began, 3)
    return SelftestOutcome(report=report, checked=tuple(checked), seconds=seconds, again=again)


# -- before --------------------------------------------------------------------------------------


def _allow_files() -> None:
    """Raise this process's own limit of open files, where there is one and it is low."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _with_tls(
    cases: Sequence[SelftestCase], authority: Authority
) -> Iterator[tuple[SelftestCase, ssl.SSLContext | None]]:
    """Each case with the context of its certificate; each kind is made once."""
    stranger, key = Authority.make("a stranger"), KeyPair.make()
    made: dict[str, ssl.SSLContext] = {}
    for kind in sorted({case.certificate for case in cases} - {""}):
        about = CERTIFICATES[kind]
        issuer = authority if about.trusted else stranger
        made[kind] = server_context(issuer.issue(key, about.name, about.begins, about.ends), key)
        if about.asks:
            made[kind].load_verify_locations(cadata=authority.pem)
            made[kind].verify_mode = ssl.CERT_REQUIRED
    for case in cases:
        yield case, made.get(case.certificate)


def server_context(certificate: str, key: KeyPair) -> ssl.SSLContext:
    """ssl reads certificates from files only: this one is there for a moment, for us alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="k8sext-selftest-") as folder:
        file = Path(folder, "stand-in.pem")
        file.write_text(certificate + key.pem, encoding="ascii")
        context.load_cert_chain(file)
    return context


def _doors(case: SelftestCase, tls: ssl.SSLContext | None) -> Iterator[ServerPort]:
    yield ServerPort(talk=case.talk, tls=tls, wrapped=case.wrapped)
    if case.two:
        yield ServerPort(talk=case.beside, tls=tls, wrapped=case.wrapped)


# -- the run -------------------------------------------------------------------------------------


def _report(
    cases: Sequence[SelftestCase], ports: Iterator[int], authority: Authority
) -> tuple[Report, int]:
    """Those that answer, then those that are a matter of time, then what was wrong once more.

    The second look is for machines that were busy elsewhere: what is really wrong is so again. How
    many it put right is told.
    """
    bridges = [(case, _bridge(case, [next(ports) for _ in range(1 + case.two)])) for case in cases]
    given: dict[str, Mapping[str, Secret]] = {
        case.id: {key: Secret(value) for key, value in case.login.items()} for case in cases
    }
    given[CA[0]] = {CA[1]: Secret(authority.pem)}
    seen: dict[str, BridgeReport] = {}
    reports: list[Report] = []
    left, late = bridges, 0
    for _ in range(2):
        late = len(left)
        for timed, budget in ((False, ANSWERING), (True, WAITING)):
            reports.append(_run_doctor([b for c, b in left if c.timed is timed], budget, given))
            seen |= {b.bridge.service: b for b in reports[-1].bridges}
        left = [(c, b) for c, b in left if not _right(c, seen[c.id])]
    vantages = next(r.vantages for r in reports if r.vantages)
    took = sum(r.duration_s for r in reports)
    bridges_in_order = tuple(seen[c.id] for c in cases)
    report = replace(reports[0], vantages=vantages, bridges=bridges_in_order, duration_s=took)
    return report, late - len(left)


def _right(case: SelftestCase, said: BridgeReport) -> bool:
    return _compared(case, said).ok


def _run_doctor(
    bridges: Sequence[Bridge], budget: Budget, given: Mapping[str, Mapping[str, Secret]]
) -> Report:
    """As `k8sext doctor --from local` does it."""
    request = Request(vantage="local", budget=budget)
    logins = GivenValues(given)
    return doctor.probe(bridges, Cluster(), request, lambda _: logins, lambda _n, _t: None)


def _bridge(case: SelftestCase, ports: Sequence[int]) -> Bridge:
    endpoints = tuple(Endpoint(address=HOST, port=port, source="self-test") for port in ports)
    port = Port(name="", port=ports[0], protocol=case.protocol, protocol_source="self-test")
    ca = CA if case.certificate and case.protocol != "http" else ("", "")
    return Bridge(
        namespace=NAMESPACE,
        service=case.id,
        kind=Kind.SELECTORLESS,
        ports=(port,),
        endpoints=endpoints,
        tls=TlsSpec(mode=case.mode, ca_secret=ca[0], ca_key=ca[1]),
        expect=case.expect,
        source="self-test",
    )


# -- after ---------------------------------------------------------------------------------------


def _compared(case: SelftestCase, said: BridgeReport) -> Checked:
    seconds = max((o.duration_s for o in said.observations), default=0.0)
    return Checked(case.id, str(case.want), verdict_of(said), round(seconds, 3))


def verdict_of(said: BridgeReport) -> str:
    """What doctor says of a bridge, in the words of `Verdict`; more than one diagnosis shows."""
    depth = said.depth if said.status in (Status.PASS, Status.WARN) else None
    if not said.diagnoses:
        return str(Verdict(said.status, depth=depth))
    told = [Verdict(said.status, d.code, d.culprit, depth) for d in said.diagnoses]
    if any(d.code == "KX318" for d in said.diagnoses):  # to no depth: that is the point of it
        told = [Verdict(said.status, d.code, d.culprit) for d in said.diagnoses]
    return ", ".join(map(str, told))


def formats(report: Report) -> Iterator[Checked]:
    """Whatever servers say and passwords are: neither controls a terminal nor is told."""
    options = registry.report_options()
    for name in registry.report_names():
        text: str = registry.report(name).render(report, options)
        found = [what for what, there in _traces(text) if there]
        yield Checked(f"format-{name}", "clean", ", ".join(found) or "clean")


def _traces(text: str) -> Iterator[tuple[str, bool]]:
    yield "control characters", not text.replace("\n", "").isprintable()
    yield "a password", PASSWORD in text or WRONG_PASSWORD in text


def _stand_ins(doors: Doors) -> Iterator[Checked]:
    """A stand-in that breaks is a defect of ours, whatever the verdict on it."""
    yield Checked("stand-ins", "well", "; ".join(dict.fromkeys(doors.broken)) or "well")
