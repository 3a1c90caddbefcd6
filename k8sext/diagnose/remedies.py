"""What puts a fault right where the product decides that and the row of the fault cannot: pure."""

from __future__ import annotations

from k8sext.diagnose.codes.row import Row
from k8sext.model.result import StageResult
from k8sext.model.words import Reason

from .codes import rows

_EXPECT = ", or correct what the bridge expects (k8sext.io/expect)"
_QUEUES = f"declare it at the broker (queue, exchange, binding){_EXPECT}"
BY_PRODUCT: dict[Reason, dict[str, str]] = {
    Reason.OBJECT_MISSING: {
        "actuator": "compare the application's management.* settings with the bridge: expose the "
        "endpoint or component there, or correct path, component or port of Service {service} "
        "(k8sext.io/expect)",
        "alertmanager": f"add it to Alertmanager's configuration and reload{_EXPECT}",
        "apollo": "create and publish it in the Apollo portal (application, cluster and namespace)"
        f"{_EXPECT}",
        "elasticsearch": f"create the index, or an alias of that name{_EXPECT}",
        "elk": "declare the exchange, queue or binding at the broker (an index comes with the "
        f"first line that arrives){_EXPECT}",
        "eureka": "write the server's context path as path into k8sext.io/expect, or point Service "
        "{service} at the Eureka server",
        "grafana": f"add the data source in Grafana{_EXPECT}",
        "postgresql": f"CREATE EXTENSION in that database, likely as a superuser{_EXPECT}",
        "prometheus": "add the job or a target of it to Prometheus's scrape_configs (or to what "
        f"its service discovery reads) and reload{_EXPECT}",
        "rabbitmq": _QUEUES,
        "rabbitmq-management": _QUEUES,
        "registry": f"push the image or tag to the registry{_EXPECT}",
        "redis": f"SENTINEL MONITOR that master at the Sentinel{_EXPECT}",
        "xxl-job": f"add the executor in the XXL-JOB admin (Executor Management){_EXPECT}",
        "zipkin": f"see in the applications why they send no spans{_EXPECT}",
    },
    Reason.UNHEALTHY: {
        "apollo": "on Apollo's host check what is named here (for the database: ApolloConfigDB), "
        "then look at Apollo's log",
        "xxl-job": "check the database xxl_job from the admin's host, then the admin's log",
    },
}


def of(row: Row, ended: StageResult, protocol: str) -> str:
    """The product's own `fix` in place of the row's; "" where there is none."""
    if ended.reason is None or row is not rows.ANSWERS.get(ended.reason):
        return ""
    return BY_PRODUCT.get(ended.reason, {}).get(protocol, "")
