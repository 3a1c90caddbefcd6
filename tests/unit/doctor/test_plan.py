from dataclasses import replace

from k8sext.doctor import plan
from k8sext.model.bridge import Bridge, CredentialRef, Endpoint, Kind, Port
from k8sext.model.plan import Target
from k8sext.model.words import Route

PORT = Port(name="redis", port=6379, protocol="redis", protocol_source="port name")


def bridge(**changes: object) -> Bridge:
    values: dict[str, object] = {
        "namespace": "dev",
        "service": "redis-svc",
        "kind": Kind.SELECTORLESS,
        "ports": (PORT,),
        "endpoints": (Endpoint(address="198.51.100.21", port=26379, port_name="redis"),),
        "cluster_ips": ("198.19.0.7",),
    }
    return Bridge(**{**values, **changes})  # type: ignore[arg-type]


def targets(made: Bridge, vantage: str = "pod") -> tuple[Target, ...]:
    modules = {"redis": "redis", "tcp": "tcp"}
    return plan.make([made], run_id="r", namespace="dev", modules=modules, vantage=vantage).targets


def test_a_selectorless_service_is_tried_by_name_and_at_every_endpoint() -> None:
    seen = [(t.id, t.route, t.address, t.fallback) for t in targets(bridge())]
    assert seen == [
        ("o1", Route.NAME, "redis-svc:6379", False),
        ("o2", Route.CLUSTER_IP, "198.19.0.7:6379", True),
        ("o3", Route.ENDPOINT, "198.51.100.21:26379", False),
    ]


def test_a_headless_name_is_dialled_at_the_endpoints_port() -> None:
    made = bridge(kind=Kind.HEADLESS, cluster_ips=())
    assert [t.address for t in targets(made)] == ["redis-svc:26379", "198.51.100.21:26379"]


def test_endpoints_under_a_wrong_port_name_are_still_tried() -> None:
    wrong = (Endpoint(address="198.51.100.21", port=26379, port_name="tcp"),)
    assert targets(bridge(endpoints=wrong))[-1].route is Route.ENDPOINT


def test_an_external_name_is_expanded_by_the_agent() -> None:
    made = bridge(
        kind=Kind.EXTERNAL_NAME, external_name="redis.corp.example", endpoints=(), cluster_ips=()
    )
    (only,) = targets(made)
    assert (only.route, only.expand) == (Route.NAME, True)


def test_local_without_a_cluster_tries_the_addresses_only() -> None:
    assert [t.route for t in targets(bridge(), "local")] == [Route.ENDPOINT]


def test_an_address_of_the_secret_is_consent_for_that_target_only() -> None:
    two = (
        Endpoint(address="198.51.100.21", port=26379, port_name="redis"),
        Endpoint(address="198.51.100.22", port=26379, port_name="redis"),
    )
    by_name, _, first, second = targets(bridge(endpoints=two))
    assert "198.51.100.21" in first.consent_hosts
    assert "198.51.100.21" not in second.consent_hosts
    assert "198.51.100.21" not in by_name.consent_hosts


def test_the_origin_annotation_gives_no_consent() -> None:
    made = bridge(origin="redis.corp.example")
    assert all("redis.corp.example" not in t.consent_hosts for t in targets(made))
    assert all("redis.corp.example" in t.tls_names for t in targets(made))


def test_the_origin_is_asked_for_beside_the_name_where_addresses_came_from_it() -> None:
    origin = "redis.corp.example"
    assert [t.origin for t in targets(bridge(origin=origin))] == [origin, "", ""]
    assert [t.origin for t in targets(bridge(origin="198.51.100.21"))] == ["", "", ""]
    assert [t.origin for t in targets(bridge(origin=origin), "local")] == [""]
    external = bridge(kind=Kind.EXTERNAL_NAME, external_name=origin, endpoints=(), cluster_ips=())
    assert [t.origin for t in targets(external)] == [""]


