"""Follows the pods of one Job to their ends.

The listeners' threads put what they hear into one queue; one loop reads it and decides. A pod's
run ends on the agent's own end record: the phase `Succeeded` comes a second after the log's end
(kubelet's relist), and a sidecar may outlive the agent.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8sext.agent import summary
from k8sext.model.codec import to_json
from k8sext.model.plan import Plan

from .claims import Claims, Intruder, Pod, PodClaim, uid_of
from .job import CONTAINER
from .listen import LogApi, LogListener
from .proof import Made, shard_of
from .start import Trouble, ended_state, has_run, trouble_of_end, trouble_of_pod

STOP_POLL_S = 0.1  # whoever pressed Ctrl-C waits for it
SILENCE_S = 20.0  # the agent's heart beats every 5 s, and a cut stream is opened again before that
LAST_WORDS_S = 2.0  # for the log, after the container has ended
ANOTHER_S = 5.0  # for the Job's own pod, after one that is the Job's and not as its template says

Say = Callable[[str], None]


@dataclass(slots=True)
class PodRun:
    """What one probe pod said. `trouble` is why there is less than everything."""

    shard: int = 0
    records: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    pod: Mapping[str, Any] = field(default_factory=dict[str, Any])
    started_s: float = 0.0  # from the Job's creation to the agent's first line
    trouble: Trouble | None = None
    ended: bool = False  # its end record was read
    from_summary: bool = False  # some verdicts came by the termination message
    over: bool = False
    intruders: tuple[Intruder, ...] = ()  # of the whole Job, with its first shard
    changes: tuple[str, ...] = ()  # what admission made of the pod, proven by a dry run
    left: str = ""  # that the Job could not be deleted, with the command
    # Why the pod is not believed any more, "" where it is; asks the API server, raises K8sextError.
    doubt: Callable[[], str] = lambda: "nobody has seen its pod"


Heard = Callable[[PodRun, Mapping[str, Any]], None]  # each record of a pod, once


class Follower:
    """Follows one Job."""

    def __init__(
        self,
        api: LogApi,
        plan: Plan,
        start_timeout_s: float,
        say: Say,
        stop: threading.Event,
        heard: Heard = lambda _run, _record: None,
    ) -> None:
        self.heard = heard
        self.plan, self.say, self.stop = plan, say, stop
        self.began = time.monotonic()
        self.start_timeout_s = start_timeout_s
        self.queue: queue.Queue[tuple[str, int | None, Any]] = queue.Queue()
        self.listener = LogListener(api, plan, lambda *item: self.queue.put(item))
        self.runs = [PodRun(shard) for shard in range(plan.shards)]
        self.last_word = dict.fromkeys(range(plan.shards), self.began)
        self.over_since: dict[int, float] = {}
        self.refused_since = 0.0
        self.said: set[str] = set()
        self.pods: dict[str, Pod] = {}  # by UID, as each was seen last, while admission is asked
        self.claims = Claims(Made("", "", {}), 0)

    def follow(self, made: Made) -> list[PodRun]:
        """One run for each shard of the Job, in order."""
        self.claims = Claims(made, self.plan.shards)
        self.listener.start(made)
        hard_end = self.began + self.start_timeout_s + self.plan.budget.run_s + 5
        while self._open() and time.monotonic() < hard_end and not self.stop.is_set():
            with contextlib.suppress(queue.Empty):
                self._hear(*self.queue.get(timeout=STOP_POLL_S))
            for run in self._open():
                self._give_up(run)
        for run in self._open():
            run.trouble = run.trouble or Trouble("KX908", "the run took too long", "")
        for pod in self.pods.values():
            if shard_of(pod) in self.claims.chosen:  # the proven one was quicker than the answer
                self.claims.admitted(pod, None, "the run ended before its admission was known")
        self.runs[0].intruders = tuple(self.claims.intruders.values())
        return self.runs

    def _open(self) -> list[PodRun]:
        return [run for run in self.runs if not run.over]

    # -- what is heard --------------------------------------------------------------------------

    def _hear(self, who: str, shard: int | None, what: Any) -> None:
        if who == "pod":
            self._claimed(what, self.claims.of(what))
        elif who == "admitted":
            pod, expected, why = what
            self._claimed(self._latest(pod), self.claims.admitted(pod, expected, why))
        for run in self._open():
            if shard is None or run.shard == shard:
                self._take(run, who, what)

    def _take(self, run: PodRun, who: str, what: Any) -> None:
        if who == "log":
            self._record(run, what)
        elif who == "trouble":
            self._trouble(run, what)
        elif who == "doubt":
            self._disbelieve(run, what)

    def _claimed(self, pod: Pod, claim: PodClaim) -> None:
        """A pod with the run's label: only one that is proven has anything to say."""
        shard = shard_of(pod)
        run = next((r for r in self._open() if r.shard == shard), None)
        if claim in (PodClaim.ASK, PodClaim.WAIT):
            self.pods[uid_of(pod)] = pod
            if claim is PodClaim.ASK:
                self.listener.ask_admission(pod, self.claims.made)
        elif claim is PodClaim.NOT:
            self._refused(uid_of(pod))
        elif run is not None and claim is PodClaim.OURS:
            self._pod(run, pod)
        elif run is not None and shard is not None:
            self._disbelieve(run, self.claims.doubt(shard, pod))

    def _latest(self, pod: Pod) -> Pod:
        return self.pods.pop(uid_of(pod), pod)

    def _refused(self, uid: str) -> None:
        found = self.claims.intruders.get(uid)
        if found is None or uid in self.said:
            return
        self.said.add(uid)
        self.say(f"the pod {found.name} is not the probe: {found.why}")
        if found.owned:
            self.refused_since = self.refused_since or time.monotonic()

    def _disbelieve(self, run: PodRun, why: str) -> None:
        """What it said so far counts for nothing: nobody knows since when it was another."""
        run.records.clear()
        run.trouble = Trouble("KX928", "what the probe said is not believed", why)
        run.ended, run.over = False, True

    def _record(self, run: PodRun, record: Mapping[str, Any]) -> None:
        self.last_word[run.shard] = time.monotonic()
        if not run.records:
            run.started_s = time.monotonic() - self.began
            run.trouble = None
        run.records.append(record)
        self.heard(run, record)
        if record.get("type") == "end":
            run.ended = run.over = True
            if record.get("interrupted"):
                run.trouble = trouble_of_end(run.pod) or Trouble(
                    "KX911", "the probe was stopped before it was done", ""
                )

    def _trouble(self, run: PodRun, trouble: Trouble) -> None:
        if run.records:
            return
        run.trouble = trouble
        if trouble.code not in self.said:
            self.said.add(trouble.code)
            self.say(f"{trouble.what} · {trouble.why}" if trouble.why else trouble.what)
        run.over = trouble.final

    def _pod(self, run: PodRun, pod: Mapping[str, Any]) -> None:
        reading = bool(run.pod.get("spec", {}).get("nodeName"))
        run.pod = pod
        node = pod.get("spec", {}).get("nodeName")
        if has_run(pod, CONTAINER):
            self.listener.ran[run.shard].set()
        if node and not reading:
            self.say(f"pod {pod['metadata']['name']} scheduled on {node}")
            run.changes = self.claims.chosen[run.shard].changes
            run.doubt = functools.partial(self.listener.doubt, run.shard, self.claims)
            self.listener.read_log(run.shard, self.claims)
        trouble = trouble_of_pod(pod)
        if trouble:
            self._trouble(run, trouble)

    # -- when to stop waiting -------------------------------------------------------------------

    def _give_up(self, run: PodRun) -> None:
        now = time.monotonic()
        if self._over_without_log(run, now):
            self._last_words(run)
        elif run.records:
            if now - self.last_word[run.shard] > SILENCE_S:
                self._last_words(run)
        elif not run.pod and self.refused_since and now - self.refused_since > ANOTHER_S:
            mine = [i for i in self.claims.intruders.values() if i.owned]
            why = "; ".join(f"{i.name}: {i.why}" for i in mine[:3])
            what = "the pod of our Job is not as the Job's template says"
            run.trouble, run.over = Trouble("KX927", what, why), True
        elif now - self.began > self.start_timeout_s:
            why = f"nothing was heard of it for {self.start_timeout_s:.0f} s"
            run.trouble = run.trouble or Trouble(
                "KX906", "the probe pod did not start in time", why
            )
            run.over = True

    def _over_without_log(self, run: PodRun, now: float) -> bool:
        """The pod has ended and its log still has not: the log gets two more seconds."""
        if ended_state(run.pod, CONTAINER) is None and trouble_of_end(run.pod) is None:
            return False
        return now - self.over_since.setdefault(run.shard, now) > LAST_WORDS_S

    def _last_words(self, run: PodRun) -> None:
        """Verdicts from the termination message, when the log path is blocked or was cut."""
        run.over = True
        if odd := self.listener.ledgers[run.shard].odd:
            self._disbelieve(run, f"its log does not add up: {odd}")
            return
        message = str((ended_state(run.pod, CONTAINER) or {}).get("message", ""))
        node = str(run.pod.get("spec", {}).get("nodeName", ""))
        records, observations = summary.decode(message, self.plan, node)
        known = {r["observation"]["id"] for r in run.records if "observation" in r}
        new = [{"type": "observation", "observation": to_json(o)} for o in observations
               if o.id not in known]  # fmt: skip
        run.records += [*records, *new]
        run.from_summary = bool(records)
        why = "the pod ended and its log could not be read to the end"
        unread = Trouble("KX907", "the probe's log is incomplete", why)
        run.trouble = trouble_of_end(run.pod) or unread
