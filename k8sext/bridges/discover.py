"""From objects to bridges: which Services lead out of the cluster, where to, and whose they are.

Pure. One pass over each kind of object, then dictionaries: 5,000 of each take a fraction of a
second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Protocol

from k8sext import registry
from k8sext.agent import expect
from k8sext.model.bridge import Bridge, Endpoint, Kind, Port
from k8sext.model.data import dataclass

from . import annotations as notes
from . import handmade, infer
from .classes import classified

Object = Mapping[str, Any]
SERVICE_NAME = "kubernetes.io/service-name"


class BridgeObjects(Protocol):
    """What is needed of k8sext.kube.snapshot.Snapshot."""

    @property
    def services(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def endpoints(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def endpointslices(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def nodes(self) -> tuple[Object, ...]: ...  # noqa: D102
    @property
    def pods(self) -> tuple[Object, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _ServiceIndex:
    """The objects by what they are looked up by."""

    slices: Mapping[tuple[str, str], list[Object]]
    endpoints: Mapping[tuple[str, str], Object]
    owners: Mapping[str, str]  # see `classes.classified`
    virtual: frozenset[str]  # cluster IPs of the Services that are seen
    words: infer.Vocabulary
    # Ports alike of Services without annotations are one object: by what the API says of them.
    ports: dict[tuple[object, ...], Port] = field(default_factory=dict[tuple[object, ...], Port])


def bridges(snapshot: BridgeObjects) -> tuple[Bridge, ...]:
    """Every Service that leads out, with its class, by namespace and name."""
    words = infer.vocabulary(e.info for e in registry.wire_checks().values())
    index = _index(snapshot, words)
    found = (_bridge(s, index) for s in snapshot.services if _leads_out(s, index))
    return tuple(sorted(found, key=lambda b: (b.namespace, b.service)))


def _leads_out(service: Object, index: _ServiceIndex) -> bool:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        return True
    return _left_in(service, index)


def _left_in(service: Object, index: _ServiceIndex) -> bool:
    """Whether it has a selector although people wrote addresses for it: the selector is a leftover.

    Only proof counts. A Service of pods that are gone, scaled to 0 or not ready is no bridge.
    """
    key = (service["metadata"]["namespace"], service["metadata"]["name"])
    legacy = index.endpoints.get(key)
    return any(map(handmade.slice_by_hand, index.slices.get(key, ()))) or bool(
        legacy and handmade.endpoints_by_hand(legacy)
    )


def _index(snapshot: BridgeObjects, words: infer.Vocabulary) -> _ServiceIndex:
    slices: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for item in snapshot.endpointslices:
        meta = item["metadata"]
        name = (meta.get("labels") or {}).get(SERVICE_NAME)
        if name:
            slices[meta["namespace"], name].append(item)
    endpoints = {(e["metadata"]["namespace"], e["metadata"]["name"]): e for e in snapshot.endpoints}
    owners = dict(_pod_addresses(snapshot)) | dict(_node_addresses(snapshot))
    virtual = (ip for s in snapshot.services for ip in _cluster_ips(s.get("spec") or {}))
    return _ServiceIndex(slices, endpoints, owners, frozenset(virtual), words)


def _node_addresses(snapshot: BridgeObjects) -> Iterator[tuple[str, str]]:
    for node in snapshot.nodes:
        for item in (node.get("status") or {}).get("addresses") or []:
            yield item["address"], f"node {node['metadata']['name']}"


def _pod_addresses(snapshot: BridgeObjects) -> Iterator[tuple[str, str]]:
    for pod in snapshot.pods:
        meta = pod["metadata"]
        for item in (pod.get("status") or {}).get("podIPs") or []:
            yield item["ip"], f"pod {meta['namespace']}/{meta['name']}"


# -- one bridge ---------------------------------------------------------------------------------


def _bridge(service: Object, index: _ServiceIndex) -> Bridge:
    meta, spec = service["metadata"], service.get("spec") or {}
    kind = _kind(spec)
    said = notes.parse(meta.get("annotations") or {}, index.words.names)
    key = (meta["namespace"], meta["name"])
    families = spec.get("ipFamilies") or ("IPv4", "IPv6")
    outside = kind is Kind.EXTERNAL_NAME
    endpoints, problems = ((), ()) if outside else _endpoints(key, index, families)
    external_name = spec.get("externalName") or "" if outside else ""
    legacy = index.endpoints.get(key)
    bridge_class, reason = classified(service, external_name, endpoints, legacy, index.owners)
    ports = _ports(service, said, kind, index)
    unknown = (*said.unknown, *notes.of_no_port(said, ports))
    made = Bridge(
        namespace=meta["namespace"],
        service=meta["name"],
        kind=kind,
        bridge_class=bridge_class,
        class_reason=reason,
        ports=ports,
        endpoints=endpoints,
        service_type=spec.get("type") or "ClusterIP",
        cluster_ips=tuple(ip for ip in _cluster_ips(spec) if ip != "None"),
        external_name=external_name,
        virtual=tuple(sorted({e.address for e in endpoints} & index.virtual)),
        internal_traffic=_unusual(spec, "internalTrafficPolicy"),
        external_traffic=_unusual(spec, "externalTrafficPolicy"),
        front_wanted=said.ingress,
        origin=said.origin,
        credentials=said.credentials,
        credentials_by_port=said.credentials_by_port,
        tls=said.tls,
        tls_by_port=said.tls_by_port,
        expect=said.expect,
        expect_by_port=said.expect_by_port,
        ignore=said.ignore,
        selector=() if outside else tuple(sorted((spec.get("selector") or {}).items())),
        problems=(*said.unread, *unknown, *problems),
        unread=said.unread,
        unknown=unknown,
    )
    wrong = expectation_problems(made, index.words)
    if not wrong:
        return made
    return replace(made, problems=(*made.problems, *wrong), unread=(*made.unread, *wrong))


def expectation_problems(bridge: Bridge, words: infer.Vocabulary) -> tuple[str, ...]:
    """What the bridge expects and no check of its ports can compare, one sentence each."""
    if not bridge.expect and not bridge.expect_by_port:
        return ()
    protocols = {p.protocol for p in bridge.ports}
    known = {key for p in protocols for key in words.expects.get(p, {})}
    said = (
        problem
        for port in bridge.ports
        for problem in expect.read(
            words.expects.get(port.protocol, {}),
            dict(bridge.expect_by_port).get(port.key, bridge.expect),
            known,
        )[1]
    )
    return tuple(dict.fromkeys(said))


def _kind(spec: Object) -> Kind:
    if spec.get("type") == "ExternalName":
        return Kind.EXTERNAL_NAME
    return Kind.HEADLESS if spec.get("clusterIP") == "None" else Kind.SELECTORLESS


def _unusual(spec: Object, field: str) -> str:
    """A traffic policy that is not the usual one."""
    policy = str(spec.get(field) or "Cluster")
    return "" if policy == "Cluster" else policy


def _cluster_ips(spec: Object) -> list[str]:
    return spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])


def _ports(service: Object, said: notes.Said, kind: Kind, index: _ServiceIndex) -> tuple[Port, ...]:
    name, words = service["metadata"]["name"], index.words
    given = (service.get("spec") or {}).get("ports") or []
    if given:
        known = index.ports if said is notes.NOTHING_SAID else {}
        return tuple(known.get(_looks(p)) or _new_port(p, name, said, words, known) for p in given)
    if said.ports:
        listed = ({"port": number, "protocol_word": word} for number, word in said.ports)
        return tuple(_port(p, name, said, words) for p in listed)
    return _default_port(name, said, words) if kind is Kind.EXTERNAL_NAME else ()


def _looks(port: Object) -> tuple[object, ...]:
    get = port.get
    return (get("name"), get("port"), get("protocol"), get("targetPort"), get("nodePort"),
            get("appProtocol"))  # fmt: skip


def _new_port(
    port: Object, service: str, said: notes.Said, words: infer.Vocabulary,
    known: dict[tuple[object, ...], Port],
) -> Port:  # fmt: skip
    """Remembered where the Service's name has no say in what it speaks."""
    made = _port(port, service, said, words)
    own = infer.by_port(words, made.app_protocol, made.name, made.port)
    if own and (own.protocol != infer.FALLBACK or own.product):
        known[_looks(port)] = made
    return made


