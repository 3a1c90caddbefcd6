"""`k8sext provision` as it is called, against a stand-in that remembers objects."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8sext.cli import app
from tests.support.api_server import ApiServer, Reply, kubeconfig, write
from tests.support.object_store import INGRESSES, SERVICES, SLICES, ObjectStore

Captured = pytest.CaptureFixture[str]
SERVICE = f"{SERVICES}/redis-svc"
SLICE = f"{SLICES}/redis-svc-k8sext-ipv4"
REDIS = ["provision", "redis-svc", "--to", "198.51.100.21:26379", "--protocol", "redis"]
FORBIDDEN = 'services "redis-svc" is forbidden: User "u" cannot patch resource "services"'


@pytest.fixture
def store(server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ObjectStore:
    """An empty namespace `dev`, which is the context's own."""
    kept = ObjectStore()
    server.answers = kept
    cluster = {"certificate-authority-data": server.pki.data("ca.crt")}
    made = kubeconfig(server.url, cluster=cluster, context={"namespace": "dev"})
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, made)))
    monkeypatch.chdir(tmp_path)
    return kept


def existing(store: ObjectStore, **spec: Any) -> dict[str, Any]:
    """A Service that somebody else made."""
    meta = {"name": "redis-svc", "namespace": "dev",
            "labels": {"app.kubernetes.io/managed-by": "Helm"}}  # fmt: skip
    store.kept[SERVICE] = {
        "kind": "Service",
        "metadata": meta,
        "spec": {"type": "ClusterIP", "ports": [], **spec},
    }
    return store.kept[SERVICE]


def foreign_slice(store: ObjectStore, address: str, by: str = "", port: int = 26379) -> None:
    labels = {"kubernetes.io/service-name": "redis-svc"}
    if by:
        labels["endpointslice.kubernetes.io/managed-by"] = by
    store.kept[f"{SLICES}/theirs"] = {
        "metadata": {"name": "theirs", "namespace": "dev", "labels": labels},
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "redis", "port": port}],
    }


def refused(argv: list[str], capsys: Captured, code: int = 2) -> str:
    assert app.run(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("k8sext: ")
    assert err.count("\n") == 1
    return err


KIBANA = ["provision", "kibana-svc", "--to", "198.51.100.31:5601", "--protocol", "http"]


def test_an_ingress_beside_the_bridge(store: ObjectStore, capsys: Captured) -> None:
    front = ["--ingress", "kibana.example.com/ui", "--ingress-class", "c", "--ingress-tls", "s"]
    assert app.run([*KIBANA, *front]) == 0
    out = capsys.readouterr().out
    assert " + Ingress/dev/kibana-svc" in out
    assert "kibana.example.com/ui → kibana-svc:http, class c, TLS by Secret s" in out
    assert [line.rpartition("/")[2] for line in store.written] == [
        "kibana-svc", "kibana-svc-k8sext-ipv4", "kibana-svc",
    ]  # fmt: skip
    assert app.run([*KIBANA, *front, "--diff"]) == 0
    assert app.run([*KIBANA, "--diff"]) == 1
    assert app.run(KIBANA) == 0
    assert f"DELETE {INGRESSES}/kibana-svc" in store.written


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--ingress", "192.0.2.1"], "--ingress: '192.0.2.1' does not match"),
        (["--ingress", "a.example.com/b c"], "--ingress: '/b c' does not match"),
        (["--ingress", "a.example.com", "--ingress-class", "A"], "--ingress-class: 'A' does not"),
        (["--ingress", "a.example.com", "--ingress-tls", "a/b"], "--ingress-tls: 'a/b' does not"),
        (["--ingress-class", "c"], "belong to --ingress HOST"),
        (["--ingress", "a.example.com", "--protocol", "redis"], "an Ingress carries HTTP only"),
    ],
)
def test_an_ingress_that_cannot_be(
    store: ObjectStore, capsys: Captured, more: list[str], said: str
) -> None:
    assert said in refused([*KIBANA, *more], capsys)
    assert store.written == []


