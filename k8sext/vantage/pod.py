"""The vantage `pod`: one short-lived Job per namespace, its log read as it is written."""

from __future__ import annotations

import logging
import threading

from k8sext.model.plan import Plan

from . import interrupt
from .created import OurJob
from .follow import Follower, Heard, PodRun, Say
from .job import Manifest
from .listen import LogApi

LOG = logging.getLogger("k8sext.vantage")


def run(
    api: LogApi,
    plan: Plan,
    job: Manifest,
    start_timeout_s: float,
    say: Say,
    stop: threading.Event | None = None,
    heard: Heard = lambda _run, _record: None,
) -> list[PodRun]:
    """Create the Job, follow its pods to their ends, delete it; one PodRun for each shard.

    Where the Job cannot be deleted, the first PodRun says so with the command, and so does the log
    where there will be no report. `stop`, set by another thread, ends the run within a quarter of a
    second. Raises K8sextError (exit code 3) when the Job cannot be created.
    """
    stop = stop or threading.Event()
    ours = OurJob(api, plan, job, stop)
    follower = Follower(api, plan, start_timeout_s, say, stop, heard)
    try:
        runs = follower.follow(ours.create())
    except BaseException as error:
        if not isinstance(error, Exception):
            stop.set()  # Ctrl-C: whoever pressed it waits
            interrupt.hurry(api)
        follower.listener.closed.set()
        _warn(ours.remove())
        raise
    follower.listener.closed.set()
    runs[0].left = ours.remove()
    if stop.is_set():
        _warn(runs[0].left)
    return runs


def _warn(text: str) -> None:
    if text:
        LOG.warning("%s", text)