def _port(port: Object, service: str, said: notes.Said, words: infer.Vocabulary) -> Port:
    name, number = port.get("name") or "", int(port["port"])
    by_port = said.protocol_by_port
    wanted = by_port.get(name) or by_port.get(str(number)) or port.get("protocol_word")
    found = infer.protocol(
        words,
        annotation=wanted or dict(said.ports).get(number) or said.protocol,
        app_protocol=port.get("appProtocol") or "",
        port_name=name,
        port=number,
        service=service,
    )
    target = port.get("targetPort")
    return Port(
        name=name,
        port=number,
        protocol=found.protocol,
        protocol_source=found.source,
        fallback=_fallback(found, name or str(number), said, words),
        tls=found.tls,
        tls_first=found.tls_first,
        product=found.product,
        transport=port.get("protocol") or "TCP",
        target_port="" if target is None else str(target),
        node_port=port.get("nodePort"),
        app_protocol=port.get("appProtocol") or "",
    )


def _default_port(service: str, said: notes.Said, words: infer.Vocabulary) -> tuple[Port, ...]:
    """An ExternalName without ports: the protocol, if it is known, gives its usual port."""
    found = infer.protocol(
        words, annotation=said.protocol, app_protocol="", port_name="", port=0, service=service
    )
    number = words.default_ports.get(found.protocol)
    if number is None:
        return ()
    return (
        Port(
            name="",
            port=number,
            protocol=found.protocol,
            protocol_source=found.source,
            guessed=True,
        ),
    )


