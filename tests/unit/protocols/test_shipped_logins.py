"""The login that every new installation of a product has: told where the bridge uses it (KX615)."""

from types import SimpleNamespace
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.model.plan import Target
from k8sext.model.secret import Secret
from k8sext.model.words import Route
from tests.support.converse import check_class


def login(user: str, password: str, **more: str) -> Login:
    values = {"username": user, "password": password, **more}
    return Login({word: Secret(value) for word, value in values.items()})


def check(module: str, protocol: str, peer: str = "192.0.2.7:1") -> Any:
    target = Target(
        id="o", service="s", port_key="p", protocol=protocol, route=Route.NAME, host="h", port=1
    )
    stream: Any = SimpleNamespace(peer=peer)
    return check_class(module, protocol)(target, stream)


@pytest.mark.parametrize(
    ("module", "protocol", "user", "password"),
    [
        ("rabbitmq", "rabbitmq", "guest", "guest"),
        ("rabbitmq_management", "rabbitmq-management", "guest", "guest"),
        ("grafana", "grafana", "admin", "admin"),
        ("sentinel", "sentinel", "sentinel", "sentinel"),
        ("elastic", "elasticsearch", "elastic", "changeme"),
        ("elastic", "elasticsearch", "admin", "admin"),
        ("kibana", "kibana", "kibana", "changeme"),
        ("registry", "registry", "admin", "Harbor12345"),
    ],
)
def test_a_shipped_login_is_known(module: str, protocol: str, user: str, password: str) -> None:
    one = check(module, protocol)
    assert one.shipped_login(login(user, password))
    assert not one.shipped_login(login(user, f"{password}-4711"))
    assert not one.shipped_login(login("shop", password))


@pytest.mark.parametrize(
    ("module", "protocol"),
    [("rabbitmq", "rabbitmq"), ("rabbitmq_management", "rabbitmq-management")],
)
def test_guest_on_the_brokers_own_host_is_as_it_should_be(module: str, protocol: str) -> None:
    """Fact: loopback_users lets guest in from the broker's own host only."""
    assert not check(module, protocol, "127.0.0.1:5672").shipped_login(login("guest", "guest"))
    assert not check(module, protocol, "[::1]:5672").shipped_login(login("guest", "guest"))


def test_a_token_beside_it_is_what_is_sent() -> None:
    assert not check("grafana", "grafana").shipped_login(login("admin", "admin", token="t"))


@pytest.mark.parametrize("module", ["redis", "postgresql", "mysql", "zipkin", "eureka"])
def test_products_without_one(module: str) -> None:
    protocol = {"redis": "redis"}.get(module, module)
    assert check(module, protocol).info.shipped == ()
