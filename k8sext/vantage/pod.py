"""The vantage `pod`: one short-lived Job per namespace, its log read as it is written.

Three threads tell one queue what happens (the pod, its events, the log); one loop reads the
queue and decides. The run ends on the agent's own end record: the phase `Succeeded` comes a second
after the log's end (kubelet's relist), and a sidecar may outlive the agent.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from k8sext.errors import K8sextError
from k8sext.model.plan import Plan

from .job import CONTAINER, Manifest, name_of
from .start import Trouble, trouble_of_event, trouble_of_pod

# The log is there once the kubelet has seen the container run, and says so in the pod's status a
# moment later: asking before that (a TLS connection each time) only slows the pod's start.
LOG_POLL_S = 0.5
LOG_PAUSE_S = 0.05
LOG_RETRY_S = 0.5
SILENCE_S = 20.0  # the agent's heart beats every 5 s


class Api(Protocol):
    """What is asked of the API session (k8sext.kube.session.Session)."""

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """GET an object or a list."""
        ...

    def post(self, path: str, body: object, /, **params: object) -> dict[str, Any]:
        """Create an object."""
        ...

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        """Delete an object."""
        ...

    def open(self, path: str, /, **params: object) -> AbstractContextManager[Iterator[bytes]]:
        """Lines of a streaming answer (log, watch)."""
        ...


Say = Callable[[str], None]
Item = tuple[str, Any]  # (who, what)


@dataclass(slots=True)
class PodRun:
    """What one probe pod said. `trouble` is why there is less than everything."""

    records: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    pod: Mapping[str, Any] = field(default_factory=dict[str, Any])
    started_s: float = 0.0  # from the Job's creation to the agent's first line
    trouble: Trouble | None = None
    warnings: list[str] = field(default_factory=list[str])
    ended: bool = False

    @property
    def last_seq(self) -> int:
        """The sequence number of the last record, -1 before the first."""
        return int(self.records[-1].get("seq", -1)) if self.records else -1


def run(
    api: Api,
    plan: Plan,
    job: Manifest,
    start_timeout_s: float,
    say: Say,
    stop: threading.Event | None = None,
) -> PodRun:
    """Create the Job, follow it to its end, delete it. Never leaves it behind, whatever happens.

    `stop`, set by another thread, ends the run within a quarter of a second. Raises K8sextError
    (exit code 3) when the Job itself cannot be created.
    """
    path = f"/apis/batch/v1/namespaces/{plan.namespace}/jobs"
    began = time.monotonic()
    follower = _Follower(api, plan, began, start_timeout_s, say, stop or threading.Event())
    try:
        _create(api, path, job)
        return follower.follow()
    finally:
        follower.closed.set()
        with contextlib.suppress(K8sextError):
            api.delete(f"{path}/{name_of(plan)}", {"propagationPolicy": "Background"})


def _create(api: Api, path: str, job: Manifest) -> None:
    """Create the Job once. A lost answer leaves open whether it was made: ask, never send twice."""
    try:
        api.post(path, job)
    except K8sextError as error:
        if hasattr(error, "status"):  # the API server itself refused
            raise
        try:
            api.get(f"{path}/{job['metadata']['name']}")
        except K8sextError:
            raise error from None


class _Follower:
    """Follows one Job. The threads are daemons: they end with the process or on `closed`."""

    def __init__(
        self,
        api: Api,
        plan: Plan,
        began: float,
        start_timeout_s: float,
        say: Say,
        stop: threading.Event,
    ) -> None:
        self.api, self.plan, self.say, self.stop = api, plan, say, stop
        self.began = began
        self.start_timeout_s = start_timeout_s
        self.closed = threading.Event()
        self.queue: queue.Queue[Item] = queue.Queue()
        self.result = PodRun()
        self.reading = False
        self.ran = threading.Event()  # the container runs or has run
        self.seen: dict[str, Trouble] = {}

    # -- the loop -------------------------------------------------------------------------------

    def follow(self) -> PodRun:
        self._thread(self._watch_pods)
        self._thread(self._watch_events)
        hard_end = self.began + self.start_timeout_s + self.plan.budget.run_s + 5
        last_word = time.monotonic()
        while time.monotonic() < hard_end and not self.stop.is_set():
            with contextlib.suppress(queue.Empty):
                who, what = self.queue.get(timeout=0.25)
                last_word = time.monotonic() if who == "log" else last_word
                if self._take(who, what):
                    return self.result
            if self._given_up(last_word):
                return self.result
        self.result.trouble = self.result.trouble or Trouble("KX908", "the run took too long", "")
        return self.result

    def _take(self, who: str, what: Any) -> bool:
        """Handle one item; True when the run is over."""
        if who == "log":
            return self._record(what)
        if who == "trouble":
            return self._trouble(what)
        self._pod(what)
        return False

    def _record(self, record: Mapping[str, Any]) -> bool:
        if not self.result.records:
            self.result.started_s = time.monotonic() - self.began
            self.result.trouble = None
        if int(record.get("seq", -1)) > self.result.last_seq:
            self.result.records.append(record)
        self.result.ended = record.get("type") == "end"
        return self.result.ended

    def _trouble(self, trouble: Trouble) -> bool:
        if self.result.records:
            return False
        self.result.trouble = trouble
        if trouble.code not in self.seen:
            self.seen[trouble.code] = trouble
            self.say(f"{trouble.what} · {trouble.why}" if trouble.why else trouble.what)
        return trouble.final

    def _pod(self, pod: Mapping[str, Any]) -> None:
        self.result.pod = pod
        if not self.reading and pod.get("spec", {}).get("nodeName"):
            self.reading = True
            self.say(f"pod {pod['metadata']['name']} scheduled on {pod['spec']['nodeName']}")
            self._thread(self._read_log)
        if {"running", "terminated"} & _state(pod).keys():
            self.ran.set()
        trouble = trouble_of_pod(pod)
        if trouble:
            self.queue.put(("trouble", trouble))

    def _given_up(self, last_word: float) -> bool:
        now = time.monotonic()
        if not self.result.records:
            late = now - self.began > self.start_timeout_s
            if late and not self.result.trouble:
                why = f"nothing was heard of it for {self.start_timeout_s:.0f} s"
                self.result.trouble = Trouble("KX906", "the probe pod did not start in time", why)
            return late or self._over_without_log()
        if now - last_word > SILENCE_S or self._over_without_log():
            self._summary()
            return True
        return False

    def _over_without_log(self) -> bool:
        """The container has ended and the log still has not: give the log two more seconds."""
        ended = _ended_at(self.result.pod)
        if ended is None:
            return False
        self._over_since = getattr(self, "_over_since", time.monotonic())
        if time.monotonic() - self._over_since < 2.0:
            return False
        self._summary()
        return True

    def _summary(self) -> None:
        """Verdicts from the termination message, when the log path is blocked or was cut."""
        message = (_ended_at(self.result.pod) or {}).get("message", "")
        with contextlib.suppress(ValueError):
            for record in json.loads(message or "[]"):
                self.result.records.append(record)
        why = "the pod ended and its log could not be read to the end"
        self.result.trouble = Trouble("KX907", "the probe's log is incomplete", why)

    # -- the threads ----------------------------------------------------------------------------

    def _thread(self, work: Callable[[], None]) -> None:
        threading.Thread(target=self._guarded, args=(work,), daemon=True).start()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread that cannot do its work (a right is missing) simply has nothing to say."""
        try:
            work()
        except K8sextError as error:
            if not self.closed.is_set():
                self.result.warnings.append(str(error))

    def _watch_pods(self) -> None:
        path = f"/api/v1/namespaces/{self.plan.namespace}/pods"
        selector = f"k8sext.io/run={self.plan.run_id}"
        for event in self._watched(path, labelSelector=selector):
            if event.get("type") in ("ADDED", "MODIFIED"):
                self.queue.put(("pod", event["object"]))

    def _watch_events(self) -> None:
        path = f"/api/v1/namespaces/{self.plan.namespace}/events"
        name = name_of(self.plan)
        for event in self._watched(path):
            about = event.get("object", {})
            if str(about.get("involvedObject", {}).get("name", "")).startswith(name):
                trouble = trouble_of_event(about)
                if trouble:
                    self.queue.put(("trouble", trouble))

    def _watched(self, path: str, **params: object) -> Iterator[dict[str, Any]]:
        while not self.closed.is_set():
            with self.api.open(path, watch="true", **params) as lines:
                for line in lines:
                    if self.closed.is_set():
                        return
                    with contextlib.suppress(ValueError):  # a cut stream ends within a line
                        yield json.loads(line)
            self.closed.wait(LOG_RETRY_S)

    def _read_log(self) -> None:
        pod = self.result.pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{self.plan.namespace}/pods/{pod}/log"
        while not self.closed.is_set() and not self.result.ended:
            self.ran.wait(LOG_POLL_S)
            again = LOG_RETRY_S if self._read_log_once(path) else LOG_PAUSE_S
            self.closed.wait(again)

    def _read_log_once(self, path: str) -> bool:
        """Follow the log from its start; the loop drops what it has. False: not there yet."""
        got = False
        try:
            with self.api.open(path, follow="true", container=CONTAINER) as lines:
                for line in lines:
                    got = True
                    record = _record_of(line)
                    if record is not None:
                        self.queue.put(("log", record))
        except K8sextError:
            if _ended_at(self.result.pod) is not None:
                self.closed.wait(LOG_RETRY_S)
        return got


def _record_of(line: bytes) -> dict[str, Any] | None:
    """A JSON line of the agent; a stray line of the image's own is not ours to judge."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", data) if isinstance(data, dict) and "seq" in data else None


def _state(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The container's state: `waiting`, `running` or `terminated`; {} before it has any."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == CONTAINER:
            return cast("dict[str, Any]", status.get("state") or {})
    return {}


def _ended_at(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    return _state(pod).get("terminated")
