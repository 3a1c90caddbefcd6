"""What an alias without an address means, by what DNS says of its target."""

import pytest

from k8sext.agent.net.resolver import DnsAnswer, _empty  # pyright: ignore[reportPrivateUsage]
from k8sext.model.words import Reason


@pytest.mark.parametrize(
    ("rcode", "target", "reason"),
    [
        ("NXDOMAIN", "db.example", Reason.NAME_NOT_FOUND),
        ("NOERROR", "db.example", Reason.NAME_NO_ADDRESS),
        ("SERVFAIL", "db.example", Reason.DNS_SERVER_FAILURE),
        ("REFUSED", "db.example", Reason.DNS_SERVER_FAILURE),
        ("NOERROR", "198.51.100.9", Reason.NAME_NOT_A_NAME),
    ],
)
def test_alias(rcode: str, target: str, reason: Reason) -> None:
    fault = _empty(DnsAnswer(name="db", rcode=rcode, cname=(target,)))
    assert fault.reason is reason
    if rcode in ("SERVFAIL", "REFUSED"):
        assert rcode in fault.detail