def _fallback(found: infer.Inferred, key: str, said: notes.Said, words: infer.Vocabulary) -> str:
    """None where somebody has said what must be looked at: an expectation that only the guessed
    protocol can meet, a login that plain TCP has no use for.
    """
    expected = set(dict(said.expect_by_port).get(key, said.expect)) - set(expect.COMMON)
    login = dict(said.credentials_by_port).get(key, said.credentials)
    asked = expected - set(words.expects.get(found.fallback, {}))
    return "" if asked or (login and found.fallback == infer.FALLBACK) else found.fallback


# -- endpoints ----------------------------------------------------------------------------------


def _endpoints(
    key: tuple[str, str], index: _ServiceIndex, families: Collection[str]
) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    """Slices if there are any (a mirrored slice repeats its Endpoints), else the Endpoints.

    A slice of a family that the Service has not is dead configuration: kube-proxy passes over it.
    """
    slices = index.slices.get(key)
    if not slices:
        legacy = index.endpoints.get(key)
        return tuple(_of_endpoints(legacy)) if legacy else (), ()
    legacy = index.endpoints.get(key)
    usable = [s for s in slices if _family(s) in families]
    endpoints = _each_once([e for s in usable for e in _of_slice(s, legacy)])
    if len(usable) == len(slices):
        return endpoints, ()
    known = " and ".join(families)
    return endpoints, tuple(
        f"EndpointSlice {s['metadata']['name']} has addressType {_family(s)}: "
        + ("nothing routes it" if _family(s) == "FQDN" else f"the Service has {known} only")
        for s in slices
        if s not in usable
    )


def _family(item: Object) -> str:
    return str(item.get("addressType") or "IPv4")


def _each_once(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """What several slices name (a mirrored one beside one of ours) is one; ready where one is,
    else serving where one is; by people where one is.
    """
    if len(endpoints) < 2:
        return tuple(endpoints)
    found: dict[tuple[str, int, str], Endpoint] = {}
    for endpoint in endpoints:
        key = (endpoint.address, endpoint.port, endpoint.port_name)
        known = found.setdefault(key, endpoint)
        if known is endpoint:
            continue
        better = endpoint if _condition(endpoint) > _condition(known) else known
        controlled = known.controlled and endpoint.controlled
        same = better.controlled == controlled
        found[key] = better if same else replace(better, controlled=controlled)
    return tuple(found.values())


def _condition(endpoint: Endpoint) -> tuple[bool, bool]:
    return endpoint.ready, endpoint.serving and endpoint.terminating


def _of_slice(item: Object, legacy: Object | None) -> Iterator[Endpoint]:
    """Of an endpoint's addresses consumers use the first only."""
    controlled = handmade.slice_controlled(item, legacy)
    source = f"EndpointSlice/{item['metadata']['name']}"
    for index, endpoint in enumerate(item.get("endpoints") or []):
        conditions = endpoint.get("conditions") or {}
        for port in item.get("ports") or []:
            if endpoint.get("addresses") and port.get("port"):
                yield Endpoint(
                    address=endpoint["addresses"][0],
                    port=port["port"],
                    port_name=port.get("name") or "",
                    ready=conditions.get("ready") is not False,
                    serving=conditions.get("serving") is not False,
                    terminating=conditions.get("terminating") is True,
                    source=source,
                    index=index,
                    node=endpoint.get("nodeName") or "",
                    controlled=controlled(endpoint),
                )


def _of_endpoints(item: Object) -> Iterator[Endpoint]:
    source = f"Endpoints/{item['metadata']['name']}"
    controlled = handmade.endpoints_controlled(item)
    for subset in item.get("subsets") or []:
        for word, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(word) or []:
                for port in subset.get("ports") or []:
                    yield Endpoint(
                        address=address["ip"],
                        port=port["port"],
                        port_name=port.get("name") or "",
                        ready=ready,
                        source=source,
                        node=address.get("nodeName") or "",
                        controlled=controlled,
                    )
