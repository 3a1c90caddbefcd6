"""The follower against a stand-in for the API: what each thread would have seen, in order."""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.kube.session import ApiError
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.words import Route
from k8sext.vantage import created, listen, pod, watching
from k8sext.vantage import follow as following
from k8sext.vantage.follow import PodRun
from tests.support.probe_pods import NONCE, UID, job_of, manifest_of, pod_of, records


def target(shard: int) -> Target:
    return Target(
        id=f"o{shard + 1}",
        service=f"redis-{shard}",
        port_key="redis",
        protocol="redis",
        route=Route.NAME,
        host=f"redis-{shard}",
        port=6379,
        shard=shard,
    )


PLAN = Plan(
    run_id="r1",
    namespace="dev",
    targets=(target(0),),
    modules=(),
    budget=Budget(run_s=5),
    nonce=NONCE,
)
TWO = replace(PLAN, targets=(target(0), target(1)))
MANIFEST = manifest_of(PLAN)
JOB = job_of(PLAN)
RUNNING = pod_of(JOB)
HELLO, MIDDLE, END = records("hello", "control", "end")
SHORT = records("hello", "end")


def running(shard: int = 0) -> dict[str, Any]:
    return pod_of(job_of(TWO), shard)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for between two tries, and for a log after its container's end."""
    monkeypatch.setattr(listen, "LOG_POLL_S", 0.05)
    monkeypatch.setattr(listen, "RETRY_S", 0.05)
    monkeypatch.setattr(watching, "PAUSE_S", 0.05)
    monkeypatch.setattr(following, "LAST_WORDS_S", 0.5)
    monkeypatch.setattr(created, "FIRST_PAUSE_S", 0.01)


class StandIn:
    """Plays the API server; `logs` holds one list of records for each time the log is opened."""

    def __init__(self, pods: list[Any], events: list[Any], logs: list[list[Any]]) -> None:
        self.pods, self.events, self.logs = pods, events, logs
        self.log_of: dict[str, list[list[Any]]] = {}  # by a part of the pod's name
        self.broken = 0  # how many watches are cut before they answer
        self.deleted: list[str] = []
        self.done = threading.Event()
        self.made = JOB
        self.now: dict[str, Any] = {}  # by name: a pod as a list shows it, where not as watched
        self.seen: dict[str, Any] = {}

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        if "fieldSelector" not in params:  # in place of a watch that failed
            assert path.endswith(("/pods", "/events")), path
            self.seen |= {w["object"]["metadata"]["name"]: w["object"] for w in self.pods}
            return {"items": list(self.seen.values()) if path.endswith("/pods") else []}
        name = str(params["fieldSelector"]).partition("=")[2]
        found = self.now.get(name, self.seen.get(name))
        return {"items": [found] if found else []}

    def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        return self.made

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        self.deleted.append(path)
        self.done.set()
        return {}

    @contextmanager
    def open(self, path: str, /, **params: object) -> Generator[Iterator[bytes]]:
        if path.endswith("/log"):
            logs = next((v for k, v in self.log_of.items() if k in path), self.logs)
            if not logs:
                raise K8sextError("container is waiting to start", exit_code=3)
            yield iter([json.dumps(r).encode() for r in logs.pop(0)])
            return
        if path.endswith("/pods") and self.broken:
            self.broken -= 1
            raise K8sextError("connection reset", exit_code=3)
        what = self.pods if path.endswith("/pods") else self.events
        yield self._stream(what)

    def event(self, event: Any) -> bytes:
        """A line of a watch; from then on lists show the pod so as well."""
        meta = event["object"].get("metadata", {})
        self.seen[meta.get("name")] = event["object"]
        return json.dumps(event).encode()

    def _stream(self, what: list[Any]) -> Iterator[bytes]:
        for event in what:
            yield self.event(event)
        what.clear()
        self.done.wait(5)


def follow(
    pods: list[Any] | None = None,
    events: list[Any] | None = None,
    logs: list[list[Any]] | None = None,
    start_timeout_s: float = 2.0,
    broken: int = 0,
) -> tuple[PodRun, StandIn, list[str]]:
    api = StandIn(pods or [], events or [], logs or [])
    api.broken = broken
    said: list[str] = []
    (ran,) = pod.run(api, PLAN, MANIFEST, start_timeout_s, said.append)
    return ran, api, said


