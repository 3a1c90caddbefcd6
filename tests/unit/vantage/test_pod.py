"""The follower against a stand-in for the API: what each thread would have seen, in order."""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.model.plan import Budget, Plan
from k8sext.vantage import pod

PLAN = Plan(run_id="r1", namespace="dev", targets=(), modules=(), budget=Budget(run_s=5))
RUNNING = {
    "metadata": {"name": "k8sext-r1-0-x"},
    "spec": {"nodeName": "node2"},
    "status": {"podIP": "198.18.1.7"},
}
HELLO = {"seq": 0, "type": "hello"}
END = {"seq": 2, "type": "end"}


class StandIn:
    """Plays the API server; `logs` holds one list of records for each time the log is opened."""

    def __init__(self, pods: list[Any], events: list[Any], logs: list[list[Any]]) -> None:
        self.pods, self.events, self.logs = pods, events, logs
        self.deleted: list[str] = []
        self.done = threading.Event()

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        raise AssertionError(path)

    def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        return {}

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        self.deleted.append(path)
        self.done.set()
        return {}

    @contextmanager
    def open(self, path: str, /, **params: object) -> Generator[Iterator[bytes]]:
        if path.endswith("/log"):
            if not self.logs:
                raise K8sextError("container is waiting to start", exit_code=3)
            yield iter([json.dumps(r).encode() for r in self.logs.pop(0)])
            return
        what = self.pods if path.endswith("/pods") else self.events
        yield self._stream(what)

    def _stream(self, what: list[Any]) -> Iterator[bytes]:
        yield from (json.dumps(w).encode() for w in what)
        what.clear()
        self.done.wait(5)


def follow(
    pods: list[Any] | None = None,
    events: list[Any] | None = None,
    logs: list[list[Any]] | None = None,
    start_timeout_s: float = 2.0,
) -> tuple[pod.PodRun, StandIn, list[str]]:
    api = StandIn(pods or [], events or [], logs or [])
    said: list[str] = []
    ran = pod.run(api, PLAN, {}, start_timeout_s, said.append)
    return ran, api, said


def added(obj: Any) -> dict[str, Any]:
    return {"type": "ADDED", "object": obj}


def test_records_are_read_until_the_end_record_and_the_job_is_deleted() -> None:
    ran, api, said = follow([added(RUNNING)], logs=[[HELLO, END]])
    assert [r["type"] for r in ran.records] == ["hello", "end"]
    assert ran.trouble is None
    assert api.deleted == ["/apis/batch/v1/namespaces/dev/jobs/k8sext-r1"]
    assert said == ["pod k8sext-r1-0-x scheduled on node2"]


def test_a_cut_log_is_read_again_without_doubles() -> None:
    middle = {"seq": 1, "type": "observation"}
    ran, _, _ = follow([added(RUNNING)], logs=[[HELLO, middle], [HELLO, middle, END]])
    assert [r["seq"] for r in ran.records] == [0, 1, 2]


def test_lines_that_are_not_ours_are_passed_over() -> None:
    ran, _, _ = follow([added(RUNNING)], logs=[["stray", HELLO, END]])
    assert [r["seq"] for r in ran.records] == [0, 2]


def test_a_final_refusal_ends_the_wait_at_once() -> None:
    event = {
        "reason": "FailedCreate",
        "message": "pods is forbidden: exceeded quota: compute",
        "involvedObject": {"name": "k8sext-r1"},
    }
    ran, api, said = follow(events=[added(event)], start_timeout_s=30)
    assert ran.trouble is not None
    assert ran.trouble.code == "KX903"
    assert api.deleted
    assert "exceeded quota" in said[0]


def test_events_about_other_objects_are_not_ours() -> None:
    event = {
        "reason": "FailedCreate",
        "message": "pods is forbidden: exceeded quota",
        "involvedObject": {"name": "other"},
    }
    ran, _, _ = follow(events=[added(event)], start_timeout_s=0.6)
    assert ran.trouble is not None
    assert ran.trouble.code == "KX906"


def test_verdicts_survive_a_blocked_log_in_the_termination_message() -> None:
    summary = json.dumps([{"seq": 0, "type": "summary"}])
    state = {"terminated": {"exitCode": 0, "message": summary}}
    ended = {**RUNNING, "status": {"containerStatuses": [{"name": "probe", "state": state}]}}
    ran, _, _ = follow([added(ended)], start_timeout_s=10)
    assert [r["type"] for r in ran.records] == ["summary"]
    assert ran.trouble is not None
    assert ran.trouble.code == "KX907"


def test_the_job_is_deleted_when_the_caller_is_interrupted() -> None:
    api = StandIn([added(RUNNING)], [], [])

    def interrupted(_text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pod.run(api, PLAN, {}, 5, interrupted)
    assert api.deleted
