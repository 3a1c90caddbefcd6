"""What `k8sext list` says of a port: what it speaks, how that is known, and what it is not."""

import pytest

from k8sext.cli import list_command
from k8sext.model.bridge import Port
from tests.support.seen import bridge


def port(**more: object) -> Port:
    base: dict[str, object] = {"name": "p", "port": 1, "protocol": "tcp", "protocol_source": "x"}
    return Port(**{**base, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (port(), "tcp (x)"),
        (port(protocol="elasticsearch", fallback="http"), "elasticsearch (x, a guess: else http)"),
        (port(product="Kafka"), "tcp (x, Kafka: no check)"),
        (port(transport="UDP"), "udp (not tested)"),
    ],
)
def test_how_a_port_is_told(one: Port, said: str) -> None:
    told = list_command.table([bridge(ports=(one,))], wide=False, classes=False)
    assert told.splitlines()[1].endswith(said)