def added(obj: Any) -> dict[str, Any]:
    return {"type": "ADDED", "object": obj}


def test_records_are_read_until_the_end_record_and_the_job_is_deleted() -> None:
    ran, api, said = follow([added(RUNNING)], logs=[SHORT])
    assert [r["type"] for r in ran.records] == ["hello", "end"]
    assert ran.trouble is None
    assert api.deleted == ["/apis/batch/v1/namespaces/dev/jobs/k8sext-r1"]
    assert said == ["pod k8sext-r1-0-x scheduled on node2"]


def test_a_cut_log_is_read_again_without_doubles() -> None:
    ran, _, _ = follow([added(RUNNING)], logs=[[HELLO, MIDDLE], [HELLO, MIDDLE, END]])
    assert [r["seq"] for r in ran.records] == [0, 1, 2]


def test_lines_that_are_not_ours_are_passed_over() -> None:
    ran, _, _ = follow([added(RUNNING)], logs=[["stray", {"seq": 7}, *SHORT]])
    assert [r["seq"] for r in ran.records] == [0, 1]


def test_a_final_refusal_ends_the_wait_at_once() -> None:
    event = {
        "reason": "FailedCreate",
        "message": "pods is forbidden: exceeded quota: compute",
        "involvedObject": {"kind": "Job", "name": "k8sext-r1", "uid": UID},
    }
    ran, api, said = follow(events=[added(event)], start_timeout_s=30)
    assert ran.trouble is not None
    assert ran.trouble.code == "KX903"
    assert api.deleted
    assert "exceeded quota" in said[0]


@pytest.mark.parametrize(
    "about",
    [
        {"kind": "Job", "name": "other", "uid": "another"},
        {"kind": "Job", "name": "k8sext-r1", "uid": "forged"},
        {"kind": "Job", "name": "k8sext-r1"},
        {"kind": "Pod", "name": "other-k8sext-r1"},
    ],
)
def test_events_about_other_objects_are_not_ours(about: Any) -> None:
    event = {
        "reason": "FailedCreate",
        "message": "pods is forbidden: exceeded quota",
        "involvedObject": about,
    }
    ran, _, _ = follow(events=[added(event)], start_timeout_s=0.6)
    assert ran.trouble is not None
    assert ran.trouble.code == "KX906"


def ended(shard: int = 0, **state: Any) -> dict[str, Any]:
    status = {"containerStatuses": [{"name": "probe", "state": {"terminated": state}}]}
    return {**pod_of(JOB, shard), "status": status}


def test_verdicts_survive_a_blocked_log_in_the_termination_message() -> None:
    seen = "o1 p p s p p f:auth_rejected"
    message = json.dumps([{"type": "summary", "total": 1, "seen": [seen]}])
    ran, _, _ = follow([added(ended(exitCode=0, message=message))], start_timeout_s=10)
    assert [r["type"] for r in ran.records] == ["summary", "observation"]
    assert ran.records[1]["observation"]["service"] == "redis-0"
    assert ran.from_summary
    assert ran.trouble is not None
    assert ran.trouble.code == "KX907"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": "OOMKilled", "exitCode": 137}, "out of memory"),
        ({"reason": "Error", "exitCode": 1, "message": "no such file"}, "exit code 1"),
    ],
)
def test_a_container_that_was_killed_keeps_what_was_seen(
    change: dict[str, Any], words: str
) -> None:
    ran, _, _ = follow([added(RUNNING), added(ended(**change))], logs=[[HELLO]])
    assert [r["type"] for r in ran.records] == ["hello"]
    assert ran.trouble is not None
    assert (ran.trouble.code, words in ran.trouble.what) == ("KX911", True)


def test_an_evicted_pod_ends_the_wait_with_the_kubelets_words() -> None:
    status = {"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"}
    evicted = {**RUNNING, "status": status}
    ran, _, _ = follow([added(RUNNING), added(evicted)], logs=[[HELLO]])
    assert ran.trouble is not None
    assert ran.trouble.code == "KX911"
    assert "Evicted" in ran.trouble.what
    assert "low on memory" in ran.trouble.why


def test_an_interrupted_agent_is_told_as_such() -> None:
    ran, _, _ = follow([added(RUNNING)], logs=[[SHORT[0], {**SHORT[1], "interrupted": True}]])
    assert ran.trouble is not None
    assert ran.trouble.code == "KX911"


