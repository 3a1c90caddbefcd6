"""The Ingress beside a bridge: which port, which object, what is refused."""

from dataclasses import replace

import pytest

from k8sext.errors import K8sextError
from k8sext.provision import apply, desired, document, ingress, refuse
from k8sext.provision.desired import complete, objects
from k8sext.provision.spec import BridgeSpec, IngressSpec, PortSpec
from tests.unit.provision.test_apply import StandIn, error

FRONT = IngressSpec(host="kibana.example.com")
KIBANA = BridgeSpec(
    name="kibana-svc",
    namespace="dev",
    to=("198.51.100.31",),
    protocol="http",
    ports=(PortSpec(name="http", port=5601, target_port=5601),),
    ingress=FRONT,
)
SERVICE = "/api/v1/namespaces/dev/services/kibana-svc"
INGRESS = "/apis/networking.k8s.io/v1/namespaces/dev/ingresses/kibana-svc"
HEAD = "apiVersion: k8sext.io/v1\nkind: Bridges\nbridges:\n"


def refusal(spec: BridgeSpec) -> str:
    with pytest.raises(K8sextError) as caught:
        complete(spec)
    assert caught.value.exit_code == 2
    return str(caught.value)


def two_ports(*names: str) -> BridgeSpec:
    ports = (PortSpec(name=n, port=5000 + i, target_port=80) for i, n in enumerate(names))
    return replace(KIBANA, ports=tuple(ports))


