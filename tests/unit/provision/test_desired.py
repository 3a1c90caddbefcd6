from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.model.bridge import CredentialRef, Kind
from k8sext.provision import desired, document, refuse
from k8sext.provision.desired import complete, objects
from k8sext.provision.spec import BridgeSpec, PortSpec

REDIS = BridgeSpec(name="redis-svc", namespace="dev", to=("198.51.100.21",), protocol="redis")
SECRET_LIKE = "hunter2 !"


def refusal(spec: BridgeSpec) -> str:
    with pytest.raises(K8sextError) as caught:
        complete(spec)
    assert caught.value.exit_code == 2
    return str(caught.value)


def ports(*pairs: tuple[int, int]) -> tuple[PortSpec, ...]:
    return tuple(PortSpec(port=a, target_port=b) for a, b in pairs)


def test_service_and_slice_are_joined_by_label_and_port_name() -> None:
    service, piece = objects(complete(replace(REDIS, ports=ports((6379, 26379)))))
    assert service["spec"]["ports"] == [
        {"name": "redis", "port": 6379, "targetPort": 26379, "protocol": "TCP"}
    ]
    assert "selector" not in service["spec"]
    assert piece["metadata"]["name"] == "redis-svc-k8sext-ipv4"
    assert piece["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "k8sext",
        "kubernetes.io/service-name": "redis-svc",
        "endpointslice.kubernetes.io/managed-by": "k8sext",
    }
    assert piece["ports"] == [{"name": "redis", "port": 26379, "protocol": "TCP"}]


def test_each_address_family_has_its_slice() -> None:
    service, *slices = objects(complete(replace(REDIS, to=("198.51.100.21", "2001:DB8:0::21"))))
    assert service["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert [(s["addressType"], s["endpoints"][0]["addresses"]) for s in slices] == [
        ("IPv4", ["198.51.100.21"]),
        ("IPv6", ["2001:db8::21"]),
    ]


def test_a_host_name_makes_an_external_name() -> None:
    (service,) = objects(complete(replace(REDIS, to=("redis.example.com.",))))
    assert service["spec"]["type"] == "ExternalName"
    assert service["spec"]["externalName"] == "redis.example.com"


def test_annotations_name_the_secret_and_nothing_of_it() -> None:
    (spec, *_) = document.load([str(Path("tests/testdata/bridges/all-keys.yaml"))])
    assert desired.written_annotations(complete(spec)) == {
        "k8sext.io/protocol": "redis",
        "k8sext.io/credentials": "redis-auth",
        "k8sext.io/credentials-keys": "password=redis-password",
        "k8sext.io/tls": "verify-full",
        "k8sext.io/tls-ca": "redis-ca#ca.crt",
        "k8sext.io/tls-server-name": "redis.example.com",
        "k8sext.io/expect": '{"role": "master", "version": ">=6"}',
        "k8sext.io/origin": "redis.example.com",
    }


def test_the_protocol_gives_the_port_and_the_name_gives_the_protocol() -> None:
    done = complete(replace(REDIS, protocol="", name="mysql-svc"))
    assert (done.protocol, done.ports) == (
        "mysql",
        (PortSpec(port=3306, target_port=3306, name="mysql"),),
    )


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (("127.0.0.1",), "loopback"),
        (("::1",), "loopback"),
        (("0.0.0.0",), "unspecified"),
        (("169.254.1.1",), "link-local"),
        (("fe80::1",), "link-local"),
        (("fe80::1%eth0",), "zone"),
        (("224.0.0.5",), "multicast"),
        (("ff02::1",), "multicast"),
        (("::ffff:127.0.0.1",), "IPv4 address in disguise; 127.0.0.1"),
        (("198.51.100.1", "db.example.com"), "a host name among addresses"),
        (("a.example.com", "b.example.com"), "two host names"),
        (("198.51.100.300",), "neither an address nor a host name"),
        (("010.1.1.1",), "neither an address nor a host name"),
        (("db_1.example.com",), "neither an address nor a host name"),
        (("db.example.com\n",), "neither an address nor a host name"),
        (("198.51.100.1", "198.51.100.1"), "written twice"),
        (("2001:db8::1", "2001:DB8:0::1"), "written twice"),
        (tuple(f"10.0.{n >> 8}.{n & 255}" for n in range(1001)), "1001 addresses; at most 1000"),
    ],
)
def test_addresses_that_cannot_work_are_refused(to: tuple[str, ...], said: str) -> None:
    assert said in refusal(replace(REDIS, to=to))


@pytest.mark.parametrize("name", ["Redis", "1redis", "a" * 64, "../../secrets/x", "a/b", "a\n", ""])
def test_names_by_flag_are_held_to_the_schema(name: str) -> None:
    """They become part of API paths."""
    assert "cannot be the name of a Service" in refusal(replace(REDIS, name=name))


