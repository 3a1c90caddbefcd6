"""Makes the Job and takes it away again, whatever the API server answers on the way.

The Job's name is the run's own and cannot be guessed. So creating it may be tried again: a second
POST makes no second Job, and a Job of that name with our template is the one whose answer was lost.
"""

from __future__ import annotations

import random
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, cast

from k8sext.errors import K8sextError
from k8sext.model.plan import Plan
from k8sext.model.secret import printable

from . import proof
from .job import Manifest, name_of
from .listen import LogApi
from .proof import Made

TRIES = 5
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0
HURRY_S = 0.7  # the same where somebody has pressed Ctrl-C
PATIENCE_S = 15.0  # no try begins later than this after the first: an answer may take long to fail
# Statuses after which nobody knows, or which pass: everything else is a refusal.
_PASSING = frozenset({0, 408, 409, 425, 429, *range(500, 600)})


class Deletes(Protocol):
    """What is asked of the API session to delete something."""

    def delete(self, path: str, body: object = None, /, **params: object) -> dict[str, Any]:
        """Delete an object."""
        ...


class OurJob:
    """The Job of one plan. `create`, then `remove` however the run ends."""

    def __init__(self, api: LogApi, plan: Plan, manifest: Manifest, stop: threading.Event) -> None:
        self.api, self.manifest, self.stop = api, manifest, stop
        self.name, self.namespace = name_of(plan), plan.namespace
        self.folder = f"/apis/batch/v1/namespaces/{plan.namespace}/jobs"
        self.path = f"{self.folder}/{self.name}"
        self.uid = ""
        self.possible = False  # whether there may be a Job to delete

    def create(self) -> Made:
        """The Job as the API server has it. Raises K8sextError (exit code 3) where it is refused,
        or where it is not to be had within some seconds.
        """
        first: K8sextError | None = None
        for pause in _pauses():
            self.possible = True
            error = None
            try:
                made = proof.made_of(self.api.post(self.folder, self.manifest))
            except K8sextError as failed:
                made, error = None, failed
                # A page of something in between says nothing of what the API server did.
                if _status(failed) not in _PASSING and getattr(failed, "genuine", True):
                    self.possible = first is not None
                    raise
            made = made or self._adopted()
            if made:
                self.uid = made.uid
                return made
            first = (
                first
                or error
                or K8sextError(
                    "the API server's answer is not the Job that was to be created",
                    where=self.path,
                    exit_code=3,
                )
            )
            if self.stop.wait(pause):
                break
        assert first is not None
        raise first

    def _adopted(self) -> Made | None:
        """The Job whose answer was lost: of our name, and with the plan that we sent.

        The plan's nonce was in nothing but our request; admission may have changed the rest.
        """
        try:
            found = proof.made_of(self.api.get(self.path))
        except K8sextError:
            return None
        if found is None:
            return None
        ours = cast("Any", self.manifest)["spec"]["template"]["spec"]
        if not proof.carries(found.spec, ours):
            self.possible = False
            raise K8sextError(
                f"there is another Job {self.name}, which this run did not create",
                where=f"namespace {self.namespace}",
                fix="run again",
                exit_code=3,
            )
        return found

    def remove(self) -> str:
        """Delete the Job. Returns what stays, and the command for it; "" where nothing does."""
        if not self.possible:
            return ""
        try:
            return self._removed(_pauses(HURRY_S if self.stop.is_set() else PATIENCE_S))
        except KeyboardInterrupt:  # a second Ctrl-C: once more, without waiting
            return self._removed([0.0])

    def _removed(self, pauses: Iterable[float]) -> str:
        error = deleted(self.api, self.path, self._options(), pauses, self._another)
        return self._stays(str(error)) if error else ""

    def _options(self) -> dict[str, Any]:
        """DeleteOptions: by UID, so that no other Job of this name is deleted."""
        only = {"preconditions": {"uid": self.uid}} if self.uid else {}
        return {"propagationPolicy": "Background", **only}

    def _another(self) -> bool:
        """Whether ours is gone, and another Job has its name."""
        try:
            found = proof.made_of(self.api.get(self.path))
        except K8sextError as error:
            return _status(error) == 404
        return found is not None and found.uid != self.uid

    def _stays(self, why: str) -> str:
        spec = cast("Any", self.manifest).get("spec") or {}
        seconds = spec.get("activeDeadlineSeconds", 0) + spec.get("ttlSecondsAfterFinished", 0)
        return (
            f"Job {self.name} in namespace {self.namespace} could not be deleted "
            f"({printable(why, 200)}); it ends and is removed by itself within {seconds} s, "
            f"or now with: {delete_command(self.namespace, self.name)}"
        )


def delete_command(namespace: str, name: str) -> str:
    """What to type to delete a Job."""
    return shlex.join(["kubectl", "delete", "job", "-n", namespace, name])


def deleted(
    api: Deletes,
    path: str,
    options: Mapping[str, Any],
    pauses: Iterable[float] | None = None,
    another: Callable[[], bool] = lambda: False,
) -> K8sextError | None:
    """Delete an object, trying again what may pass. The last error where it stays, else None.

    `another` says, after a conflict, whether the object is gone and another has its name.
    """
    last: K8sextError | None = None
    for pause in _pauses() if pauses is None else pauses:
        try:
            api.delete(path, options)
        except K8sextError as error:
            status = _status(error)
            if status == 404 or (status == 409 and another()):
                return None
            last = error
            if status not in _PASSING and status != 401:
                return last
            time.sleep(pause)
        else:
            return None
    return last


def _pauses(
    patience_s: float | None = None, jitter: Callable[[], float] = random.random
) -> Iterator[float]:
    """Seconds between tries, each longer than the one before, none at the same moment as others."""
    until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    for number in range(TRIES):
        if number and time.monotonic() > until:
            return
        longest = min(FIRST_PAUSE_S * 2**number, LONGEST_PAUSE_S)
        yield longest * (0.5 + jitter() / 2)


def _status(error: K8sextError) -> int:
    return int(getattr(error, "status", 0))
