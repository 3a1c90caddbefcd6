"""After Ctrl-C: the Jobs are deleted, within a time that nobody minds; what may stay is told."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Sequence, Set
from concurrent.futures import Future
from concurrent.futures import wait as until_done
from typing import Any

LOG = logging.getLogger("k8sext.vantage")
LEAST_S = 0.8
# A deletion is a request or two. Where the API server has taken long all the while, it gets longer.
REQUESTS, MOST_S = 4, 5.0


def patience(slowest_s: float) -> float:
    """Seconds for the deletions, by the slowest request that was answered so far."""
    return min(max(LEAST_S, REQUESTS * slowest_s), MOST_S)


def hurry(api: Any) -> float:
    """Every request ends soon from now on; returns the seconds that are left for them."""
    seconds = patience(float(getattr(api, "slowest_s", 0.0)))
    if hasattr(api, "hurry"):
        api.hurry(seconds)
    return seconds


def wait(futures: Sequence[Future[Any]], api: Any, under_way: Set[tuple[str, str]]) -> None:
    """Wait until the runs have ended and deleted their Jobs; a second Ctrl-C shortens that.

    `under_way` are the run and the namespace of each Job that there may be now.
    """
    began = time.monotonic()
    until = began + hurry(api)
    while (left := until - time.monotonic()) > 0:
        try:
            until_done(futures, left)
            break
        except KeyboardInterrupt:
            until = min(until, began + LEAST_S)
    for run, namespace in sorted(under_way):
        command = shlex.join(["kubectl", "delete", "job", "-n", namespace, f"k8sext-{run}"])
        LOG.warning(
            "the API server did not say in time that the Job k8sext-%s in namespace %s is deleted; "
            "it ends and is removed by itself, or now with: %s",
            run,
            namespace,
            command,
        )
