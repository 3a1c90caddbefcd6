"""Whether a login may go where a connection leads, and how it must be protected on the way: pure.

The model, and the attacks that it withstands, are in docs/decisions/0001-consent.md. A Secret says
in keys of its own what it is for; annotations of a Service choose among that and never widen it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from k8sext.agent.seen import NAMES
from k8sext.model.bridge import CredentialRef, Kind
from k8sext.model.data import dataclass
from k8sext.model.plan import Target, Trail, is_address, names_of
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route

SERVICE_KEY, KEYS_KEY, TLS_KEY, CA_KEY = "k8sext.service", "k8sext.keys", "k8sext.tls", "ca.crt"
ADDRESS_KEYS = ("uri", "jdbc-url")
LEVELS = {
    "": None, "any": None, "require": TlsMode.REQUIRE, "verify-full": TlsMode.VERIFY_FULL,
}  # fmt: skip
SHOWN = 4  # addresses in a sentence
Aliases = Mapping[str, tuple[str, ...]]
Refused = tuple[Reason, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the owner of a Secret allows, and with it the person who runs k8sext.

    `hosts` are addresses and names outside, `keys` what an annotation may choose beside the
    protocol's own: KEY, or WORD=KEY. `trusted`: that person has named the Secret and
    the rest as well, in a file or by trusting annotations; `anywhere`: the latter.
    """

    services: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    tls: TlsMode | None = None
    unread: str = ""  # the key of a value that cannot be understood
    anywhere: bool = False
    trusted: bool = False
    own_ca: bool = False


def terms_of(values: Mapping[str, Secret], ref: CredentialRef, trail: Trail | None) -> Terms:
    """The terms in a Secret's keys, and what the invoker adds. Never raises."""
    given = trail.given if trail else ()
    level = _text(values, TLS_KEY).strip().lower()
    services = (*_listed(values, SERVICE_KEY), *ref.named)
    return Terms(
        services=frozenset(map(plain, services)),
        hosts=frozenset(map(plain, (*hosts_of(values), *ref.named, *given))),
        keys=frozenset(_listed(values, KEYS_KEY)),
        tls=LEVELS.get(level),
        unread="" if level in LEVELS else TLS_KEY,
        anywhere=ref.vouched and not given,
        trusted=ref.vouched,
        own_ca=CA_KEY in values,
    )


def named_by(values: Mapping[str, Secret]) -> list[str]:
    """Every host and Service that a Secret names, as it is written."""
    return [*_listed(values, SERVICE_KEY), *hosts_of(values)]


def hosts_of(values: Mapping[str, Secret]) -> list[str]:
    """What `host` and the addresses of a Secret name (servicebinding.io, Well-known Entries)."""
    found = _listed(values, "host")
    for key in ADDRESS_KEYS:
        try:
            found += [host for host in _hosts(_text(values, key)) if host]
        except ValueError:
            continue
    return found


def _listed(values: Mapping[str, Secret], key: str) -> list[str]:
    return _text(values, key).replace(",", " ").split()


def _text(values: Mapping[str, Secret], key: str) -> str:
    return values[key].reveal() if key in values else ""


def _hosts(address: str) -> list[str]:
    """The hosts of an address: PostgreSQL's may have several (`host1:5432,host2:5432`)."""
    parts = urlsplit(address.removeprefix("jdbc:"))
    login, at, hosts = parts.netloc.rpartition("@")
    return [urlsplit(f"//{login}{at}{host}").hostname or "" for host in hosts.split(",")]


def plain(host: str) -> str:
    """One form for each address and name, so that they can be compared."""
    bare = host.strip("[]").lower().rstrip(".")
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        return bare
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


# -- where to ------------------------------------------------------------------------------------


def refusal(terms: Terms, target: Target) -> Refused | None:
    """Why the login may not go to where the target's connection leads (`trail.peer`); None where
    it may. The sentence's subject is the Secret.
    """
    trail = target.trail
    if terms.anywhere:
        return None
    if trail is None or not trail.peer:
        return Reason.NO_CONSENT, f"cannot be tied to an address of {target.service}"
    ends = frozenset(_ends(target, trail))
    taken = ends & frozenset(map(plain, trail.claimed))
    if taken and terms.tls is not TlsMode.VERIFY_FULL:  # then the server has to prove who it is
        why = "which another Service takes for itself (spec.externalIPs): its pods may answer there"
        return Reason.CONSENT_ELSEWHERE, f"is not for {_some(taken)}, {why}"
    pinned = frozenset(h for h in terms.hosts if is_address(h))
    if (ends and ends <= pinned) or _is_named_outside(terms, target, trail):
        return None
    own = frozenset(map(plain, names_of(target.service, trail.namespace)))
    if trail.kind is Kind.EXTERNAL_NAME:
        return Reason.CONSENT_ELSEWHERE, _not_that_alias(target, trail)
    if not own & (terms.services | terms.hosts):
        return Reason.NO_CONSENT, f"does not say that it belongs to {target.service}"
    why = _not_its_endpoints(target, trail)
    if not why and pinned:
        why = f"it is for {_some(pinned)} alone, and this leads to {_some(ends)}"
    return (Reason.CONSENT_ELSEWHERE, f"names {target.service}, but {why}") if why else None


def _is_virtual(target: Target, trail: Trail) -> bool:
    """Whether the peer is the Service itself, and others answer behind it."""
    by_service = target.route in (Route.NAME, Route.CLUSTER_IP)
    return (
        by_service
        and trail.kind is Kind.SELECTORLESS
        and plain(trail.peer) in map(plain, trail.virtual)
    )


