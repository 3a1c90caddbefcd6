"""What the stand-ins say is what the servers' own drivers take for such a server."""

from collections.abc import Mapping

import pytest

from k8sext.model.words import Reason, Stage
from k8sext.selftest.cases import BAD, GOOD, HEALTHY
from k8sext.selftest.servers import ServerPort, opened
from tests.support.drivers import Pair, both


def see(protocol: str, login: Mapping[str, str]) -> Pair:
    with opened([ServerPort(talk=HEALTHY[protocol])]) as doors:
        pair = both(protocol, doors.ports[0], login)
        assert doors.broken == []
    return pair


@pytest.mark.parametrize("protocol", sorted(HEALTHY))
def test_the_official_driver_logs_in_and_is_content(protocol: str) -> None:
    pair = see(protocol, GOOD)
    assert pair.reasons == (None, None)
    assert pair.client.depth is Stage.VERIFY


@pytest.mark.parametrize("protocol", sorted(HEALTHY))
def test_a_wrong_password_is_refused(protocol: str) -> None:
    assert see(protocol, BAD).reasons[0] is Reason.AUTH_REJECTED