def test_a_watch_that_is_cut_is_begun_again() -> None:
    ran, _, _ = follow([added(RUNNING)], logs=[SHORT], broken=2, start_timeout_s=10)
    assert ran.ended


def test_each_shard_has_its_own_end() -> None:
    """The first shard's pod ends well, the second is never admitted."""
    event = {
        "reason": "FailedCreate",
        "message": 'Error creating: pods "k8sext-r1-1-abcde" is forbidden: exceeded quota: one',
        "involvedObject": {"kind": "Job", "name": "k8sext-r1", "uid": UID},
    }
    api = StandIn([added(running(0))], [added(event)], [])
    api.made = job_of(TWO)
    api.log_of = {"r1-0-": [[HELLO], SHORT]}
    first, second = pod.run(api, TWO, MANIFEST, 10, list[str]().append)
    assert (first.ended, first.trouble) == (True, None)
    assert second.trouble is not None
    assert (second.trouble.code, second.records) == ("KX903", [])


def test_records_of_two_shards_are_kept_apart() -> None:
    api = StandIn([added(running(0)), added(running(1))], [], [])
    api.made = job_of(TWO)
    api.log_of = {"r1-0-": [SHORT], "r1-1-": [[HELLO, MIDDLE, END]]}
    runs = pod.run(api, TWO, MANIFEST, 10, list[str]().append)
    assert [[r["seq"] for r in ran.records] for ran in runs] == [[0, 1], [0, 1, 2]]


def test_the_job_is_deleted_when_the_caller_is_interrupted() -> None:
    api = StandIn([added(RUNNING)], [], [])

    def interrupted(_text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pod.run(api, PLAN, MANIFEST, 5, interrupted)
    assert api.deleted


# -- the Job is made once ------------------------------------------------------------------------


class Losing(StandIn):
    """The answer to the POST is lost; `made` says whether the Job was made all the same."""

    def __init__(self, error: K8sextError, *, made: bool) -> None:
        super().__init__([added(RUNNING)], [], [SHORT])
        self.error, self.there, self.posts = error, made, 0

    def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        self.posts += 1
        raise self.error

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        if not path.endswith("/jobs/k8sext-r1"):
            return super().get(path, **params)
        if not self.there:
            raise K8sextError("not found", exit_code=3)
        return JOB


LOST = K8sextError("the API server cannot be reached", exit_code=3)


def test_a_job_whose_answer_was_lost_is_used_and_not_made_twice() -> None:
    api = Losing(LOST, made=True)
    (ran,) = pod.run(api, PLAN, MANIFEST, 2.0, lambda _: None)
    assert (ran.ended, api.posts, len(api.deleted)) == (True, 1, 1)


def test_a_job_that_may_or_may_not_be_there_is_deleted() -> None:
    api = Losing(LOST, made=False)
    with pytest.raises(K8sextError, match="cannot be reached"):
        pod.run(api, PLAN, MANIFEST, 2.0, lambda _: None)
    assert (api.posts, len(api.deleted)) == (created.TRIES, 1)


def test_a_refused_job_is_told_as_it_was_refused() -> None:
    refused = ApiError(403, "Forbidden", "exceeded quota", {}, "https://192.0.2.1")
    api = Losing(refused, made=True)
    with pytest.raises(ApiError, match="exceeded quota"):
        pod.run(api, PLAN, MANIFEST, 2.0, lambda _: None)
    assert api.posts == 1


def test_an_interrupt_while_the_job_is_being_made_deletes_it() -> None:
    class Interrupted(StandIn):
        def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
            raise KeyboardInterrupt

    api = Interrupted([], [], [])
    with pytest.raises(KeyboardInterrupt):
        pod.run(api, PLAN, MANIFEST, 2.0, lambda _: None)
    assert len(api.deleted) == 1


def test_a_watch_that_is_cut_within_a_line_goes_on() -> None:
    class Cut(StandIn):
        def _stream(self, what: list[Any]) -> Iterator[bytes]:
            yield b'{"type": "ADD'
            yield from super()._stream(what)

    api = Cut([added(RUNNING)], [], [SHORT])
    (ran,) = pod.run(api, PLAN, MANIFEST, 2.0, lambda _: None)
    assert ran.ended
