"""From bridges to the probes that will be made: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from k8sext import registry
from k8sext.bridges import fronts
from k8sext.model.bridge import NO_PORT, Bridge, Endpoint, Kind, Port
from k8sext.model.data import dataclass
from k8sext.model.front import Front
from k8sext.model.plan import (
    Beside,
    Budget,
    Control,
    Instead,
    Plan,
    Target,
    Trail,
    is_address,
    names_of,
    split_address,
)
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Route
from k8sext.vantage.vantage import Vantage

CLUSTER_DOMAIN = "cluster.local"
# Routes that an application uses; of the others the first, where there is no name (local).
_MAIN = (Route.NAME, Route.ORIGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """Which bridges checks may visit: the namespace's, and the keys of `expect` that name them."""

    bridges: Sequence[Bridge] = ()
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Leave to write (`--active`), and to register under one application (`--reverse-app`)."""

    reverse_app: str = ""


def make(
    bridges: Sequence[Bridge],
    *,
    run_id: str,
    namespace: str,
    modules: Mapping[str, str],
    vantage: str = "pod",
    budget: Budget | None = None,
    control: Control | None = None,
    visits: Companions | None = None,
    acting: Acting | None = None,
) -> Plan:
    """The plan for the bridges of one namespace.

    `modules` maps each protocol to the module under k8sext.checks.protocols that speaks it. The
    vantage that is not in the pod network reaches no Service: endpoints and outside names only.
    """
    place = registry.vantages()[vantage]
    found = _numbered((t for b in bridges for t in _targets(b, place)), place.letter)
    targets, companions = _with_companions(tuple(found), place, visits or Companions())
    targets = tuple(_acting(targets, acting)) if acting else targets
    return Plan(
        run_id=run_id,
        namespace=namespace,
        targets=tuple(_with_trail(targets, place)),
        companions=tuple(_with_trail(companions, place)),
        modules=tuple(sorted({modules[p] for t in (*targets, *companions) for p in t.protocols})),
        budget=budget or Budget(),
        control=control or Control(),
        vantage=vantage,
        fingerprints=registry.fingerprints(),
    )


def _with_trail(targets: Iterable[Target], place: Vantage) -> Iterator[Target]:
    """Without it where no login can go: the plan of a pod travels in its environment."""
    for target in targets:
        needless = not (place.checks_here or target.credentials)
        yield replace(target, trail=None) if needless else target


def of_names(names: Iterable[str], *, run_id: str, namespace: str, module: str) -> Plan:
    """The plan that asks the namespace's DNS for names and connects to nothing."""
    targets = tuple(
        Target(
            id=f"n{number}",
            service=name,
            port_key="",
            protocol="tcp",
            route=Route.ORIGIN,
            host=name,
            port=0,
            ask_only=True,
        )
        for number, name in enumerate(dict.fromkeys(names), 1)
    )
    return Plan(run_id=run_id, namespace=namespace, targets=targets, modules=(module,))


def _numbered(targets: Iterable[Target], letter: str) -> Iterator[Target]:
    """One report may hold what two vantages saw: each letter counts for itself."""
    for number, target in enumerate(targets, 1):
        yield replace(target, id=f"{letter}{number}")


def _acting(targets: Sequence[Target], acting: Acting) -> Iterator[Target]:
    """Each bridge port acts once: by its name, or where there is none by its first address."""
    planned = [t for t in targets if not (t.fallback or t.greet_only)]
    first: dict[tuple[str, str], str] = {}
    for target in sorted(planned, key=lambda t: t.route not in _MAIN):
        first.setdefault((target.service, target.port_key), target.id)
    chosen = set(first.values())
    for target in targets:
        act = target.id in chosen
        yield replace(target, active=True, reverse_app=acting.reverse_app) if act else target


def _with_companions(
    targets: tuple[Target, ...], place: Vantage, visits: Companions
) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """The targets, each with the companions that its `expect` names, and those companions."""
    found: dict[tuple[str, str], Target] = {}

    def named(target: Target) -> Iterator[tuple[str, str]]:
        for key in visits.keys.get(target.protocol, ()):
            word = str(target.expect.get(key) or "")
            one = _companion(word, place, visits.bridges) if word else None
            if one:
                known = found.setdefault(
                    (one.service, one.port_key), replace(one, id=f"c{len(found) + 1}")
                )
                yield key, known.id

    done = tuple(replace(t, companions=tuple(named(t))) if t.expect else t for t in targets)
    return done, tuple(found.values())


def _companion(word: str, place: Vantage, bridges: Sequence[Bridge]) -> Target | None:
    """The way to `SERVICE` or `SERVICE:PORT` (number or name) that an application would take."""
    service, _, wanted = word.partition(":")
    bridge = next((b for b in bridges if b.service == service), None)
    if bridge is None:
        return None
    ways = [t for t in _targets(bridge, place) if wanted in ("", t.port_key, str(t.port))]
    return min(ways, key=lambda t: t.route not in _MAIN, default=None)


