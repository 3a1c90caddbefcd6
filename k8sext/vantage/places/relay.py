"""`--from relay`: checks and drivers of this machine, over a relay pod's connections."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8sext.model.plan import Plan
from k8sext.vantage.vantage import Errand, Vantage

if TYPE_CHECKING:
    from k8sext.vantage.follow import PodRun


class OverRelay(Vantage):
    """The pod holds no check and no Secret; it connects where the plan says."""

    name = "relay"
    checks_here = True
    rights = "relay"
    entry = "relay"
    letter = "r"

    def pod_part(self, plan: Plan) -> Plan:
        """Where to go, and nothing else."""
        from k8sext.vantage import relay

        return relay.pod_part(plan)

    def carry_out(self, errand: Errand) -> Sequence[PodRun]:
        """One PodRun, with the records of the checks here."""
        from k8sext.vantage import relay

        assert errand.job is not None and errand.logins is not None and errand.forward is not None
        dial = functools.partial(errand.forward, errand.plan.namespace)
        look = relay.Look(plan=errand.plan, logins=errand.logins, dial=dial)
        patience = errand.start_timeout_s
        return [relay.run(errand.api, look, errand.job, patience, errand.say, errand.stop)]
