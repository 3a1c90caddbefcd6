"""`--from pod`: a short-lived Job in each namespace; its pod checks, and logs what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8sext.vantage.vantage import Errand, Vantage

if TYPE_CHECKING:
    from k8sext.vantage.follow import PodRun


class InPod(Vantage):
    """Checks run in the pod, with Secrets that it mounts."""

    name = "pod"
    shards = True

    def carry_out(self, errand: Errand) -> Sequence[PodRun]:
        """One PodRun for each shard."""
        from k8sext.vantage import pod

        assert errand.job is not None
        patience = errand.start_timeout_s
        return pod.run(errand.api, errand.plan, errand.job, patience, errand.say, errand.stop)