def _targets(bridge: Bridge, place: Vantage) -> Iterator[Target]:
    if not bridge.tcp_ports:
        yield from _name_alone(bridge, place)
    for port in bridge.tcp_ports:
        if place.in_pod_network:
            yield from _inside_targets(bridge, port)
            yield from _ingress_targets(bridge, port)
            yield from _node_targets(bridge, port)
        else:
            yield from _outside_targets(bridge, port)


def _name_alone(bridge: Bridge, place: Vantage) -> Iterator[Target]:
    """Nothing can be connected to; whether the name leads anywhere can be asked all the same."""
    if place.in_pod_network:
        made = _target(bridge, NO_PORT, Route.NAME, bridge.service, 0)
    elif bridge.external_name:
        made = _target(bridge, NO_PORT, Route.ORIGIN, bridge.external_name, 0)
    else:
        return
    yield replace(made, ask_only=True, credentials=None, expect={})


def _inside_targets(bridge: Bridge, port: Port) -> Iterator[Target]:
    """As an application in the namespace sees it: by name, and at every address behind it."""
    external = bridge.kind is Kind.EXTERNAL_NAME
    port_number = _name_port(bridge, port)
    by_name = _target(bridge, port, Route.NAME, bridge.service, port_number, expand=external)
    compares = not external and not is_address(bridge.origin)
    origin = bridge.origin if compares else ""
    yield replace(by_name, origin=origin, nowhere=_leads_nowhere(bridge, port))
    for address in bridge.cluster_ips[:1]:
        yield _target(bridge, port, Route.CLUSTER_IP, address, port.port, fallback=True)
    yield from _endpoint_targets(bridge, port)


def _leads_nowhere(bridge: Bridge, port: Port) -> bool:
    """Whether the objects alone explain that the name is refused. Endpoints without a slice do
    not: they may be mirrored in a moment.
    """
    if bridge.kind is not Kind.SELECTORLESS:
        return False
    astray = bool(bridge.virtual) or bridge.internal_traffic == "Local"
    return astray or not bridge.used(port)


def _outside_targets(bridge: Bridge, port: Port) -> Iterator[Target]:
    """Without the cluster's network: the addresses themselves, or the outside name."""
    if bridge.kind is Kind.EXTERNAL_NAME:
        number = _outside_port(bridge, port)
        yield _target(bridge, port, Route.ORIGIN, bridge.external_name, number, expand=True)
        return
    yield from _endpoint_targets(bridge, port)


def _endpoint_targets(bridge: Bridge, port: Port) -> Iterator[Target]:
    """Every address that a slice names, once; also those whose port name does not match the
    Service's: whether they answer tells a wrong name from a dead server. Those that no connection
    is sent to come last, and are only greeted.
    """
    seen: set[tuple[str, int]] = set()
    used = bridge.used(port)
    unused = (e for e in bridge.endpoints_of(port) if e not in used)
    for endpoint in (*used, *unused) or bridge.unmatched:
        key = (endpoint.address, endpoint.port)
        if key not in seen and is_address(endpoint.address):
            seen.add(key)
            made = _target(bridge, port, Route.ENDPOINT, *key)
            idle = endpoint not in used
            yield replace(made, credentials=None, expect={}, greet_only=True) if idle else made


def _ingress_targets(bridge: Bridge, port: Port) -> Iterator[Target]:
    """The page that each rule leads to, asked of the controller; no login goes with it."""
    here = [f for f in bridge.fronts if f.port_key == port.key and f.addresses]
    for front in here[: fronts.MAX_FRONTS]:
        mode = TlsMode.REQUIRE if front.tls else TlsMode.DISABLE
        yield Target(
            id="",
            service=bridge.service,
            port_key=port.key,
            protocol="https" if front.tls else "http",
            route=Route.INGRESS,
            host=front.addresses[0],
            port=443 if front.tls else 80,
            tls=TlsSpec(mode=mode, server_name=front.asked_host),
            expect={"path": front.path},
            via=front.via,
            beside=_beside(bridge, port, front),
        )


def _beside(bridge: Bridge, port: Port, front: Front) -> Beside:
    """The same question by the bridge's name; a path that is changed on the way is not known."""
    tls = bridge.tls_of(port.key) or TlsSpec()
    wants = port.protocol == "https" or tls.mode in (TlsMode.REQUIRE, TlsMode.VERIFY_FULL)
    return Beside(
        host=bridge.service,
        port=_name_port(bridge, port),
        protocol="https" if wants else "http",
        path="/" if front.rewrites else front.path,
    )


def _node_targets(bridge: Bridge, port: Port) -> Iterator[Target]:
    """The greeting, by the nodes' addresses; no login goes with it."""
    for name, address in bridge.nodes if port.node_port else ():
        made = _target(bridge, port, Route.NODE_PORT, address, port.node_port or 0)
        yield replace(made, credentials=None, expect={}, greet_only=True, via=f"Node/{name}")


