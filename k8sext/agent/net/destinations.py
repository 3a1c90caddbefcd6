"""Where no server, object or DNS answer may send us: one function for announced addresses, places
that clients are sent on to, callbacks and the addresses of controllers.

Private addresses (RFC 1918, RFC 6598, RFC 4193) are where databases live; they are all allowed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from ipaddress import IPv4Address as IPv4
from ipaddress import IPv6Address as IPv6

from k8sext.model.plan import split_address

_OWN_HOST = "a loopback address: each client would look in its own host"
_METADATA = "the metadata service of a cloud, which gives logins to whoever asks"
_NONE = "not an address that clients can use"
# What the clouds document and 169.254.0.0/16 does not cover: AWS (IMDS, EKS Pod Identity), Google,
# Alibaba, Azure (WireServer), Oracle Classic.
_SERVICES = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "168.63.129.16",
         "192.0.0.192"),
    )
)  # fmt: skip
_MASK = (1 << 32) - 1
# Prefixes of 96 bits before an IPv4 address: RFC 4291 (mapped, compatible), RFC 2765 (translated),
# RFC 6052 (NAT64).
_BEFORE_V4 = (0xFFFF, 0, 0xFFFF << 16, 0x64FF9B << 64)
_LOCAL_NAT64 = 0x64FF9B0001  # 64:ff9b:1::/48, RFC 8215
_SIX_TO_FOUR = 0x2002  # RFC 3056
_TEREDO = 0x20010000  # RFC 4380


def out_of_bounds(address: str, peer: str) -> str:
    """Why an IP address is not connected to; "" if it may be. `peer` is `host:port` of whoever
    named it: what speaks on loopback may name loopback. Whatever stands for an IPv4 address (in
    IPv6, with a zone) is weighed as that.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "not an IP address"  # 0177.0.0.1, 2130706433: none that all programs read alike
    return next(filter(None, (_why(one, peer) for one in (ip, *_inside(ip)))), "")


def _why(ip: IPv4 | IPv6, peer: str) -> str:
    bare = ip if isinstance(ip, IPv4) else IPv6(int(ip))  # without its zone
    if bare.is_loopback:
        return "" if peer and _on_loopback(peer) else _OWN_HOST
    if bare in _SERVICES:
        return _METADATA
    if bare.is_link_local:
        return f"{_NONE}, or {_METADATA}"
    nowhere = (
        bare.is_unspecified or bare.is_multicast or (bare.version == 4 and int(bare) >> 24 == 0)
    )
    return _NONE if nowhere or int(bare) == _MASK else ""


def _on_loopback(peer: str) -> bool:
    try:
        ip = ipaddress.ip_address(split_address(peer)[0])
    except ValueError:
        return False
    return any(one.is_loopback for one in (ip, *_inside(ip)))


def _inside(ip: IPv4 | IPv6) -> Iterator[IPv4]:
    """The IPv4 addresses that an IPv6 address may lead to."""
    bits = int(ip)
    if ip.version == 4 or bits <= 1:  # :: and ::1 are themselves
        return
    if bits >> 32 in _BEFORE_V4:
        yield IPv4(bits & _MASK)
    elif bits >> 112 == _SIX_TO_FOUR:
        yield IPv4(bits >> 80 & _MASK)
    elif bits >> 96 == _TEREDO:
        yield from (IPv4(bits >> 64 & _MASK), IPv4(~bits & _MASK))
    elif bits >> 80 == _LOCAL_NAT64:
        if bits >> 24 & 0xFF:
            yield IPv4(bits & _MASK)
        # Whoever runs it may have chosen a shorter prefix (RFC 6052, 2.2; bits 64 to 71 are left
        # out). One address has several readings then: by chance 127.x, never a metadata service.
        others = (
            (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF,
            (bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFFFFFF,
            bits >> 24 & _MASK,
        )
        found = map(IPv4, others)
        yield from (v4 for v4 in found if v4.is_link_local or v4 in _SERVICES)
