"""Runs cases on the lab: servers first, then each case in fresh namespaces, some side by side."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.gym import actions, score, standing
from tests.gym.case import Case, Look
from tests.gym.clock import Clock
from tests.gym.pending import Pending
from tests.gym.scene import Scene, changed, servers_of
from tests.lab import leftovers
from tests.lab.cluster import apps
from tests.lab.guise import Guise, Wardrobe
from tests.lab.lab import Lab
from tests.lab.place import LabError

AT_ONCE = 4
AFTER_EFFECT_S = (2, 4, 8)  # pauses before the twin is looked at once more
Judge = Callable[[Case, score.Seen, Look], score.Result]
_NOT_RUN = (
    LabError,
    LookupError,
    OSError,
    ValueError,
    TypeError,
    subprocess.SubprocessError,
)


class Locks:
    """Names that a case holds while it runs: all at once or none, so that nobody waits in a ring.

    The cluster as a whole is one of them: everybody holds it a little, a case that harms it alone.
    """

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._running = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def holding(self, names: Iterable[str]) -> Generator[None]:
        """Wait for the names, then have them inside this block."""
        wanted = set(names)
        alone = actions.CLUSTER_LOCK in wanted

        def free() -> bool:
            if alone:
                return self._running == 0
            return not wanted & self._held and actions.CLUSTER_LOCK not in self._held

        with self._changed:
            self._changed.wait_for(free)
            self._held |= wanted
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._running -= 1
                self._changed.notify_all()


@dataclass(frozen=True)
class Gym:
    """A lab that is up, with its wardrobe."""

    lab: Lab
    wardrobe: Wardrobe
    locks: Locks
    say: Callable[[str], None]
    clock: Clock = field(default_factory=Clock)
    reports: Path | None = None
    """Where doctor's JSON of every run is kept: `ID.json`, `ID.twin.json`."""

    @staticmethod
    def on(lab: Lab, say: Callable[[str], None], reports: Path | None = None) -> Gym:
        """A gym on a lab; what an earlier one left is cleared away."""
        leftovers.clear(lab.place)
        standing.clear(lab.place)
        return Gym(lab, Wardrobe(lab.place), Locks(), say, reports=reports)

    def run(self, cases: Sequence[Case]) -> score.Board:
        """All of them in this order, some side by side."""
        began = time.monotonic()
        pending, results = Pending(cases), dict[str, score.Result]()

        def work() -> None:
            while case := pending.take():
                try:
                    results[case.id] = self._one(case)
                finally:
                    pending.ended(case)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            workers = [pool.submit(work) for _ in range(AT_ONCE)]
            try:
                for worker in workers:
                    worker.result()
            except BaseException:  # an interrupt: those that run undo what they did
                pending.stop()
                raise
        self.say(f"\none case in the mean: {self.clock.words(len(cases))}")
        return score.Board([results[c.id] for c in cases], time.monotonic() - began)

    def _one(self, case: Case) -> score.Result:
        try:
            apps.provide(self.lab.place, *case.apps)
            result = self._alone_in_turn(case) if case.apart else self._in_turn(case)
        except _NOT_RUN as problem:
            error = f"{type(problem).__name__}: {problem}"
            result = score.Result(case, f"error: {error}", error=error)
        self.say(line_of(result))
        return result

    def _in_turn(self, case: Case) -> score.Result:
        """The case, while nobody else has its servers."""
        servers = self._servers(case)
        names = {s.name for s in servers.values()}
        with contextlib.ExitStack() as held:
            with self.clock.part("waiting for others"):
                held.enter_context(self.locks.holding(names | _locks_of(case)))
            began = time.monotonic()
            servers = self._servers(case)  # another case may have broken one meanwhile
            try:
                result = self._both(case, servers)
            except BaseException:  # something may not have been undone
                self.wardrobe.forget(servers.values())
                raise
            with self.clock.part("undoing"):
                self.wardrobe.forget(servers[name] for name in changed(case))
            return replace(result, seconds=time.monotonic() - began)

    def _servers(self, case: Case, run: str = "") -> dict[str, Guise]:
        with self.clock.part("servers"):
            return servers_of(self.wardrobe, case, run)

    def _stands(
        self, stack: contextlib.ExitStack, run: Scene, steps: Sequence[Mapping[str, Any]]
    ) -> str:
        with self.clock.part("objects"):
            return stack.enter_context(run.namespace(steps))

    def _nodes_follow(self, run: Scene, namespaces: Sequence[str]) -> None:
        with self.clock.part("kube-proxy"):
            self.lab.await_rules(*namespaces)
            run.await_fronts(namespaces)

    def _do(
        self, stack: contextlib.ExitStack, world: actions.World, steps: Sequence[Mapping[str, Any]]
    ) -> None:
        with self.clock.part("actions"):
            stack.enter_context(actions.done(world, steps))

    def _alone_in_turn(self, case: Case) -> score.Result:
        with self.locks.holding(_locks_of(case)):
            began = time.monotonic()
            return replace(self._apart(case), seconds=time.monotonic() - began)

    def _both(self, case: Case, servers: Mapping[str, Guise]) -> score.Result:
        """With the fault, then with the fault taken away."""
        run = Scene(self.lab, case, servers)
        case = run.case
        with contextlib.ExitStack() as stack, contextlib.ExitStack() as faulty:
            healthy = self._stands(stack, run, [*case.setup])
            both = [healthy]
            if not case.control:
                steps = [*case.setup, *case.fault]
                both.append(self._stands(faulty, run, steps))
            self._nodes_follow(run, both)
            self._do(stack, run.world(*both), case.setup)
            if case.control:
                return self._judged(run, healthy, score.judge_control)
            self._do(faulty, run.world(both[1]), case.fault)
            result = self._judged(run, both[1], score.judge_fault)
            with self.clock.part("undoing"):
                faulty.close()
            if run.reached_beyond:
                self._nodes_follow(run, [healthy])
            return self._twin(run, healthy, result)

    def _apart(self, case: Case) -> score.Result:
        """The same where pods register with servers: each run has its own, one after the other."""
        if case.control:
            with self._alone(case, []) as (run, healthy):
                return self._judged(run, healthy, score.judge_control)
        with self._alone(case, case.fault) as (run, broken):
            result = self._judged(run, broken, score.judge_fault)
        with self._alone(case, []) as (run, healthy):
            return self._twin(run, healthy, result)

    @contextlib.contextmanager
    def _alone(
        self, case: Case, fault: Sequence[Mapping[str, Any]]
    ) -> Generator[tuple[Scene, str]]:
        """One run of such a case, set up; its pods are gone before its servers are."""
        servers = self._servers(case, f"alone {secrets.token_hex(4)}")
        try:
            run = Scene(self.lab, case, servers)
            with run.namespace([*case.setup, *fault]) as name:
                self.lab.await_rules(name)
                run.await_fronts([name])
                with actions.done(run.world(name), [*case.setup, *fault]):
                    yield run, name
        finally:
            self.wardrobe.forget(servers.values())

    def _judged(self, run: Scene, namespace: str, judge: Judge) -> score.Result:
        """The verdict on every run of doctor."""
        case = run.case
        looks = [(k, judge(case, self._seen(run, namespace, k), k)) for k in case.looks]
        return score.all_of(case, looks)

    def _twin(self, run: Scene, namespace: str, result: score.Result) -> score.Result:
        """The verdict, and what came out without the fault."""
        for look in run.case.looks:
            result = self._recovered(run, namespace, look, result)
            if result.twin:
                return replace(result, false_alarm=True)
        return result

    def _recovered(
        self, run: Scene, namespace: str, look: Look, result: score.Result
    ) -> score.Result:
        """One look without the fault. A server that leans on one that was down takes a while to
        find it again, and a verdict that says so is right: it is asked for once more.
        """
        twin = score.judge_twin(run.case, self._seen(run, namespace, look, ".twin"))
        for pause in AFTER_EFFECT_S:
            if not score.is_after_effect(result, twin):
                break
            time.sleep(pause)
            result = replace(result, recovery_s=result.recovery_s + pause)
            twin = score.judge_twin(run.case, self._seen(run, namespace, look, ".twin"))
        return replace(result, twin=twin)

    def _seen(self, run: Scene, namespace: str, look: Look, which: str = "") -> score.Seen:
        with self.clock.part("doctor"):
            seen = run.doctor(namespace, look.node, () if which else run.case.fault)
        if self.reports:
            self.reports.mkdir(parents=True, exist_ok=True)
            mark = f".{look.number}" if look.number > 1 else ""
            node = f".{look.node}" if look.node else ""
            (self.reports / f"{run.case.id}{which}{node}{mark}.json").write_text(seen.text)
        return seen


def _locks_of(case: Case) -> set[str]:
    return actions.locks_of((*case.setup, *case.fault))


def line_of(result: score.Result) -> str:
    """One case of the scoreboard."""
    mark = "ok " if result.ok else "BAD"
    kind = "control" if result.case.control else "fault"
    text = f"{mark} {kind:7} {result.case.id:36} {result.case.expected:24} {result.got:24}"
    more = [*result.wrong, *([f"without the fault: {result.twin}"] if result.twin else [])]
    if result.recovery_s:
        more.append(f"the fault's verdict lasted {result.recovery_s} s longer than the fault")
    return f"{text} {result.seconds:5.1f} s" + "".join(f"\n      {m}" for m in more)