def test_a_file_says_itself_which_ingress(capsys: Captured, tmp_path: Path) -> None:
    argv = ["provision", "-f", str(tmp_path), "--ingress", "a.example.com", "--dry-run=client"]
    assert "`ingress: {host: …}`" in refused(argv, capsys)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--to", "198.51.100.21"),
        ("--port", "6379"),
        ("--protocol", "redis"),
        ("--credentials", "redis-auth"),
        ("--origin", "redis.example.com"),
        ("--resolve", ""),
    ],
)
def test_what_a_file_says_is_not_said_beside_it(
    capsys: Captured, tmp_path: Path, option: str, value: str
) -> None:
    given = [option, value] if value else [option]
    argv = ["provision", "-f", str(tmp_path), *given, "--dry-run=client"]
    assert f"{option}: -f says it for each bridge" in refused(argv, capsys)


def test_where_the_addresses_come_from_is_written_down(store: ObjectStore) -> None:
    assert app.run([*REDIS, "--origin", "redis.corp.example"]) == 0
    notes = store.kept[SERVICE]["metadata"]["annotations"]
    assert notes["k8sext.io/origin"] == "redis.corp.example"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--resolve"], "bridge redis-svc: resolve, and the address 198.51.100.21 as well"),
        (["--resolve", "--dry-run=client"], "resolve, and the address"),
    ],
)
def test_only_a_host_name_is_looked_up(
    store: ObjectStore, capsys: Captured, more: list[str], said: str
) -> None:
    assert said in refused([*REDIS, *more], capsys)
    assert store.written == []


def test_a_name_is_not_looked_up_where_nothing_is_asked(
    store: ObjectStore, capsys: Captured
) -> None:
    argv = ["provision", "redis-svc", "--to", "redis.corp.example:6379", "--resolve"]
    said = refused([*argv, "--dry-run=client"], capsys)
    assert "resolve asks the cluster's DNS, --dry-run=client asks nothing" in said
    assert "resolve, and origin as well" in refused([*argv, "--origin", "x.example"], capsys)
    assert store.written == []


@pytest.mark.parametrize("origin", ["198.51.100.21", "two words", "a_b.example", "-.example"])
def test_an_origin_is_a_host_name(store: ObjectStore, capsys: Captured, origin: str) -> None:
    said = refused([*REDIS, "--origin", origin], capsys)
    assert f"origin {origin!r} is no host name" in said
    assert store.written == []


# -- what is written, and what is not -----------------------------------------------------------


