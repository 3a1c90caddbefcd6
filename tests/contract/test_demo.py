"""The demo's scene can be read, and every system of the article is in it."""

from tests.demo.article import FILE
from tests.gym.case import of_file

SYSTEMS = {
    "postgresql", "mysql", "rabbitmq", "redis", "elasticsearch", "zipkin", "kibana", "logstash",
    "sentinel", "xxl-job", "prometheus", "alertmanager", "grafana", "actuator", "eureka", "apollo",
    "registry",
}  # fmt: skip


def test_the_whole_article_is_there() -> None:
    case = of_file(FILE)
    roles = {str(spec.get("role", name)) for name, spec in case.servers.items()}
    assert roles >= SYSTEMS
    assert case.expect["code"] == "KX805"  # the article's own failed experiment