def test_a_name_that_becomes_addresses_maps_its_port_and_an_alias_does_not() -> None:
    mapped = replace(PORT, target_port="26379")
    for origin, number in (("redis.corp.example", 26379), ("", 6379)):
        made = bridge(
            kind=Kind.EXTERNAL_NAME, external_name="redis.corp.example", origin=origin,
            endpoints=(), ports=(mapped,),
        )  # fmt: skip
        assert [t.port for t in targets(made, "local")] == [number]


def test_names_are_asked_for_once_and_nothing_is_connected_to() -> None:
    made = plan.of_names(["a.example", "b.example", "a.example"], run_id="r", namespace="dev",
                         module="tcp")  # fmt: skip
    assert [(t.host, t.ask_only) for t in made.targets] == [
        ("a.example", True),
        ("b.example", True),
    ]
    assert made.modules == ("tcp",)


def test_udp_ports_are_not_probed() -> None:
    udp = Port(name="dns", port=53, protocol="tcp", protocol_source="x", transport="UDP")
    (name,) = targets(bridge(ports=(udp,), credentials=CredentialRef(secret="s")))
    assert (name.address, name.route, name.ask_only) == ("redis-svc", Route.NAME, True)
    assert name.credentials is None
    assert targets(bridge(ports=(udp,)), "local") == ()


def test_of_a_service_without_ports_the_name_is_asked_for() -> None:
    made = bridge(kind=Kind.EXTERNAL_NAME, ports=(), external_name="db.example.com", endpoints=())
    for vantage, address in (("pod", "redis-svc"), ("local", "db.example.com")):
        (name,) = targets(made, vantage)
        assert (name.address, name.ask_only, name.expand) == (address, True, False)


def test_beside_a_tcp_port_a_udp_port_adds_nothing() -> None:
    udp = Port(name="dns", port=53, protocol="tcp", protocol_source="x", transport="UDP")
    assert targets(bridge(ports=(PORT, udp))) == targets(bridge())


def test_what_no_connection_is_sent_to_is_greeted_last_and_no_more() -> None:
    ends = tuple(
        Endpoint(address=f"198.51.100.{n}", port=26379, port_name="redis", ready=n == 22)
        for n in (21, 22)
    )
    login = CredentialRef(secret="redis-auth")
    made = bridge(endpoints=ends, credentials=login, expect={"role": "master"})
    direct = [t for t in targets(made) if t.route is Route.ENDPOINT]
    assert [(t.host, t.greet_only) for t in direct] == [
        ("198.51.100.22", False), ("198.51.100.21", True),
    ]  # fmt: skip
    assert [(t.credentials, dict(t.expect)) for t in direct] == [
        (login, {"role": "master"}), (None, {}),
    ]  # fmt: skip


def test_a_check_that_writes_does_so_where_connections_go() -> None:
    ends = tuple(
        Endpoint(address=f"198.51.100.{n}", port=26379, port_name="redis", ready=False)
        for n in (21, 22)
    )
    made = plan.make(
        [bridge(endpoints=ends)], run_id="r", namespace="dev", modules={"redis": "redis"},
        vantage="local", acting=plan.Acting(),
    )  # fmt: skip
    assert not any(t.active for t in made.targets)


def test_a_name_that_leads_nowhere_by_its_objects_is_planned_so() -> None:
    (end,) = bridge().endpoints
    explained = [
        bridge(endpoints=()),
        bridge(endpoints=(replace(end, port_name="tcp"),)),
        bridge(endpoints=(replace(end, ready=False),)),
        bridge(internal_traffic="Local"),
        bridge(virtual=(end.address,)),
    ]
    assert all(targets(made)[0].nowhere for made in explained)
    leaving = replace(end, ready=False, terminating=True)
    mirrored_soon = replace(end, source="Endpoints/redis-svc")
    for made in (bridge(), bridge(endpoints=(leaving,)), bridge(endpoints=(mirrored_soon,))):
        assert not targets(made)[0].nowhere
