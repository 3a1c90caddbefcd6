"""Whole runs beside pods that pretend to be the probe: verdict, exit code, and who is named."""

import base64
import copy
import json
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from k8sext import registry
from k8sext.doctor import cluster as known_cluster
from k8sext.doctor import lookup
from k8sext.doctor import running as doctor
from k8sext.doctor.request import Request
from k8sext.errors import K8sextError
from k8sext.kube.session import ApiError
from k8sext.model.codec import to_json
from k8sext.model.report import Report
from k8sext.model.words import Reason, Route, Severity, Stage, Status
from k8sext.vantage import created, listen
from k8sext.vantage import follow as following
from k8sext.vantage.job import PodOptions
from tests.support.probe_pods import lines, pod_of
from tests.support.seen import bridge, seen

Plan = dict[str, Any]
Log = Callable[[Plan], list[dict[str, Any]]]
UID = "3f0c2b1e-0000-4000-8000-00000000000a"


def plan_in(job: dict[str, Any]) -> Plan:
    """What anybody can read who may read Jobs."""
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    text = "".join(e["value"] for e in env if e["name"].startswith("K8SEXT_PLAN_"))
    found: Plan = json.loads(zlib.decompress(base64.b64decode(text)))
    return found


def _log(plan: Plan, *, good: bool) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"type": "hello"}]
    for t in plan["targets"]:
        route, target = Route(t["route"]), f"{t['host']}:{t['port']}"
        bad = seen(t["id"], route, target, Stage.CONNECT, Reason.REFUSED)
        one = seen(t["id"], route, target) if good else bad
        one = replace(one, service=t["service"])
        made.append({"type": "observation", "observation": to_json(one)})
    made.append({"type": "end", "records": len(made) + 1, "interrupted": False})
    return [{"seq": n, "nonce": plan["nonce"], **r} for n, r in enumerate(made)]


def all_pass(plan: Plan) -> list[dict[str, Any]]:
    return _log(plan, good=True)


def all_fail(plan: Plan) -> list[dict[str, Any]]:
    return _log(plan, good=False)