@pytest.mark.parametrize("namespace", ["kube-system/../x", "A", ""])
def test_namespaces_by_flag_too(namespace: str) -> None:
    assert "cannot be the name of a namespace" in refusal(replace(REDIS, namespace=namespace))


def test_a_password_given_as_the_name_of_a_secret_is_not_repeated() -> None:
    said = refusal(replace(REDIS, secret=SECRET_LIKE))
    assert "cannot be the name of a Secret" in said
    assert SECRET_LIKE not in said


def test_ports() -> None:
    assert "a port is 1 to 65535" in refusal(replace(REDIS, ports=ports((70000, 80))))
    assert "two ports are numbered 80" in refusal(replace(REDIS, ports=ports((80, 81), (80, 82))))
    assert "no port is given" in refusal(replace(REDIS, protocol="tcp"))
    twice = tuple(replace(p, name="a") for p in ports((80, 80), (81, 81)))
    assert "two ports are named a" in refusal(replace(REDIS, ports=twice))


def test_a_host_name_cannot_change_the_port() -> None:
    spec = replace(REDIS, to=("redis.example.com",), ports=ports((6379, 26379)))
    assert "port 6379 cannot lead to 26379" in refusal(spec)


def test_unknown_protocols_name_the_known() -> None:
    assert "elasticsearch" in refusal(replace(REDIS, protocol="rediss"))


def test_a_cluster_ip_is_no_endpoint() -> None:
    with pytest.raises(K8sextError, match="cluster IP of a Service"):
        refuse.cluster_ips([complete(REDIS)], {"198.51.100.21"})
    refuse.cluster_ips([complete(REDIS)], {"198.51.100.22"})


def test_the_same_file_for_doctor() -> None:
    specs = document.load([str(Path("tests/testdata/bridges/all-keys.yaml"))])
    redis, kibana, db, held = desired.to_bridges(specs)
    assert redis.kind is Kind.SELECTORLESS
    assert kibana.front_wanted == "kibana.example.com/logs"
    assert redis.credentials == CredentialRef(
        secret="redis-auth", keys=(("password", "redis-password"),), vouched=True
    )
    assert [e.address for e in redis.endpoints] == [
        "198.51.100.21",
        "198.51.100.22",
        "2001:db8::21",
    ]
    assert (db.kind, db.external_name, db.ports[0].port) == (
        Kind.EXTERNAL_NAME,
        "db.example.com",
        5432,
    )
    assert (held.kind, held.external_name, held.origin) == (
        Kind.EXTERNAL_NAME,
        "redis.example.com",
        "redis.example.com",
    )


def test_doctor_may_look_at_this_machine_and_provision_may_not() -> None:
    here = replace(REDIS, to=("127.0.0.1",))
    assert desired.to_bridges([here])[0].endpoints[0].address == "127.0.0.1"
    with pytest.raises(K8sextError, match="loopback"):
        desired.to_bridges([here], loopback=False)
    assert "loopback" in refusal(here)


def named(name: str, port: str, number: int, **more: Any) -> BridgeSpec:
    """A bridge of a file that names no protocol."""
    ports = (PortSpec(name=port, port=number, target_port=number),)
    return replace(REDIS, name=name, protocol="", ports=ports, **more)


def test_in_a_file_without_a_protocol_a_generic_word_is_a_guess_too() -> None:
    (made,) = desired.to_bridges([named("elasticsearch", "http", 19200)])
    (port,) = made.ports
    assert (port.protocol, port.protocol_source, port.fallback) == (
        "elasticsearch", "service name", "http",
    )  # fmt: skip
    (made,) = desired.to_bridges([named("elasticsearch", "http", 19200, secret="s")])
    assert made.ports[0].fallback == ""
    (made,) = desired.to_bridges([replace(named("x", "http", 9200), protocol="elasticsearch")])
    assert (made.ports[0].protocol_source, made.ports[0].fallback) == ("file", "")


def test_a_guess_is_not_written_down_as_if_somebody_had_said_it() -> None:
    guess, sure = named("logs", "http", 9200), named("logs", "", 9200)
    assert "k8sext.io/protocol" not in desired.written_annotations(complete(guess))
    written = desired.written_annotations(complete(sure))
    assert written["k8sext.io/protocol"] == "elasticsearch"


def test_in_a_file_what_has_no_check_is_called_by_its_name() -> None:
    (made,) = desired.to_bridges([named("kafka-svc", "kafka", 19092)])
    assert (made.ports[0].protocol, made.ports[0].product) == ("tcp", "Kafka")


def test_a_bridge_that_is_led_elsewhere_stays_a_guess() -> None:
    spec = complete(replace(named("logs", "http", 9200), to=("logs.example.com",)))
    (made,) = desired.to_bridges([desired.led_to(spec, ["198.51.100.7"])])
    assert (made.ports[0].protocol, made.ports[0].fallback) == ("elasticsearch", "http")
