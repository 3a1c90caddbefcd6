"""The Job is made once and taken away again, whatever the API server answers on the way."""

import shlex
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.kube.session import ApiError
from k8sext.vantage import created, pod
from k8sext.vantage.created import OurJob
from tests.support.probe_pods import UID, job_of
from tests.unit.vantage.test_pod import JOB, MANIFEST, PLAN, StandIn

LOST = K8sextError("the API server cannot be reached", exit_code=3)


def answer(status: int) -> ApiError:
    return ApiError(status, "", f"HTTP {status}", {}, "https://192.0.2.1")


class Api:
    """An API server that keeps Jobs. `posts` and `deletes` say what happens to each request in
    turn: None is as it should be, an error is answered, a pair of an error and True is answered
    after all was done.
    """

    def __init__(self, posts: list[Any] = [], deletes: list[Any] = []) -> None:  # noqa: B006
        self.posts, self.deletes = list(posts), list(deletes)
        self.jobs: dict[str, Any] = {}
        self.asked: list[str] = []
        self.options: list[Any] = []

    def _next(self, plan: list[Any], done: Callable[[], object]) -> None:
        step = plan.pop(0) if plan else None
        error, meanwhile = step if isinstance(step, tuple) else (step, False)
        if error is None or meanwhile:
            done()
        if error is not None:
            raise error

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        self.asked.append("GET")
        if path not in self.jobs:
            raise answer(404)
        return dict(self.jobs[path])

    def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        self.asked.append("POST")
        name = f"{path}/{MANIFEST['metadata']['name']}"
        if name in self.jobs:
            raise answer(409)
        self._next(self.posts, lambda: self.jobs.update({name: JOB}))
        return dict(self.jobs.get(name, {}))

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        self.asked.append("DELETE")
        self.options.append(body)
        if path not in self.jobs:
            raise answer(404)
        self._next(self.deletes, lambda: self.jobs.pop(path))
        return {}

    def open(self, path: str, /, **params: object) -> Any:
        raise AssertionError(path)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(created, "FIRST_PAUSE_S", 0.001)


def ours(api: Any) -> OurJob:
    return OurJob(api, PLAN, MANIFEST, threading.Event())


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
@pytest.mark.parametrize("meanwhile", [True, False], ids=["was made", "was not made"])
def test_one_bad_answer_to_the_creation_costs_nothing(status: int, meanwhile: bool) -> None:
    api = Api([(answer(status), meanwhile)])
    job = ours(api)
    assert job.create().uid == UID
    assert len(api.jobs) == 1
    assert job.remove() == ""
    assert api.jobs == {}


@pytest.mark.parametrize("error", [answer(500), answer(504), LOST])
def test_a_job_that_was_made_while_all_answers_were_errors_is_deleted(error: Exception) -> None:
    """It appears after the last look at it, as behind a gateway that timed out."""
    api = Api([error] * 99)
    job = ours(api)
    with pytest.raises(K8sextError):
        job.create()
    api.jobs[job.path] = JOB
    assert job.remove() == ""
    assert api.jobs == {}


def test_a_run_looks_for_the_job_and_deletes_it_where_no_answer_comes() -> None:
    class Late(Api):
        def get(self, path: str, /, **params: object) -> dict[str, Any]:
            if self.asked.count("GET") + 1 == created.TRIES:
                self.jobs[path] = JOB  # made after the last look
                raise answer(503)
            return super().get(path)

    api = Late([answer(500)] * 99)
    with pytest.raises(ApiError, match="HTTP 500"):
        pod.run(api, PLAN, MANIFEST, 1, lambda _: None)
    assert api.jobs == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_told_at_once_and_nothing_is_deleted(status: int) -> None:
    api = Api([answer(status)])
    job = ours(api)
    with pytest.raises(ApiError, match=str(status)):
        job.create()
    assert job.remove() == ""
    assert api.asked == ["POST"]


def test_a_refusal_after_an_open_answer_still_deletes() -> None:
    api = Api([answer(500), answer(403)])
    job = ours(api)
    with pytest.raises(ApiError, match="403"):
        job.create()
    api.jobs[job.path] = JOB
    job.remove()
    assert api.jobs == {}


def test_an_answer_that_is_no_job_is_followed_up() -> None:
    class Odd(Api):
        def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
            super().post(path, body)
            return {"kind": "Status"}

    assert ours(Odd()).create().uid == UID


def test_another_job_of_our_name_is_neither_used_nor_deleted() -> None:
    api = Api()
    job = ours(api)
    other = job_of(PLAN, uid="another")
    container = other["spec"]["template"]["spec"]["containers"][0]
    container["env"][1]["value"] = "another plan"
    api.jobs[job.path] = other
    with pytest.raises(K8sextError, match="did not create"):
        job.create()
    assert job.remove() == ""
    assert len(api.jobs) == 1