def test_the_article_s_ingress_in_the_form_that_servers_take() -> None:
    item = objects(complete(KIBANA))[-1]
    assert (item["apiVersion"], item["kind"]) == ("networking.k8s.io/v1", "Ingress")
    assert item["metadata"] == {
        "name": "kibana-svc",
        "namespace": "dev",
        "labels": {"app.kubernetes.io/managed-by": "k8sext"},
    }
    backend = {"service": {"name": "kibana-svc", "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    assert item["spec"] == {"rules": [{"host": "kibana.example.com", "http": {"paths": [path]}}]}


def test_class_certificate_and_path() -> None:
    asked = replace(FRONT, class_name="nginx", tls_secret="kibana-tls", path="/logs")
    item = objects(complete(replace(KIBANA, ingress=asked)))[-1]
    assert item["spec"]["ingressClassName"] == "nginx"
    assert item["spec"]["tls"] == [{"hosts": ["kibana.example.com"], "secretName": "kibana-tls"}]
    assert ingress.description(item) == (
        "kibana.example.com/logs → kibana-svc:http, class nginx, TLS by Secret kibana-tls"
    )


def test_doctor_reads_back_what_was_asked_for() -> None:
    service = objects(complete(replace(KIBANA, ingress=replace(FRONT, path="/logs"))))[0]
    noted = service["metadata"]["annotations"]
    assert noted["k8sext.io/ingress"] == "kibana.example.com/logs"
    (bridge,) = desired.to_bridges([KIBANA])
    assert bridge.front_wanted == "kibana.example.com"


@pytest.mark.parametrize(
    ("spec", "port"),
    [
        (KIBANA, "http"),
        (replace(KIBANA, ports=(PortSpec(port=5601, target_port=5601),)), "http"),
        (two_ports("metrics", "web-ui"), "web-ui"),
        (replace(two_ports("a", "b"), ingress=replace(FRONT, port="b")), "b"),
        (replace(two_ports("a", "b"), ingress=replace(FRONT, port="5001")), "b"),
        (replace(KIBANA, protocol="rabbitmq", ingress=replace(FRONT, port="http")), "http"),
    ],
    ids=["named", "unnamed", "one of two", "by name", "by number", "asked for"],
)
def test_which_port(spec: BridgeSpec, port: str) -> None:
    (path,) = objects(complete(spec))[-1]["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["port"] == {"name": port}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (replace(KIBANA, ingress=replace(FRONT, port="x")), "no port x; it has http (5601)"),
        (two_ports("a", "b"), "which port shall it lead to? There are a (5000), b (5001)"),
        (two_ports("http-a", "http-b"), "which port"),
        (replace(KIBANA, protocol="redis"), "carries HTTP only, and the bridge is redis"),
    ],
)
def test_no_port_fits(spec: BridgeSpec, said: str) -> None:
    told = refusal(spec)
    assert "bridge kibana-svc: ingress: " in told
    assert said in told.replace(" (it has", "; it has").replace(" — it has", "; it has")


def test_a_refusal_names_the_place_of_the_ingress() -> None:
    text = HEAD + "- {name: r, protocol: redis, to: [192.0.2.1], ingress: {host: a.example.com}}\n"
    (spec,) = document.parse(text, "b.yaml")
    assert "b.yaml:4:56" in refusal(spec)


def test_two_bridges_cannot_have_one_host() -> None:
    other = replace(KIBANA, name="other-svc")
    apart = replace(other, ingress=replace(FRONT, path="/other"))
    refuse.one_ingress_twice([KIBANA, apart])
    with pytest.raises(
        K8sextError, match=r"kibana\.example\.com is asked for by bridge kibana-svc"
    ):
        refuse.one_ingress_twice([KIBANA, other])


@pytest.mark.parametrize("host", ["*.example.com", "a", "a-b.example.com", "1a.2.b"])
def test_hosts_that_servers_take(host: str) -> None:
    text = HEAD + f'- {{name: r, protocol: http, to: [192.0.2.1], ingress: {{host: "{host}"}}}}\n'
    (spec,) = document.parse(text, "b.yaml")
    assert spec.ingress and spec.ingress.host == host


@pytest.mark.parametrize(
    "host", ["", "*", "a.*.b", "192.0.2.1", "A.b", "a_b", "a.b:80", "a.b/c", "a..b", "-a", "a.b."]
)
def test_hosts_that_servers_refuse(host: str) -> None:
    text = HEAD + f'- {{name: r, protocol: http, to: [192.0.2.1], ingress: {{host: "{host}"}}}}\n'
    with pytest.raises(K8sextError, match=r"b\.yaml:4:\d+: bridges\[0\]\.ingress\.host is"):
        list(document.parse(text, "b.yaml"))


# -- brought to the cluster ----------------------------------------------------------------------


def made() -> StandIn:
    api = StandIn()
    spec = complete(KIBANA)
    apply.apply(api, apply.plan(api, [spec], adopt=False, force=False), force=False)
    return api


def test_it_is_written_last_and_goes_with_its_service() -> None:
    api = made()
    assert (api.written[0], api.written[-1]) == (SERVICE, INGRESS)
    (owner,) = api.kept[INGRESS]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Service", "kibana-svc")


def test_a_difference_is_told_by_field() -> None:
    spec = complete(replace(KIBANA, ingress=replace(FRONT, host="logs.example.com")))
    *_, front = apply.plan(made(), [spec], adopt=False, force=False)
    assert front.change.detail == "spec.rules[0].host kibana.example.com → logs.example.com"


def test_somebody_else_s_is_taken_over_only_with_adopt() -> None:
    api = made()
    api.kept[INGRESS]["metadata"]["labels"] = {}
    with pytest.raises(K8sextError, match=r"Ingress/dev/kibana-svc exists and is managed by"):
        apply.plan(api, [complete(KIBANA)], adopt=False, force=False)
    *_, front = apply.plan(api, [complete(KIBANA)], adopt=True, force=False)
    assert front.change.mark == "~"


def test_no_longer_asked_for_it_goes_if_it_is_ours() -> None:
    api, bare = made(), complete(replace(KIBANA, ingress=None))
    assert apply.stale(api, [complete(KIBANA)]) == []
    assert apply.stale(api, [bare]) == [INGRESS]
    api.kept[INGRESS]["metadata"]["labels"] = {}
    assert apply.stale(api, [bare]) == []


def test_who_makes_no_ingress_needs_no_right_on_them() -> None:
    api = made()
    api.refusals["GET", INGRESS] = error(403, 'User "u" cannot get resource "ingresses"')
    assert apply.stale(api, [complete(replace(KIBANA, ingress=None))]) == []
    with pytest.raises(K8sextError, match="k8sext rbac --for provision"):
        apply.plan(api, [complete(KIBANA)], adopt=False, force=False)