def test_made_and_made_again(store: ObjectStore, capsys: Captured) -> None:
    assert app.run(REDIS) == 0
    out = capsys.readouterr().out
    assert " + Service/dev/redis-svc" in out
    assert "2 created · next: k8sext doctor -n dev redis-svc" in out
    assert store.written == [f"PATCH {SERVICE}", f"PATCH {SLICE}"]
    assert app.run(REDIS) == 0
    assert "2 unchanged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("198.51.100.21:6379", "k8sext.service: redis-svc"),
        ("redis.corp.example:6379", "host: redis.corp.example"),
    ],
)
def test_what_the_secret_has_to_say_is_told(
    store: ObjectStore, capsys: Captured, to: str, says: str
) -> None:
    argv = ["provision", "redis-svc", "--to", to, "--protocol", "redis", "--credentials", "auth"]
    assert app.run(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    wanted = f"login: Secret auth in namespace dev has to say {says} (k8sext explain KX612)"
    assert wanted in lines
    assert app.run(argv) == 0
    assert "login:" not in capsys.readouterr().out


def test_what_to_type_next_stands_by_itself_for_each_namespace(
    store: ObjectStore, capsys: Captured, tmp_path: Path
) -> None:
    bridge = "{name: %s, namespace: %s, to: [198.51.100.21], ports: [{port: 6379}]}"
    listed = [("redis-svc", "dev"), ("cache-svc", "test"), ("queue-svc", "dev")]
    file = tmp_path / "bridges.yaml"
    head = "apiVersion: k8sext.io/v1\nkind: Bridges\nbridges:\n"
    file.write_text(head + "".join(f"- {bridge % pair}\n" for pair in listed))
    assert app.run(["provision", "-f", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "6 created",
        "next: k8sext doctor -n dev redis-svc queue-svc",
        "next: k8sext doctor -n test cache-svc",
    ]


def test_a_command_that_does_not_fit_beside_the_counts_has_its_own_line(
    store: ObjectStore, capsys: Captured
) -> None:
    long = f"{'a' * 50}-svc"
    assert app.run(["provision", long, "--to", "198.51.100.21:6379", "--protocol", "redis"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "2 created",
        f"next: k8sext doctor -n dev {long}",
    ]


def test_a_changed_address_and_a_family_that_goes(store: ObjectStore, capsys: Captured) -> None:
    app.run(REDIS)
    capsys.readouterr()
    assert app.run(["provision", "redis-svc", "--to", "[2001:db8::1]:26379"]) == 0
    out = capsys.readouterr().out
    assert " - redis-svc-k8sext-ipv4" in out
    assert set(store.kept) == {SERVICE, SLICE.replace("ipv4", "ipv6")}


def test_dry_run_on_the_client_needs_no_cluster(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app.run([*REDIS, "--dry-run=client", "-n", "dev"]) == 0
    service, piece = yaml.safe_load_all(capsys.readouterr().out)
    assert (service["kind"], piece["kind"]) == ("Service", "EndpointSlice")
    assert service["metadata"]["namespace"] == "dev"
    assert app.run([*REDIS, "--dry-run=client"]) == 0
    assert "namespace: default" in capsys.readouterr().out


def test_dry_run_on_the_client_takes_the_contexts_namespace_and_asks_nothing(
    store: ObjectStore, server: ApiServer, capsys: Captured
) -> None:
    assert app.run([*REDIS, "--dry-run=client", "-o", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["kind"] == "List"
    assert {i["metadata"]["namespace"] for i in data["items"]} == {"dev"}
    assert server.requests == []
    assert "no context 'x'" in refused(
        [*REDIS, "--dry-run=client", "--context", "x"], capsys, code=3
    )


def test_dry_run_on_the_server_writes_nothing(
    store: ObjectStore, server: ApiServer, capsys: Captured
) -> None:
    assert app.run([*REDIS, "--dry-run=server"]) == 0
    assert "2 created (nothing was written)" in capsys.readouterr().out
    assert store.written == []
    patches = [r for r in server.requests if r.method == "PATCH"]
    assert len(patches) == 2
    assert all("dryRun=All" in r.path for r in patches)


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_the_objects_are_what_is_applied(store: ObjectStore, capsys: Captured, output: str) -> None:
    assert app.run([*REDIS, "-o", output]) == 0
    text = capsys.readouterr().out
    items = json.loads(text)["items"] if output == "json" else list(yaml.safe_load_all(text))
    assert [i["kind"] for i in items] == ["Service", "EndpointSlice"]
    assert store.kept[SERVICE]["spec"] == items[0]["spec"]


def test_diff(store: ObjectStore, capsys: Captured) -> None:
    assert app.run([*REDIS, "--diff"]) == 1
    assert store.written == []
    app.run(REDIS)
    capsys.readouterr()
    assert app.run([*REDIS, "--diff"]) == 0
    assert "2 unchanged (nothing was written)" in capsys.readouterr().out
    moved = [*REDIS[:3], "198.51.100.22:26379", *REDIS[4:], "--diff"]
    assert app.run(moved) == 1
    assert "endpoints[0].addresses[0] 198.51.100.21 → 198.51.100.22" in capsys.readouterr().out
    assert len(store.written) == 2


def test_quiet(store: ObjectStore, capsys: Captured) -> None:
    assert app.run([*REDIS, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file(store: ObjectStore, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "b.yaml"
    bridges = [
        {"name": "redis-svc", "protocol": "redis", "to": ["198.51.100.21"],
         "ports": [{"port": 6379, "targetPort": 26379}]},
        {"name": "db", "protocol": "postgresql", "to": ["db.example.com"]},
    ]  # fmt: skip
    document = {"apiVersion": "k8sext.io/v1", "kind": "Bridges", "bridges": bridges}
    file.write_text(yaml.safe_dump(document))
    assert app.run(["provision", "-f", str(file)]) == 0
    assert "3 created" in capsys.readouterr().out
    assert store.kept[f"{SERVICES}/db"]["spec"]["externalName"] == "db.example.com"


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--to", "127.0.0.1:6379"], "127.0.0.1 is loopback"),
        (["--to", "[::1]:6379"], "::1 is loopback"),
        (["--to", "169.254.169.254:80"], "link-local"),
        (["--to", "198.51.100.300:6379"], "neither an address nor a host name"),
        (["--to", "198.51.100.1", "--to", "db.example.com"], "a host name among addresses"),
        (["--to", "198.51.100.1:1", "--to", "198.51.100.2:2"], "--to names different ports"),
        (["--to", "db.example.com:5432", "--port", "15432"], "cannot lead to 5432"),
        (["--to", "198.51.100.1:99999"], "a port is 1 to 65535"),
        (["--to", "http://x/y"], "is not HOST[:PORT]"),
        (["--to", ""], "is not HOST[:PORT]"),
        ([], "--to is missing"),
        (["--to", "198.51.100.1", "-f", "x.yaml"], "give either NAME with --to, or -f FILE"),
        (["--to", "198.51.100.1", "--protocol", "rediss"], "'rediss' is not known"),
        (["--to", "198.51.100.1", "--dry-run=maybe"], "'maybe' is not one of client, server"),
        (["--to", "198.51.100.1", "-o", "xml"], "'xml' is not one of text, yaml, json"),
        (["--to", "198.51.100.1", "--diff", "--dry-run=client"], "--diff compares with"),
        (["--to", "198.51.100.1", "--verify", "--dry-run=server"], "--dry-run=server writes"),
        (["--to", "198.51.100.1", "--verify", "--diff"], "--diff writes nothing"),
        (["--to", "198.51.100.1", "--verify", "-o", "yaml"], "--verify prints a table"),
    ],
)
def test_refused_before_anything_is_asked_of_the_cluster(
    store: ObjectStore, capsys: Captured, argv: list[str], said: str
) -> None:
    assert said in refused(["provision", "redis-svc", *argv], capsys)
    assert store.written == []


def test_a_service_with_a_selector(store: ObjectStore, capsys: Captured) -> None:
    existing(store, selector={"app": "redis"})
    for more in ([], ["--adopt"]):
        assert "has a selector: it leads to pods" in refused([*REDIS, *more], capsys)
    assert store.written == []


def test_what_others_manage_needs_adopt(store: ObjectStore, capsys: Captured) -> None:
    existing(store)
    said = refused(REDIS, capsys)
    assert "Service/dev/redis-svc exists and is managed by Helm" in said
    assert "--adopt" in said
    assert store.written == []
    assert app.run([*REDIS, "--adopt"]) == 0
    assert store.written == [f"PATCH {SERVICE}", f"PATCH {SLICE}"]


def test_a_cluster_ip(store: ObjectStore, capsys: Captured) -> None:
    store.kept["/api/v1/namespaces/shop/services/web"] = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIPs": ["198.51.100.21"]},
    }
    assert "198.51.100.21 is the cluster IP of a Service here" in refused(REDIS, capsys)
    store.refusals["GET", "/api/v1/services"] = Reply(403, {"message": "no"})
    assert app.run([*REDIS, "-q"]) == 0  # what may not be seen cannot be refused


@pytest.mark.parametrize(
    ("address", "by", "fix"),
    [
        ("198.51.100.99", "", "delete EndpointSlice/theirs first"),
        ("198.51.100.99", "endpointslicemirroring-controller.k8s.io", "delete Endpoints/redis-svc"),
    ],
)
def test_slices_of_others_would_stay_beside_ours(
    store: ObjectStore, capsys: Captured, address: str, by: str, fix: str
) -> None:
    """A Service that is taken over would go on leading to the old address now and then."""
    existing(store)
    foreign_slice(store, address, by)
    said = refused([*REDIS, "--adopt"], capsys)
    assert "theirs is not ours and leads Service redis-svc to 198.51.100.99:26379" in said
    assert fix in said
    assert store.written == []


def test_slices_of_others_that_lead_to_the_same_place_may_stay(store: ObjectStore) -> None:
    existing(store)
    foreign_slice(store, "198.51.100.21")
    assert app.run([*REDIS, "--adopt"]) == 0


def test_orphaned_slices_wait_for_a_service_of_their_name(
    store: ObjectStore, capsys: Captured
) -> None:
    foreign_slice(store, "198.51.100.21", port=1)
    assert "198.51.100.21:1" in refused(REDIS, capsys)


def test_an_alias_has_no_slices_to_worry_about(store: ObjectStore) -> None:
    existing(store)
    foreign_slice(store, "198.51.100.99")
    argv = ["provision", "redis-svc", "--to", "redis.example.com", "--protocol", "redis", "--adopt"]
    assert app.run(argv) == 0


# -- nothing half-applied -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "message", "code", "said"),
    [
        ("DRY", SLICE, 422, "endpoints[0] is wrong", 2, "endpoints[0] is wrong"),
        ("DRY", SERVICE, 409, "conflict with helm", 1, "--force-conflicts"),
        ("DRY", SERVICE, 403, FORBIDDEN, 3, "k8sext rbac --for provision"),
        ("GET", SLICES, 403, FORBIDDEN, 3, "k8sext rbac --for provision"),
        ("DRY", SLICE, 503, "etcd is away", 3, "etcd is away"),
    ],
)
def test_one_refusal_keeps_everything_from_being_written(
    store: ObjectStore,
    capsys: Captured,
    method: str,
    path: str,
    status: int,
    message: str,
    code: int,
    said: str,
) -> None:
    store.refusals[method, path] = Reply(status, {"message": message})
    assert said in refused(REDIS, capsys, code)
    assert store.written == []


def test_what_changes_between_dry_run_and_write_is_told(
    store: ObjectStore, capsys: Captured
) -> None:
    store.refusals["PATCH", SLICE] = Reply(403, {"message": "exceeded quota"})
    said = refused(REDIS, capsys, 3)
    assert "exceeded quota" in said
    assert "already written: Service/dev/redis-svc; run it again to finish" in said


def test_without_a_cluster(capsys: Captured, tmp_path: Path) -> None:
    said = refused([*REDIS, "--kubeconfig", str(tmp_path / "x")], capsys, 3)
    assert "kubeconfig not found" in said


# -- verify -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 0], 0), ([3, 1], 1), ([1, 3], 1), ([0, 3], 3), ([3, 0], 3)]
)
def test_verify_runs_doctor_on_what_was_written(
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codes: list[int],
    code: int,
) -> None:
    asked: list[Any] = []

    def verify(namespace: str, names: list[str], image: str | None, **source: Any) -> int:
        assert store.written
        asked.append((namespace, names, image, source["as_user"], source["as_groups"]))
        return codes[len(asked) - 1]

    monkeypatch.setattr("k8sext.cli.doctor_command.verify", verify)
    bridges = [
        {"name": n, "namespace": s, "to": ["198.51.100.1"], "protocol": "redis"}
        for n, s in (("a", "dev"), ("b", "shop"), ("c", "dev"))
    ]
    file = tmp_path / "b.yaml"
    file.write_text(json.dumps({"apiVersion": "k8sext.io/v1", "kind": "Bridges",
                                "bridges": bridges}))  # fmt: skip
    argv = ["provision", "-f", str(file), "--verify", "--image", "x/y", "--as", "jane"]
    assert app.run([*argv, "--as-group", "dev"]) == code
    assert asked == [
        ("dev", ["a", "c"], "x/y", "jane", ("dev",)),
        ("shop", ["b"], "x/y", "jane", ("dev",)),
    ]
