"""Which servers of a case nobody else may use after it."""

import pytest

from tests.gym import case
from tests.gym.scene import changed

CASE = """title: t
source: s
servers:
  es: {role: elasticsearch}
  mq: {role: rabbitmq}
  zipkin: {storage: es, transport: mq}
  db: {role: postgresql}
bridges: [{name: zipkin-svc, to: zipkin}]
fault: [%s]
expect: {code: KX301, culprit: server-host}
"""
ALL = {"es", "mq", "zipkin"}


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ("firewall: {server: es, action: drop}", set()),
        ("stop: db", set()),
        ("stop: es", ALL),
        ("freeze: mq", ALL),
        ("later: {seconds: 1, do: [{stop: mq}]}", ALL),
        ("restart: {server: db, options: {}}", set()),
        ("restart: {server: mq, options: {}}", ALL),
        ("tell: {server: db, say: x}", {"db"}),
        ("tell: {server: db, say: x, undo: y}", set()),
        ("repeat: {server: mq, say: x, undo: y}", ALL),
        ("break_off: {server: db, count: 3}", {"db"}),
        ("doctor: [--active]", {*ALL, "db"}),
    ],
)
def test_what_is_left_in_servers(fault: str, left: set[str]) -> None:
    assert changed(case.of_text(CASE % fault)) == left
