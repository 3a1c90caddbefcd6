"""`--from local`: this machine, without the cluster's network and without a pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8sext.vantage.vantage import Errand, Vantage

if TYPE_CHECKING:
    from k8sext.vantage.follow import PodRun


class OnThisMachine(Vantage):
    """Reaches addresses and outside names only."""

    name = "local"
    in_pod_network = False
    makes_pod = False
    checks_here = True
    stands_alone = True

    def carry_out(self, errand: Errand) -> Sequence[PodRun]:
        """One PodRun without a pod."""
        from k8sext.vantage import local
        from k8sext.vantage.follow import PodRun

        assert errand.logins is not None
        records = local.observe(errand.plan, errand.logins, client=errand.client)
        return [PodRun(records=records, ended=True)]
