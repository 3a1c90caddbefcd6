"""What tells of a Job's pods: their state, the events about them, their logs. Each in a thread."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from k8sext.errors import K8sextError
from k8sext.model.plan import Plan

from .job import CONTAINER, RUN_LABEL, name_of
from .start import has_run, trouble_of_event

# The log is there once the kubelet has seen the container run, and says so in the pod's status a
# moment later: asking before that (a TLS connection each time) only slows the pod's start.
LOG_POLL_S = 0.5
LOG_PAUSE_S = 0.05
RETRY_S = 0.5
# The agent's heart beats every 5 s: a stream that is silent for longer was cut without a word.
STREAM_SILENCE_S = 12.0
INDEX = "batch.kubernetes.io/job-completion-index"  # annotation; Kubernetes 1.25 has no such label


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

    def open(
        self, path: str, /, *, silence_s: float = ..., **params: object
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Lines of a streaming answer (log, watch)."""
        ...


Put = Callable[[str, "int | None", Any], None]  # who, which shard (None: all), what


class Listener:
    """Starts the threads. They are daemons: they end with the process or on `closed`."""

    def __init__(self, api: Api, plan: Plan, put: Put) -> None:
        self.api, self.plan, self.put = api, plan, put
        self.closed = threading.Event()
        self.warnings: list[str] = []
        self.ran = {shard: threading.Event() for shard in range(plan.shards)}

    def start(self) -> None:
        """Listen to pods and events; logs are read when `read_log` says so."""
        self._thread(self._watch_pods)
        self._thread(self._watch_events)

    def read_log(self, shard: int, pod: str) -> None:
        """Follow a pod's log until its end record."""
        self._thread(lambda: self._read_log(shard, pod))

    def _thread(self, work: Callable[[], None]) -> None:
        threading.Thread(target=self._guarded, args=(work,), daemon=True).start()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread that cannot do its work (a right is missing) simply has nothing to say."""
        try:
            work()
        except K8sextError as error:
            if not self.closed.is_set():
                self.warnings.append(str(error))

    def _watch_pods(self) -> None:
        path = f"/api/v1/namespaces/{self.plan.namespace}/pods"
        for event in self._watched(path, f"{RUN_LABEL}={self.plan.run_id}"):
            if event.get("type") in ("ADDED", "MODIFIED", "DELETED"):
                shard = shard_of(event["object"])
                self.put("pod", shard, event["object"])
                if shard in self.ran and has_run(event["object"], CONTAINER):
                    self.ran[shard].set()

    def _watch_events(self) -> None:
        path = f"/api/v1/namespaces/{self.plan.namespace}/events"
        name = name_of(self.plan)
        for event in self._watched(path):
            about = event.get("object", {})
            if str(about.get("involvedObject", {}).get("name", "")).startswith(name):
                trouble = trouble_of_event(about)
                if trouble:
                    self.put("trouble", shard_named(name, about), trouble)

    def _watched(self, path: str, selector: str | None = None) -> Iterator[dict[str, Any]]:
        """Watched again when it is cut; a refusal ends it."""
        while not self.closed.is_set():
            try:
                with self.api.open(path, watch="true", labelSelector=selector) as lines:
                    for line in lines:
                        if self.closed.is_set():
                            return
                        with contextlib.suppress(ValueError):  # a cut stream ends within a line
                            yield json.loads(line)
                self.closed.wait(RETRY_S)
            except K8sextError as error:
                if 400 <= getattr(error, "status", 0) < 500:
                    raise
                self.closed.wait(RETRY_S)

    def _read_log(self, shard: int, pod: str) -> None:
        path = f"/api/v1/namespaces/{self.plan.namespace}/pods/{pod}/log"
        pause = LOG_PAUSE_S
        while not self.closed.is_set():
            self.ran[shard].wait(LOG_POLL_S)
            got, ended = self._read_log_once(shard, path)
            if ended:
                return
            self.closed.wait(RETRY_S if got else pause)
            pause = min(pause * 1.2, RETRY_S)  # a log that is refused for good

    def _read_log_once(self, shard: int, path: str) -> tuple[bool, bool]:
        """Follow the log from its start; who listens drops what it has. (got any, got the end)."""
        got = ended = False
        try:
            with self.api.open(
                path, silence_s=STREAM_SILENCE_S, follow="true", container=CONTAINER
            ) as lines:
                for line in lines:
                    got = True
                    record = _record_of(line)
                    if record is not None:
                        self.put("log", shard, record)
                        ended = ended or record.get("type") == "end"
        except K8sextError:
            pass  # not there yet, or cut: asked for again
        return got, ended


def shard_of(pod: Mapping[str, Any]) -> int:
    """Which of the Job's pods it is."""
    annotations = pod.get("metadata", {}).get("annotations") or {}
    return int(annotations.get(INDEX) or 0)


def shard_named(job: str, event: Mapping[str, Any]) -> int | None:
    """Which pod an event speaks of: `JOB-INDEX-SUFFIX` in its object's name or in its words."""
    about = str(event.get("involvedObject", {}).get("name", ""))
    for text in (about, str(event.get("message", ""))):
        found = re.search(rf"{re.escape(job)}-(\d+)-", text)
        if found:
            return int(found[1])
    return None


def _record_of(line: bytes) -> dict[str, Any] | None:
    """A JSON line of the agent; a stray line of the image's own is not ours to judge."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", data) if isinstance(data, dict) and "seq" in data else None