def _ends(target: Target, trail: Trail) -> tuple[str, ...]:
    """The addresses that may answer: all behind a cluster IP, else the one connected to."""
    found = trail.behind if _is_virtual(target, trail) else (trail.peer,)
    return tuple(map(plain, found))


def _is_named_outside(terms: Terms, target: Target, trail: Trail) -> bool:
    """Whether the outside name that led here is one that the Secret names. The alias that was
    followed counts, not only the one in the Service: it may have been changed since it was read.
    A name of the cluster's own leads wherever editors of Services want.
    """
    outside = plain(trail.outside)
    if trail.kind is not Kind.EXTERNAL_NAME or not outside or _is_inside(outside):
        return False
    led = target.host if target.route is Route.ORIGIN else next(iter(trail.chain), "")
    return outside in terms.hosts and plain(led) == outside


def _is_inside(name: str) -> bool:
    """Whether it is the name of a Service (`NAME.NAMESPACE.svc` and what follows)."""
    return "svc" in plain(name).split(".")[2:]


def _not_that_alias(target: Target, trail: Trail) -> str:
    """Why an ExternalName Service that the Secret may name is not enough."""
    what = f"does not name in its key host where the ExternalName {target.service} leads"
    if _is_inside(trail.outside):
        return f"{what}: to the Service {trail.outside}, of which only an address counts there"
    changed = trail.chain and plain(trail.chain[0]) != plain(trail.outside)
    return f"{what}: to {trail.chain[0] if changed else trail.outside}"


def _not_its_endpoints(target: Target, trail: Trail) -> str:
    """Why the peer does not count as an endpoint of the Service that the Secret names; "" if so."""
    if trail.selector:
        return "that Service has a selector, so that pods become its endpoints"
    if target.route is Route.ENDPOINT:
        known = plain(trail.peer) == plain(target.host)
    else:
        headless = trail.kind is Kind.HEADLESS
        known = plain(trail.peer) in map(plain, trail.behind if headless else trail.virtual)
    if not known:
        return f"its name led to {trail.peer}, which is no address of that Service"
    if not trail.people:
        return "an endpoints controller has written where this leads, and nobody by hand"
    return ""


def _some(addresses: frozenset[str]) -> str:
    more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
    return ", ".join(sorted(addresses)[:SHOWN]) + more


# -- which keys ----------------------------------------------------------------------------------


def wrong_key(terms: Terms, ref: CredentialRef, aliases: Aliases) -> Refused | None:
    """The key that an annotation chooses and may not."""
    for word, key in ref.keys:
        usual = key in (word, *aliases.get(word, ()))
        if word in aliases and not (usual or terms.trusted or _listed_key(terms, word, key)):
            text = f"does not let an annotation choose its key {key} as {word}"
            return Reason.KEY_NOT_ALLOWED, text
    return None


def _listed_key(terms: Terms, word: str, key: str) -> bool:
    return bool({key, f"{word}={key}"} & terms.keys)


def hidden_words(terms: Terms, ref: CredentialRef, aliases: Aliases) -> tuple[str, ...]:
    """Names (of users, databases) under which an annotation has another key sent: what nobody
    calls a name must not be shown as one.
    """
    return tuple(
        word
        for word, key in ref.keys
        if word in NAMES and key not in (word, *aliases.get(word, ())) and not terms.trusted
        and f"{word}={key}" not in terms.keys
    )  # fmt: skip


# -- how well protected --------------------------------------------------------------------------


def unprotected(terms: Terms, target: Target, secret: str) -> Refused | None:
    """Why a connection as the Service asks for it cannot be what the Secret demands."""
    if terms.unread:
        text = f"has a key {terms.unread} that is none of any, require and verify-full"
        return Reason.TLS_DEMANDED, text
    if terms.tls is None:
        return None
    what = f"demands TLS ({TLS_KEY}: {terms.tls.value}), and"
    if target.tls.mode is TlsMode.DISABLE:
        return Reason.TLS_DEMANDED, f"{what} the Service says k8sext.io/tls: disable"
    if terms.tls is TlsMode.REQUIRE or terms.trusted:
        return None
    name, own = plain(target.tls.server_name), target.trail.namespace if target.trail else ""
    names = terms.hosts | {plain(n) for n in names_of(target.service, own)}
    if name and name not in names:
        text = f"{what} not for the name {name}, which only the Service says"
        return Reason.TLS_DEMANDED, f"{text}: the Secret has to name it in its key host"
    if target.tls.ca_secret not in ("", secret):
        text = f"{what} not by a CA of another Secret: it has to stand in its own key {CA_KEY}"
        return Reason.TLS_DEMANDED, text
    return None


def protected(terms: Terms, target: Target, secret: str) -> Target:
    """The target with TLS as the Secret demands it: annotations can only make it stricter."""
    spec = target.tls
    if terms.tls is None or spec.mode is TlsMode.DISABLE:
        return target
    mode = terms.tls if spec.mode is not TlsMode.VERIFY_FULL else spec.mode
    tls = replace(spec, mode=mode)
    if terms.tls is TlsMode.VERIFY_FULL and terms.own_ca and not terms.trusted:
        tls = TlsSpec(mode=mode, ca_secret=secret, ca_key=CA_KEY, server_name=spec.server_name)
    return replace(target, tls=tls)


def short_of(demand: TlsMode | None, reached: TlsMode) -> str:
    """Why a login must not be sent on a connection as it is now; "" where it may."""
    order = (None, TlsMode.DISABLE, TlsMode.REQUIRE, TlsMode.VERIFY_FULL)
    if demand is None or order.index(reached) >= order.index(demand):
        return ""
    has = "is not encrypted" if reached is TlsMode.DISABLE else "is encrypted, and not verified"
    return f"the Secret demands TLS ({TLS_KEY}: {demand.value}), and the connection {has}"