def test_a_job_whose_image_admission_rewrote_is_ours_when_its_answer_was_lost() -> None:
    api = Api([answer(504)] * 99)
    job = ours(api)
    rewritten = job_of(PLAN)
    container = rewritten["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "mirror.example/library/python:3.13-slim"
    api.jobs[job.path] = rewritten
    assert job.create().spec["containers"][0]["image"].startswith("mirror.example")


def test_creating_ends_when_the_run_is_stopped() -> None:
    stop = threading.Event()
    stop.set()
    api = Api([answer(500)] * 99)
    with pytest.raises(ApiError):
        OurJob(api, PLAN, MANIFEST, stop).create()
    assert api.asked.count("POST") == 1


# -- deleting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [answer(500), answer(503), answer(429), answer(409), LOST])
def test_one_bad_answer_to_the_deletion_leaves_nothing(error: Exception) -> None:
    for meanwhile in (False, True):
        api = Api(deletes=[(error, meanwhile)])
        job = ours(api)
        job.create()
        assert job.remove() == ""
        assert api.jobs == {}


def test_it_is_deleted_by_uid_and_another_of_its_name_stays() -> None:
    class Replaced(Api):
        def delete(self, path: str, body: Any = None, /, **params: object) -> dict[str, Any]:
            self.options.append(body)
            if body["preconditions"]["uid"] != self.jobs[path]["metadata"]["uid"]:
                raise answer(409)
            return super().delete(path, body)

    api = Replaced()
    job = ours(api)
    job.create()
    api.jobs[job.path] = job_of(PLAN, uid="another")
    assert job.remove() == ""
    assert len(api.jobs) == 1
    assert len(api.options) == 1  # not asked again and again


@pytest.mark.parametrize(("error", "tries"), [(answer(403), 1), (answer(500), created.TRIES)])
def test_what_cannot_be_deleted_is_told_with_the_command(error: Exception, tries: int) -> None:
    api = Api(deletes=[error] * 99)
    job = ours(api)
    job.create()
    said = job.remove()
    assert api.asked.count("DELETE") == tries
    command = said.rpartition("now with: ")[2]
    assert shlex.split(command) == ["kubectl", "delete", "job", "-n", "dev", "k8sext-r1"]
    assert f"within {120 + 5 + 10 + 60} s" in said


def test_a_second_interrupt_while_deleting_deletes_all_the_same() -> None:
    api = Api(deletes=[KeyboardInterrupt()])
    job = ours(api)
    job.create()
    assert job.remove() == ""
    assert api.jobs == {}


class Undeletable(StandIn):
    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        self.done.set()
        raise answer(403)


def test_a_job_that_stays_is_in_the_report() -> None:
    from k8sext.model.words import Severity
    from k8sext.vantage import seen_pod
    from tests.unit.vantage.test_pod import RUNNING, SHORT, added

    api = Undeletable([added(RUNNING)], [], [SHORT])
    (ran,) = pod.run(api, PLAN, MANIFEST, 2, lambda _: None)
    (said,) = seen_pod.beside(ran, "dev")
    assert (ran.ended, said.code, said.severity) == (True, "KX929", Severity.WARN)
    assert "kubectl delete job -n dev k8sext-r1" in said.why


def test_a_job_that_stays_is_told_where_there_is_no_report(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupted(_text: str) -> None:
        raise KeyboardInterrupt

    from tests.unit.vantage.test_pod import RUNNING, added

    api = Undeletable([added(RUNNING)], [], [])
    with pytest.raises(KeyboardInterrupt):
        pod.run(api, PLAN, MANIFEST, 2, interrupted)
    assert "kubectl delete job -n dev k8sext-r1" in caplog.text


def test_an_api_server_that_is_slow_to_fail_is_not_asked_for_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    class Slow(Api):
        def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
            now[0] += 60
            return super().delete(path, body)

    api = Slow(deletes=[LOST] * 99)
    job = ours(api)
    job.create()
    assert "kubectl delete job" in job.remove()
    assert api.asked.count("DELETE") == 1


def test_after_ctrl_c_nobody_waits_long_for_the_deletion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(created, "FIRST_PAUSE_S", 0.25)
    api = Api(deletes=[answer(500)] * 99)
    stop = threading.Event()
    job = OurJob(api, PLAN, MANIFEST, stop)
    job.create()
    stop.set()
    began = time.monotonic()
    assert "kubectl delete job" in job.remove()
    assert time.monotonic() - began < 1.9
    assert 2 <= api.asked.count("DELETE") < created.TRIES


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(created, "FIRST_PAUSE_S", 0.25)
    jitter: Iterator[float] = iter([0.0, 1.0, 0.5, 0.0, 1.0])
    found = list(created._pauses(None, lambda: next(jitter)))  # pyright: ignore[reportPrivateUsage]
    assert found == [0.125, 0.5, 0.75, 1.0, 2.0]
