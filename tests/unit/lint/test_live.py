"""What the rules are given of a live cluster, and of whom they speak."""

import threading
from typing import Any

from k8sext.kube.snapshot import Snapshot
from k8sext.lint import live as linted
from k8sext.lint import run as lint
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Linted, Subject
from k8sext.model.words import Severity
from tests.support.seen import bridge

SERVICE = {"metadata": {"name": "redis-svc", "namespace": "dev"}, "spec": {}}
OTHER = {"metadata": {"name": "web", "namespace": "prod"}, "spec": {}}
BRIDGES = (bridge("redis-svc"), bridge("mysql-svc"))


def made(skips: tuple[str, ...] = (), **more: Any) -> Snapshot:
    return Snapshot(services=(SERVICE,), namespace="dev", skips=skips, **more)


def test_what_could_not_be_read_is_none_and_no_empty_list() -> None:
    got = linted.objects(made(("nodes were not read: Forbidden",)), None, complete=True)
    assert (got.nodes, got.pods, got.all_services) == (None, (), None)
    assert set(got.service_of) == {("dev", "redis-svc")}


def test_services_of_other_namespaces_are_known_and_not_looked_at() -> None:
    got = linted.objects(made(), (SERVICE, OTHER), complete=True)
    assert got.services == (SERVICE,)
    assert set(got.service_of) == {("dev", "redis-svc"), ("prod", "web")}


def test_a_snapshot_of_everything_needs_no_second_list() -> None:
    assert linted.kinds(None, None) == ()
    assert linted.kinds("dev", None) == linted.kinds(None, "a=b") == ("services",)
    whole = Snapshot(services=(SERVICE, OTHER))
    assert linted.objects(whole, None, complete=True).all_services == (SERVICE, OTHER)
    assert linted.objects(whole, None, complete=False).all_services is None


def found(monkeypatch: Any, *names: str) -> Linted:
    """What is left of a finding for each bridge, and one for none, where `names` are asked for."""
    said = tuple(
        Finding(code="KX101", severity=Severity.WARN, object=f"Service/{ref}", summary=ref,
                bridge=ref if ref.endswith("svc") else "")
        for ref in ("dev/redis-svc", "dev/mysql-svc", "dev/stray")
    )  # fmt: skip

    def findings(subject: Subject) -> tuple[Finding, ...]:
        assert subject.bridges == BRIDGES
        return said

    monkeypatch.setattr(lint, "findings", findings)
    scope = linted.Scope(bridges=BRIDGES, names=names)
    lists = ({"services": None}, ("services: no",))
    return linted.find(made(), scope, lambda: lists, lambda _asked: ((), ()))


def test_all_is_told_where_no_service_is_named(monkeypatch: Any) -> None:
    got = found(monkeypatch)
    assert [f.summary for f in got.findings] == ["dev/redis-svc", "dev/mysql-svc", "dev/stray"]
    assert (got.workloads, got.skips) == (None, ("services: no",))


def test_only_of_those_that_are_named(monkeypatch: Any) -> None:
    assert [f.summary for f in found(monkeypatch, "redis-svc").findings] == ["dev/redis-svc"]


def test_the_rules_are_run_once_whoever_asks() -> None:
    runs: list[int] = []

    def find() -> Linted:
        runs.append(1)
        return Linted()

    ask = linted.once(find)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask() is ask()
    assert len(runs) == 1


def test_workload_skips() -> None:
    skips = ("nodes were not read: Forbidden", "cronjobs were not read: Forbidden")
    assert linted.workload_skips(skips) == skips[1:]
