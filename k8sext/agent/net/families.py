"""Which address families this place has: what applications here can connect to at all."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

from k8sext.agent.fault import Fault
from k8sext.model.words import Reason

IPV4, IPV6 = "IPv4", "IPv6"
# Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket sends nothing, it only asks
# the kernel for the address that it would send from.
_ANYWHERE = {IPV4: (socket.AF_INET, "192.0.2.1"), IPV6: (socket.AF_INET6, "2001:db8::1")}
_GLOBAL = "00"  # scope of an address that is not of the link or the host only (net/ipv6.h)
_OWN_ONLY = ("127.", "169.254.", "0.", "fe80:", "::")  # of this host, or of one link
_FIB, _IF_INET6 = Path("/proc/net/fib_trie"), Path("/proc/net/if_inet6")
_UNROUTED = ("ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT")


def family_of(address: str) -> str:
    """The family of an IP address."""
    return IPV6 if ":" in address else IPV4


def present(ipv4: Path = _FIB, ipv6: Path = _IF_INET6) -> tuple[str, ...]:
    """The families of which an interface has an address that reaches beyond its own link.

    Linux lists them; where there is no such list, the kernel is asked for a way out.
    """
    have = {IPV4: _ipv4_of(ipv4), IPV6: _ipv6_of(ipv6)}
    return tuple(f for f, listed in have.items() if listed or (listed is None and _leads_out(f)))


def _ipv6_of(listing: Path) -> bool | None:
    """proc(5), /proc/net/if_inet6: address, index, prefix, scope, flags, name; no such file in a
    kernel without IPv6.
    """
    rows = _lines(listing)
    if rows is None:
        return None
    return any(len(row) > 3 and row[3] == _GLOBAL for row in rows)


def _ipv4_of(listing: Path) -> bool | None:
    """/proc/net/fib_trie: `|-- ADDRESS` and below it `/32 host LOCAL` for an address of our own."""
    rows = _lines(listing)
    if rows is None:
        return None
    own = [
        above[-1]
        for above, row in itertools.pairwise(rows)
        if row[:3] == ["/32", "host", "LOCAL"] and above[0] == "|--"
    ]
    return any(not address.startswith(_OWN_ONLY) for address in own)


def _lines(listing: Path) -> list[list[str]] | None:
    try:
        text = listing.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return [words for words in map(str.split, text.splitlines()) if words]


def _leads_out(family: str) -> bool:
    number, address = _ANYWHERE[family]
    try:
        with socket.socket(number, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            own = str(probe.getsockname()[0])
    except OSError:
        return False
    return not own.startswith(_OWN_ONLY)


def explained(fault: Fault, address: str) -> Fault:
    """NO_FAMILY in place of `fault` where there is no route because this place has no address of
    that family; a route that is missing for an address of its own family stays one.
    """
    family = family_of(address)
    if fault.reason is not Reason.NO_ROUTE or fault.evidence.get("errno") not in _UNROUTED:
        return fault
    have = present()
    if family in have:
        return fault
    text = f"this place has no {family} address"
    return Fault(Reason.NO_FAMILY, text, **fault.evidence, family=family, families=[*have])


def usable_first(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """As applications choose (RFC 6724, rule 1): first what this place has the family of."""
    if len({family_of(a) for a in addresses}) < 2:
        return addresses
    have = present()
    return tuple(sorted(addresses, key=lambda a: family_of(a) not in have))
