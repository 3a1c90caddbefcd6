"""One report that holds every status, for golden files and for tests of every format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.lint import run as lint
from k8sext.model.bridge import Bridge, CredentialRef, Kind
from k8sext.model.diagnosis import Finding, Location
from k8sext.model.lint import Subject
from k8sext.model.report import BridgeReport, Gate, Report, VantageReport
from k8sext.model.result import Observation
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from k8sext.model.workload import How, Use, Workload, WorkloadView

from .seen import bridge, name_alone, seen

HERE = PlaceFacts(namespace="dev", vantage="pod", node="node2", address="198.18.1.7", policies=())
HOSTILE = "Access denied\x00 for \x1b[31m'app' <&\"]]> \ufffe"  # what a server may send
CONNECT = Stage.CONNECT


def routes(
    service: str,
    address: str,
    ended: Stage | None = None,
    reason: Reason | None = None,
    **more: Any,
) -> list[Observation]:
    """By name and at the address, with the same end."""
    number = sum(map(ord, service))
    return [
        seen(f"o{number}", Route.NAME, f"{service}:26379", ended, reason, service=service, **more),
        seen(
            f"o{number + 1}",
            Route.ENDPOINT,
            f"{address}:26379",
            ended,
            reason,
            service=service,
            **more,
        ),
    ]


def _ten() -> tuple[Bridge, list[Observation]]:
    addresses = [f"198.51.100.{n}" for n in range(41, 51)]
    probes = [seen("o800", Route.NAME, "search-svc:26379", service="search-svc")]
    probes += [
        seen(f"o{801 + n}", Route.ENDPOINT, f"{a}:26379", service="search-svc")
        for n, a in enumerate(addresses)
    ]
    return bridge("search-svc", *addresses), probes


def _judged() -> tuple[BridgeReport, ...]:
    ten, ten_seen = _ten()
    # A full-length IPv6 address: the longest thing that a table must not cut.
    six = "2001:db8:85a3:8d3:1319:8a2e:370:7348"
    six_seen = [
        seen("o700", Route.NAME, "cache-svc:26379", service="cache-svc"),
        seen("o701", Route.ENDPOINT, f"[{six}]:26379", service="cache-svc"),
    ]
    dead = {"seconds": 3.0}
    probes = [
        *routes("redis-svc", "198.51.100.21", CONNECT, Reason.TIMED_OUT, **dead),
        *routes("warn-svc", "198.51.100.32", Stage.TLS, Reason.CERTIFICATE_EXPIRES_SOON,
                status=Status.WARN, detail="12 days are left", not_after="2026-12-06T00:00:00Z"),
        *routes("login-svc", "198.51.100.9", Stage.AUTH, Reason.AUTH_REJECTED,
                detail="Access denied", words=HOSTILE),
        *routes("late-svc", "198.51.100.60", Stage.HANDSHAKE, Reason.OUT_OF_TIME,
                status=Status.INCONCLUSIVE),
        *routes("shallow-svc", "198.51.100.61", Stage.AUTH, Reason.AUTH_REQUIRED,
                status=Status.SKIP),
        *six_seen,
        *ten_seen,
    ]  # fmt: skip
    nothing = bridge("empty-svc", kind=Kind.EXTERNAL_NAME, ports=(), endpoints=())
    probes.append(name_alone("empty-svc"))
    bridges = [
        bridge("cache-svc", six),
        ten,
        bridge("shallow-svc", "198.51.100.61"),
        bridge("warn-svc", "198.51.100.32"),
        bridge("redis-svc", "198.51.100.21"),
        bridge("login-svc", "198.51.100.9", credentials=CredentialRef(secret="redis-auth")),
        bridge("late-svc", "198.51.100.60"),
        nothing,
    ]
    return judge(bridges, probes, [], HERE).bridges


def vantage(**more: Any) -> VantageReport:
    """Where the sample was looked at from."""
    base: dict[str, Any] = {
        "namespace": "dev",
        "vantage": "pod",
        "node": "node2",
        "address": "198.18.1.7",
        "pod": "k8sext-7f3a-0-x2b4c",
        "pod_start_s": 0.9,
    }
    return VantageReport(**{**base, **more})


def sample(**more: Any) -> Report:
    """A run over eight bridges: pass, warn, fail, inconclusive and skip."""
    base: dict[str, Any] = {
        "run_id": "7f3a0001",
        "started": "2026-11-24T02:00:00Z",
        "duration_s": 4.4,
        "tool_version": "0.1.0",
        "vantages": (vantage(),),
        "bridges": _judged(),
        "context": "lab",
        "server_version": "v1.35.4",
    }
    return Report(**{**base, **more})


def _use(service: str, where: str, text: str, **more: Any) -> Use:
    base: dict[str, Any] = {
        "bridge": f"dev/{service}",
        "how": How.NAME,
        "container": "app",
        "where": where,
        "text": text,
        "host": service,
        "keyed": True,
    }
    return Use(**{**base, **more})


def view() -> WorkloadView:
    """Workloads that reach all, not all, maybe, and one of which something was found."""
    config = "ConfigMap shop-config key application.yml"
    shop = (
        _use("cache-svc", f"{config} line 12", "spring.redis.host=cache-svc (port 26379)",
             port=26379, secret="redis-auth"),
        _use("redis-svc", "env QUEUE_URL", "QUEUE_URL=redis://***@redis-svc:26379", port=26379,
             inline=True),
        _use("redis-svc", f"{config} line 30", "redis-svc:26379", port=26379, keyed=False),
        _use("search-svc", "env ES", "ES=198.51.100.41:26379", port=26379, how=How.ENDPOINT,
             host="198.51.100.41"),
    )  # fmt: skip
    report = (_use("cache-svc", "args", "cache-svc", likely=True, keyed=False),)
    wrong = (_use("cache-svc", "env CACHE", "CACHE=cache-svc:6379", port=6379),)
    late = (_use("late-svc", "env L", "L=late-svc:26379", port=26379),
            _use("other-svc", "env O", "O=other-svc:1", port=1))  # fmt: skip
    return WorkloadView(
        workloads=(
            Workload(namespace="dev", kind="CronJob", name="report", uses=report),
            Workload(namespace="dev", kind="Deployment", name="late", uses=late, nodes=("node1",)),
            Workload(namespace="dev", kind="Deployment", name="shop", uses=shop,
                     nodes=("node1", "node2"), secrets=("redis-auth",)),
            Workload(namespace="dev", kind="StatefulSet", name="wrong-port", uses=wrong,
                     nodes=("node2",)),
        ),
        without=3,
        notes=("cronjobs were not read: Forbidden",),
    )  # fmt: skip


def with_workloads(**more: Any) -> Report:
    """The sample with a view of workloads, and what lint rules find in it."""
    report = sample(workloads=view(), **more)
    subject = Subject(bridges=tuple(b.bridge for b in report.bridges), workloads=view().workloads)
    return replace(report, findings=lint.findings(subject))


def only(report: Report, *statuses: Status, gate: Gate | None = None) -> Report:
    """The sample with bridges of some statuses only."""
    kept = tuple(b for b in report.bridges if b.status in statuses)
    return replace(report, bridges=kept, gate=gate or Gate())


def not_started() -> Report:
    """A run whose pod was not admitted."""
    from k8sext.diagnose.start import start_failure

    why = 'pods "k8sext-7f3a-0" is forbidden: exceeded quota: compute'
    said = start_failure("KX903", "dev", "the pod was not admitted", why)
    where = vantage(node="", address="", pod="", pod_start_s=0.0, diagnoses=(said,))
    return sample(vantages=(where,), bridges=(), duration_s=0.2)


FINDING = Finding(
    code="KX104",
    severity=Severity.FAIL,
    object="Service/dev/redis-svc",
    summary="the slice's port name is not the Service's",
    fix="name both redis",
    location=Location(file="redis.yaml", line=12),
)