class Cluster:
    """An API server with a Job controller, and somebody who creates pods as soon as there is a Job.

    `forge` makes that pod of ours; its log is `forged`, the log of ours `honest`.
    """

    def __init__(
        self,
        forge: Callable[[dict[str, Any]], Any] | None = None,
        forged: Log = all_pass,
        honest: Log = all_fail,
        *,
        controller: bool = True,
        admission: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.forge, self.forged, self.honest, self.controller = forge, forged, honest, controller
        self.admission = admission  # what it does to every pod; None: nobody may ask
        self.job: dict[str, Any] = {}
        self.pods: list[dict[str, Any]] = []
        self.refuse_delete = False
        self.over = threading.Event()

    def post(self, path: str, body: Any, /, **params: object) -> dict[str, Any]:
        if not path.endswith("/jobs") and self.admission:
            dry = copy.deepcopy(body)
            self.admission(dry)
            return dict(dry)
        if not path.endswith("/jobs"):
            raise ApiError(403, "Forbidden", "cannot create pods", {}, path)
        self.job = copy.deepcopy(body)
        self.job["metadata"]["uid"] = UID
        ours = pod_of(self.job)
        if self.admission:
            self.admission(ours)
        if self.forge:
            evil = copy.deepcopy(ours)
            evil["metadata"] |= {"name": "evil", "uid": "evil"}
            self.forge(evil)
            self.pods.append(evil)
        self.pods += [ours] if self.controller else []
        return self.job

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        name = str(params.get("fieldSelector") or "").partition("=")[2]
        return {"items": [p for p in self.pods if name in ("", p["metadata"]["name"])]}

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        self.over.set()
        if self.refuse_delete:
            raise ApiError(403, "Forbidden", "cannot delete jobs", {}, path)
        return {}

    @contextmanager
    def open(self, path: str, /, **params: object) -> Generator[Iterator[bytes]]:
        if path.endswith("/log"):
            evil = path.split("/")[-2] == "evil"
            log = self.forged if evil else self.honest
            yield iter(lines(log(plan_in(self.job))))
            return
        events = [] if path.endswith("/events") else [
            {"type": "ADDED", "object": p} for p in self.pods
        ]  # fmt: skip
        yield self._stream(events)

    def _stream(self, events: list[Any]) -> Iterator[bytes]:
        yield from (json.dumps(e).encode() for e in events)
        self.over.wait(5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "LOG_POLL_S", 0.02)
    monkeypatch.setattr(listen, "RETRY_S", 0.02)
    monkeypatch.setattr(following, "ANOTHER_S", 0.3)
    monkeypatch.setattr(created, "FIRST_PAUSE_S", 0.001)
    registry.wire_checks()


def alone(pod: dict[str, Any]) -> None:
    pod["metadata"]["ownerReferences"] = []


def other_image(pod: dict[str, Any]) -> None:
    pod["spec"]["containers"][0]["image"] = "evil.example/python:3.13-slim"


def injected(pod: dict[str, Any]) -> None:
    pod["spec"]["containers"].append({"name": "agent", "image": "agents.example/agent:1"})


def examined(api: Cluster, start_s: float = 3.0) -> Report:
    known = known_cluster.Cluster(api=api)
    request = Request(pod=PodOptions(start_timeout_s=start_s))
    return doctor.probe([bridge()], known, request, None, lambda _n, _t: None)


def told(report: Report) -> list[tuple[str, Severity]]:
    return [(d.code, d.severity) for d in report.vantages[0].diagnoses]


def test_without_anybody_else_the_dead_server_is_dead() -> None:
    report = examined(Cluster())
    assert (report.exit_code, told(report)) == (1, [])


def test_an_intruder_is_told_although_the_run_is_over_before_admission_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proven pod's log is read in no time; the question about the other one is still open."""
    monkeypatch.setattr(listen.LogListener, "ask_admission", lambda *_: None)
    report = examined(Cluster(other_image))
    assert told(report) == [("KX926", Severity.WARN)]
    assert "image is" in report.vantages[0].diagnoses[0].why


@pytest.mark.parametrize("forge", [alone, other_image])
def test_a_forged_pass_does_not_pass_a_dead_server(forge: Any) -> None:
    report = examined(Cluster(forge))
    assert report.exit_code == 1
    assert report.bridges[0].status is Status.FAIL
    assert told(report) == [("KX926", Severity.WARN)]
    (said,) = report.vantages[0].diagnoses
    assert "evil" in said.summary
    assert "kubectl get pods -n dev" in said.fix


@pytest.mark.parametrize(("forge", "code"), [(alone, "KX906"), (other_image, "KX927")])
def test_where_the_forged_pod_is_the_only_one_nothing_is_known(forge: Any, code: str) -> None:
    report = examined(Cluster(forge, controller=False), start_s=0.8)
    assert report.exit_code == 3
    assert report.bridges[0].status is Status.INCONCLUSIVE
    assert (code, Severity.INCONCLUSIVE) in told(report)


def test_an_intruder_beside_a_healthy_run_is_a_warning_and_no_more() -> None:
    report = examined(Cluster(alone, honest=all_pass))
    assert (report.exit_code, told(report)) == (0, [("KX926", Severity.WARN)])


def test_a_job_that_stays_is_a_warning_and_no_more() -> None:
    api = Cluster(honest=all_pass)
    api.refuse_delete = True
    report = examined(api)
    assert (report.exit_code, told(report)) == (0, [("KX929", Severity.WARN)])
    assert "kubectl delete job -n dev k8sext-" in report.vantages[0].diagnoses[0].why


def test_a_forged_line_in_the_log_makes_all_of_it_inconclusive() -> None:
    def forged_line(plan: Plan) -> list[dict[str, Any]]:
        log, better = all_fail(plan), all_pass(plan)
        return [log[0], better[1], *log[1:]]

    report = examined(Cluster(honest=forged_line))
    assert (report.exit_code, told(report)) == (3, [("KX928", Severity.INCONCLUSIVE)])
    assert report.bridges[0].observations == ()


def test_names_are_not_resolved_by_a_pod_that_only_carries_the_label() -> None:
    """`provision --resolve` would write its addresses into the cluster."""

    def elsewhere(plan: Plan) -> list[dict[str, Any]]:
        log = all_pass(plan)
        log[1]["observation"]["stages"][0]["evidence"] = {"addresses": ["192.0.2.66"]}
        return log

    def right(plan: Plan) -> list[dict[str, Any]]:
        log = all_pass(plan)
        log[1]["observation"]["stages"][0]["evidence"] = {"addresses": ["198.51.100.21"]}
        return log

    def asked(api: Cluster, start_s: float) -> Any:
        known = known_cluster.Cluster(api=api)
        options = PodOptions(start_timeout_s=start_s)
        return lookup.addresses(["redis.example"], "dev", known, options, lambda _text: None)

    assert asked(Cluster(alone, elsewhere, right), 3.0) == {"redis.example": ("198.51.100.21",)}
    for forge in (alone, other_image):
        with pytest.raises(K8sextError) as found:
            asked(Cluster(forge, elsewhere, controller=False), 0.8)
        assert found.value.exit_code == 3


@pytest.mark.parametrize(("forge", "said"), [(other_image, "image is"), (injected, "was added")])
def test_what_admission_changes_is_noted_and_raises_no_alarm(forge: Any, said: str) -> None:
    report = examined(Cluster(honest=all_pass, admission=forge))
    assert (report.exit_code, told(report)) == (0, [])
    assert any("admission changed the pod" in n and said in n for n in report.vantages[0].notes)
