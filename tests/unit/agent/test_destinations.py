"""Where nobody may send us, in every notation; and where real databases live."""

import ipaddress

import pytest

from k8sext.agent.net.destinations import out_of_bounds

PEER = "198.51.100.2:6379"

METADATA = (
    "169.254.169.254",
    "169.254.170.2",  # ECS tasks
    "169.254.170.23",  # EKS Pod Identity
    "169.254.0.23",  # Tencent
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
)
LOOPBACK = ("127.0.0.1", "127.255.255.254")
NOWHERE = ("0.0.0.0", "0.0.0.1", "0.1.2.3", "224.0.0.1", "239.255.255.250", "255.255.255.255")
ONLY_V6 = (
    "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "FD00:0EC2:0:0:0:0:0:0254", "fe80::1",
    "fe80::a9fe:a9fe", "fe80::1%eth0", "fe80::1%25eth0", "febf::1", "::1", "::1%1",
    "0:0:0:0:0:0:0:1", "::", "ff02::1", "ff05::1:3", "fd00:ec2::254%3",
)  # fmt: skip


def forms(text: str) -> dict[str, str]:
    """An IPv4 address as IPv6 writes it."""
    v4 = int(ipaddress.IPv4Address(text))
    high, low = v4 >> 16, v4 & 0xFFFF
    hexadecimal = f"{high:x}:{low:x}"
    flipped = v4 ^ 0xFFFFFFFF
    made = {
        "mapped": f"::ffff:{text}",
        "mapped in hexadecimal": f"::ffff:{hexadecimal}",
        "mapped in full": f"0:0:0:0:0:FFFF:{hexadecimal}",
        "mapped with a zone": f"::ffff:{text}%eth0",
        "translated": f"::ffff:0:{text}",
        "NAT64": f"64:ff9b::{text}",
        "NAT64 in full": f"0064:ff9b:0:0:0:0:{hexadecimal}",
        "local NAT64 /96": f"64:ff9b:1:7:8:9:{hexadecimal}",
        "local NAT64 /64": f"64:ff9b:1:7:{v4 >> 24:x}:{v4 >> 8 & 0xFFFF:x}:{(v4 & 0xFF) << 8:x}::",
        "local NAT64 /56": f"64:ff9b:1:7{v4 >> 24:02x}:{v4 >> 16 & 0xFF:x}:{v4 & 0xFFFF:x}::",
        "local NAT64 /48": f"64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 0xFF) << 8:x}::",
        "6to4": f"2002:{hexadecimal}::1",
        "Teredo server": f"2001:0:{hexadecimal}:0:0:3fff:fdfe",
        "Teredo client": f"2001:0:c000:201:0:0:{flipped >> 16:x}:{flipped & 0xFFFF:x}",
    }
    if v4 > 1:
        made["compatible"] = f"::{text}"
    return made


HOSTILE = (*METADATA, *LOOPBACK, *NOWHERE)


@pytest.mark.parametrize("address", [*HOSTILE, *ONLY_V6])
def test_out_of_bounds(address: str) -> None:
    assert out_of_bounds(address, PEER)
    assert out_of_bounds(address, "")


SHORTER = ("local NAT64 /64", "local NAT64 /56", "local NAT64 /48")
IN_IPV6 = {
    f"{address}, {form}": written
    for address in HOSTILE
    for form, written in forms(address).items()
    # Which of the shorter prefixes was chosen is not known: only metadata services count there.
    if address in METADATA or form not in SHORTER
    # 0.x is what the end of such a prefix looks like.
    if not (form == "local NAT64 /96" and address.startswith("0."))
}


@pytest.mark.parametrize("case", sorted(IN_IPV6))
def test_out_of_bounds_in_ipv6(case: str) -> None:
    ipaddress.ip_address(IN_IPV6[case])
    assert out_of_bounds(IN_IPV6[case], PEER)


@pytest.mark.parametrize("address", METADATA)
def test_a_peer_on_loopback_makes_no_metadata_allowed(address: str) -> None:
    for written in (address, *forms(address).values()):
        assert out_of_bounds(written, "127.0.0.1:6379")
        assert out_of_bounds(written, "[::1]:6379")


@pytest.mark.parametrize("peer", ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"])
def test_loopback_may_name_loopback(peer: str) -> None:
    """`--from local`, the relay and the selftest look at servers of this machine."""
    assert [out_of_bounds(a, peer) for a in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == [""] * 3


@pytest.mark.parametrize(
    "address",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.1", "0x7f.1", "169.254.43518",
     "017700000001", "①②⑦.0.0.1", "127.0.0.1 ", "", "localhost", "[::1]", "1.2.3.4.5",
     "::ffff:127.1", "fe80::1%", "1.2.3.4\n"],
)  # fmt: skip
def test_odd_notations_are_no_addresses(address: str) -> None:
    """Programs do not agree on what they mean, so they are never connected to."""
    assert out_of_bounds(address, PEER)


ALLOWED = (
    "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1",
    "100.100.100.201", "100.127.0.1", "168.63.129.17", "192.0.0.191", "192.0.2.9", "198.18.0.44",
    "198.51.100.9", "203.0.113.1", "240.0.0.1", "1.1.1.1", "169.253.255.255", "169.255.0.1",
    "128.0.0.1", "126.255.255.255", "223.255.255.254",
)  # fmt: skip
ALLOWED_V6 = (
    "fd00::1", "fd00:ec2::1", "fd00:ec2::2540", "fd12:3456:789a::254", "fdff::1", "fc00::1",
    "2001:db8::1", "2001:4860:4860::8888", "2600::1", "64:ff9c::1", "fd00::169.254.169.254",
    "2001:db8::127.0.0.1", "fec0::1",
)  # fmt: skip


@pytest.mark.parametrize("address", [*ALLOWED, *ALLOWED_V6])
def test_where_databases_live(address: str) -> None:
    assert out_of_bounds(address, PEER) == ""


@pytest.mark.parametrize("address", ALLOWED)
def test_where_databases_live_by_way_of_nat64(address: str) -> None:
    wrong = {n: a for n, a in forms(address).items() if out_of_bounds(a, PEER)}
    assert wrong == {}
