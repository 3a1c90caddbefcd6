"""What tells of a Job's pods: their state, the events about them, their logs. Each in a thread."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from k8sext.errors import K8sextError
from k8sext.kube import shapes
from k8sext.model.plan import Plan

from .claims import Claims, Pod
from .job import CONTAINER, RUN_LABEL, name_of
from .ledger import Ledger
from .proof import Made
from .start import Trouble, trouble_of_event
from .watching import Watch

# The log is there once the kubelet has seen the container run, and says so in the pod's status a
# moment later: asking before that (a TLS connection each time) only slows the pod's start.
LOG_POLL_S = 0.5
LOG_PAUSE_S = 0.05
RETRY_S = 0.5
# The agent's heart beats every 5 s: a stream that is silent for longer was cut without a word.
STREAM_SILENCE_S = 12.0
READINGS = 3  # of a log that does not add up: the way here may have been at fault


class LogApi(Protocol):
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


class LogListener:
    """Starts the threads. They are daemons: they end with the process or on `closed`."""

    def __init__(self, api: LogApi, plan: Plan, put: Put) -> None:
        self.api, self.plan, self.put = api, plan, put
        self.closed = threading.Event()
        self.warnings: list[str] = []
        self.ran = {shard: threading.Event() for shard in range(plan.shards)}
        self.ledgers = {shard: Ledger(plan.nonce) for shard in range(plan.shards)}
        self.pods = f"/api/v1/namespaces/{plan.namespace}/pods"

    def start(self, made: Made) -> None:
        """Listen to pods and events; logs are read when `read_log` says so."""
        self._thread(self._watch_pods)
        self._thread(lambda: self._watch_events(made))

    def read_log(self, shard: int, claims: Claims) -> None:
        """Follow the log of a shard's chosen pod until its end record."""
        self._thread(lambda: self._read_log(shard, claims))

    def ask_admission(self, pod: Pod, made: Made) -> None:
        """Ask what admission makes of the Job's template; the answer is put as `admitted`."""
        self._thread(lambda: self.put("admitted", None, (pod, *self._admission(made))))

    def doubt(self, shard: int, claims: Claims) -> str:
        """Reads the chosen pod once more: why it is not believed any more, "" where it is.

        What was opened by the pod's name before this, and after the pod was first seen, was the
        pod's own: a name has one pod at a time, and a UID never comes back.
        Raises K8sextError where there is no such pod any more, or nobody says.
        """
        name = claims.chosen[shard].name
        found = self.api.get(self.pods, fieldSelector=f"metadata.name={name}").get("items")
        if not isinstance(found, list) or not found or not isinstance(found[0], dict):
            raise K8sextError(f"the pod {name} is gone", exit_code=3)
        return claims.doubt(shard, found[0])

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
        selector = f"{RUN_LABEL}={self.plan.run_id}"
        try:
            for _, pod in Watch(self.api, self.pods, selector, self.closed, fits=_is_pod).events():
                self.put("pod", None, pod)
        except K8sextError as error:
            trouble = Trouble("KX902", "the probe's pods may not be seen", str(error), final=True)
            self.put("trouble", None, trouble)
            raise

    def _watch_events(self, made: Made) -> None:
        path = f"/api/v1/namespaces/{self.plan.namespace}/events"
        name = name_of(self.plan)
        for _, about in Watch(self.api, path, None, self.closed, fits=_is_event).events():
            if speaks_of(about, name, made):
                trouble = trouble_of_event(about)
                if trouble:
                    self.put("trouble", shard_named(name, about), trouble)

    # -- admission ------------------------------------------------------------------------------

    def _admission(self, made: Made) -> tuple[Mapping[str, Any] | None, str]:
        """The specification of a pod as admission leaves it, by a dry run that creates nothing.

        Of the template alone: what stands in the pod in question must not steer a webhook.
        """
        meta: dict[str, Any] = dict(made.template.get("metadata") or {})
        meta |= {"generateName": f"{made.name}-0-", "namespace": self.plan.namespace}
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": made.name, "uid": made.uid}
        meta["ownerReferences"] = [{**owner, "controller": True}]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": dict(made.spec)}
        try:
            made_up = self.api.post(self.pods, pod, dryRun="All")
        except K8sextError as error:
            return None, f"whether admission did that could not be asked ({error})"
        spec = made_up.get("spec")
        return (spec if isinstance(spec, Mapping) else None), "admission would not have done that"

    # -- logs -----------------------------------------------------------------------------------

    def _read_log(self, shard: int, claims: Claims) -> None:
        ledger, readings, pause = self.ledgers[shard], 0, LOG_PAUSE_S
        path = f"{self.pods}/{claims.chosen[shard].name}/log"
        while not self.closed.is_set() and readings < READINGS:
            self.ran[shard].wait(LOG_POLL_S)
            got = self._read_log_once(shard, path, claims)
            if ledger.whole:
                return
            readings += bool(ledger.odd or ledger.missing)
            self.closed.wait(RETRY_S if got else pause)
            pause = min(pause * 1.2, RETRY_S)  # a log that is refused for good
        if ledger.odd:
            self.put("doubt", shard, f"its log does not add up: {ledger.odd}")

    def _read_log_once(self, shard: int, path: str, claims: Claims) -> bool:
        """Follow the log from its start, once it is sure whose it is. Whether anything came."""
        ledger, got = self.ledgers[shard], False
        ledger.begin()
        try:
            with self.api.open(
                path, silence_s=STREAM_SILENCE_S, follow="true", container=CONTAINER
            ) as lines:
                for line in lines:
                    if not got:
                        doubt = self.doubt(shard, claims)
                        if doubt:
                            self.put("doubt", shard, doubt)
                            return False
                    got = True
                    record = ledger.take(line)
                    if record is not None and record.get("type") != "end":
                        self.put("log", shard, record)
                    if ledger.whole:
                        self.put("log", shard, ledger.end)
                        return True
        except K8sextError:
            pass  # not there yet, or cut: asked for again
        return got


def _is_pod(about: object) -> bool:
    return shapes.item("pods", about)


def _is_event(about: object) -> bool:
    return shapes.item("events", about)


def speaks_of(event: Mapping[str, Any], name: str, made: Made) -> bool:
    """Whether an event is about our Job, by its UID, or about a pod that is named after it.

    What is said of the Job may end a run at once, and more people may write events than Jobs.
    """
    about = event.get("involvedObject") or {}
    if about.get("kind") == "Job":
        return bool(about.get("uid") == made.uid)
    return str(about.get("name", "")).startswith(name)


def shard_named(job: str, event: Mapping[str, Any]) -> int | None:
    """Which pod an event speaks of: `JOB-INDEX-SUFFIX` in its object's name or in its words."""
    about = str(event.get("involvedObject", {}).get("name", ""))
    for text in (about, str(event.get("message", ""))):
        found = re.search(rf"{re.escape(job)}-(\d+)-", text)
        if found:
            return int(found[1])
    return None
