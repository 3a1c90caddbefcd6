"""One run over several namespaces: each has a Job of the same name."""

import threading
from typing import Any

import pytest

from k8sext.doctor import running as doctor
from k8sext.doctor.cluster import Cluster
from k8sext.doctor.request import Request
from k8sext.model.bridge import Bridge, Kind


def test_namespaces_are_looked_at_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are under way at once, and each ends for itself."""
    together, seen = threading.Barrier(2, timeout=10), list[tuple[str, str]]()

    def look(namespace: str, _here: Any, _cluster: Any, _request: Any, _given: Any, run: str,
             *_more: Any) -> list[Any]:  # fmt: skip
        together.wait()
        seen.append((run, namespace))
        together.wait()
        return []

    monkeypatch.setattr(doctor, "look", look)
    kind = Kind.SELECTORLESS
    bridges = [Bridge(namespace=n, service="db", kind=kind, ports=()) for n in ("one", "two")]
    report = doctor.probe(bridges, Cluster(), Request(vantage="pod"), None, lambda _n, _t: None)
    assert {namespace for _, namespace in seen} == {"one", "two"}
    assert {run for run, _ in seen} == {report.run_id}