def _name_port(bridge: Bridge, port: Port) -> int:
    """The port an application uses with the name.

    A headless Service has no virtual address: its name gives the endpoints' addresses, and the
    port that is dialled is the one the server listens on.
    """
    endpoints = bridge.used(port) or bridge.endpoints_of(port)
    if bridge.kind is Kind.HEADLESS and endpoints:
        return endpoints[0].port
    return port.port


def _outside_port(bridge: Bridge, port: Port) -> int:
    """An alias in DNS maps no port; a name whose addresses become endpoints does (`resolve`)."""
    return int(port.target_port) if bridge.origin and port.target_port.isdigit() else port.port


def _target(
    bridge: Bridge,
    port: Port,
    route: Route,
    host: str,
    number: int,
    *,
    expand: bool = False,
    fallback: bool = False,
) -> Target:
    given = bridge.tls_of(port.key) or TlsSpec()
    first = port.tls or (TlsMode.REQUIRE if port.tls_first else None)
    tls = replace(given, mode=given.mode or first)
    return Target(
        id="",
        service=bridge.service,
        port_key=port.key,
        protocol=port.protocol,
        route=route,
        host=host,
        port=number,
        server=_server(bridge, port),
        tls=tls,
        instead=tuple(_instead(port, given)),
        tls_names=(*service_names(bridge), *_outside_names(bridge)),
        outside_names=_outside_names(bridge),
        credentials=dict(bridge.credentials_by_port).get(port.key, bridge.credentials),
        consent_hosts=tuple(_consent_hosts(bridge, port, host)),
        trail=_trail(bridge, port, route, host, number),
        expect=dict(bridge.expect_by_port).get(port.key, bridge.expect),
        expand=expand,
        fallback=fallback,
    )


def _instead(port: Port, given: TlsSpec) -> Iterator[Instead]:
    """The same without TLS where the number alone hinted at it, then what the generic word says.

    Silence at a number of its own is a server that hangs; only for the Service's name it may as
    well be another port of the same product.
    """
    if port.tls_first and given.mode is None:
        yield Instead(protocol=port.protocol)
    if port.fallback:
        silent = port.fallback != "tcp" or port.protocol_source == "service name"
        yield Instead(protocol=port.fallback, tls=given.mode, after_silence=silent)


def _server(bridge: Bridge, port: Port) -> str:
    """What shares a login limit: the address where there is one, else the bridge."""
    endpoints = bridge.endpoints_of(port)
    if len(endpoints) == 1:
        return f"{endpoints[0].address}:{endpoints[0].port}"
    return f"{bridge.ref}:{port.key}"


def service_names(bridge: Bridge) -> tuple[str, ...]:
    """The names an application in the cluster may use for the bridge, short first."""
    return names_of(bridge.service, bridge.namespace, CLUSTER_DOMAIN)


def _outside_names(bridge: Bridge) -> tuple[str, ...]:
    return tuple(name for name in (bridge.external_name, bridge.origin) if name)


def _trail(bridge: Bridge, port: Port, route: Route, host: str, number: int) -> Trail:
    """What consent asks of the way: of an address who wrote it, of a name all that is behind it."""
    used = bridge.used(port)
    if route is Route.ENDPOINT:
        known = bridge.endpoints_of(port) or bridge.unmatched
        ends = tuple(e for e in known if e.address == host)
    else:
        ends = used
    return Trail(
        namespace=bridge.namespace,
        kind=bridge.kind,
        selector=bool(bridge.selector),
        people=bool(ends) and not any(e.controlled for e in ends),
        virtual=() if route is Route.ENDPOINT else bridge.cluster_ips,
        behind=() if route is Route.ENDPOINT else _behind(bridge, used),
        outside=bridge.external_name,
        given=bridge.given,
        claimed=tuple(_claimed(bridge, (*ends, *used), number)) if bridge.claimed else (),
    )


def _claimed(bridge: Bridge, ends: Iterable[Endpoint], number: int) -> Iterator[str]:
    """Addresses before which another Service stands. Those of an outside name are not known yet."""
    known = {(e.address, e.port) for e in ends}
    for address, port in map(split_address, bridge.claimed):
        if (address, port) in known or (not known and port == number):
            yield address


def _behind(bridge: Bridge, used: Iterable[Endpoint]) -> tuple[str, ...]:
    """All that answers by name. Where the live Service leads beside what a file says is kept with
    its port, so that it equals no address.
    """
    return tuple(dict.fromkeys((*(e.address for e in used), *bridge.elsewhere)))


def _consent_hosts(bridge: Bridge, port: Port, host: str) -> Iterator[str]:
    """Names and addresses under which the server of this target may be known: to a registry's
    logins, and to its token service. Whether a login may go there, consent decides by `trail`.

    Never the origin annotation: whoever edits the Service could write any Secret's host there
    while the addresses lead elsewhere.
    """
    yield from service_names(bridge)
    if bridge.external_name:
        yield bridge.external_name
    addresses = {e.address for e in bridge.endpoints_of(port)}
    if is_address(host):
        yield host
    elif len(addresses) == 1:
        yield from addresses
