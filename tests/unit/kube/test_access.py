"""Rights: the printed Role is exactly what a job uses, and what a review says is believed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from k8sext.cli import app, rbac_command
from k8sext.doctor import rights
from k8sext.kube import access
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import ApiError, Session
from k8sext.provision import apply, desired
from k8sext.provision.spec import BridgeSpec, IngressSpec
from tests.support.api_server import ApiServer, Reply, Request, kubeconfig, write

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
Rule = tuple[str, str, tuple[str, ...]]
PROBE: set[Rule] = {
    ("batch", "jobs", ("create", "delete", "get")),
    ("", "pods", ("list", "watch")),
    ("", "pods/log", ("get",)),
    ("", "services", ("list",)),
    ("", "endpoints", ("list",)),
    ("discovery.k8s.io", "endpointslices", ("list",)),
    ("", "events", ("list", "watch")),
    ("networking.k8s.io", "networkpolicies", ("list",)),
    ("networking.k8s.io", "ingresses", ("list",)),
    ("", "namespaces", ("get",)),
}
NODES: set[Rule] = {
    ("", "nodes", ("list",)),
    ("", "services", ("list",)),
    ("networking.k8s.io", "ingressclasses", ("list",)),
}
PROVISION: set[Rule] = {
    ("", "services", ("create", "get", "list", "patch")),
    ("discovery.k8s.io", "endpointslices", ("create", "delete", "get", "list", "patch")),
    ("discovery.k8s.io", "endpointslices/restricted", ("create",)),
    ("networking.k8s.io", "ingresses", ("create", "delete", "get", "patch")),
}


def documents(purpose: str, namespace: str | None) -> list[Any]:
    return list(yaml.safe_load_all(access.role_yaml(purpose, namespace)))


def rules(document: Any) -> set[Rule]:
    listed = [
        (r["apiGroups"][0], r["resources"][0], tuple(sorted(r["verbs"]))) for r in document["rules"]
    ]
    assert len(listed) == len({r[:2] for r in listed})
    assert all(len(r["apiGroups"]) == len(r["resources"]) == 1 for r in document["rules"])
    return set(listed)


def test_the_role_for_doctor() -> None:
    role, cluster = documents("doctor", "dev")
    assert (role["kind"], role["metadata"]) == (
        "Role", {"name": "k8sext-doctor", "namespace": "dev"},
    )  # fmt: skip
    assert rules(role) == PROBE
    assert (cluster["kind"], rules(cluster)) == ("ClusterRole", NODES)


def test_the_role_for_all_namespaces() -> None:
    (role,) = documents("doctor", None)
    assert role["kind"] == "ClusterRole"
    assert rules(role) == PROBE | NODES


def test_the_role_for_provision() -> None:
    role, cluster = documents("provision", "dev")
    assert rules(role) == PROVISION
    assert rules(cluster) == {("", "services", ("list",))}


WORKLOADS: set[Rule] = {
    ("", "pods", ("list",)),
    *(("apps", kind, ("list",)) for kind in ("deployments", "statefulsets", "daemonsets")),
    *(("batch", kind, ("list",)) for kind in ("cronjobs", "jobs")),
    ("", "configmaps", ("list",)),
}


def test_only_those_who_look_at_workloads_list_configmaps() -> None:
    role, _ = documents("workloads", "dev")
    jobs = ("batch", "jobs", ("create", "delete", "get", "list"))
    merged = {("", "pods"), ("batch", "jobs")}  # of several groups, in one rule
    alone = {r for r in PROBE | WORKLOADS if r[:2] not in merged}
    assert rules(role) == alone | {jobs, ("", "pods", ("list", "watch"))}
    graph, nodes = documents("graph", "dev")
    assert rules(nodes) == {("", "nodes", ("list",))}
    discover = {("", "services", ("list",)), ("", "endpoints", ("list",)),
                ("discovery.k8s.io", "endpointslices", ("list",))}  # fmt: skip
    assert rules(graph) == WORKLOADS | discover
    assert "configmaps" not in access.role_yaml("doctor", None)


def test_no_role_reads_secrets() -> None:
    for purpose in access.PURPOSES:
        assert "secrets" not in access.role_yaml(purpose, None)
        assert "*" not in access.role_yaml(purpose, None)


def test_a_secret_that_is_named_may_be_read_and_no_other() -> None:
    role, cluster = yaml.safe_load_all(access.role_yaml("relay", "dev", secrets=["shop", "1e3"]))
    (rule,) = (r for r in role["rules"] if r["resources"] == ["secrets"])
    assert (rule["verbs"], rule["resourceNames"]) == (["get"], ["shop", "1e3"])
    assert "secrets" not in str(cluster)


@pytest.mark.parametrize(
    ("purpose", "namespace", "kinds"),
    [
        ("doctor", "dev", ["ServiceAccount", "Role", "ClusterRole", "RoleBinding",
                           "ClusterRoleBinding"]),
        ("cleanup", "dev", ["ServiceAccount", "Role", "RoleBinding"]),
        ("doctor", None, ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]),
    ],
)  # fmt: skip
def test_an_account_for_ci_comes_with_what_binds_it(
    purpose: str, namespace: str | None, kinds: list[str]
) -> None:
    made = list(yaml.safe_load_all(access.role_yaml(purpose, namespace, service_account="ci")))
    assert [d["kind"] for d in made] == kinds
    roles = {(d["kind"], d["metadata"]["name"]) for d in made if d["kind"].endswith("Role")}
    bindings = [d for d in made if d["kind"].endswith("Binding")]
    assert {(b["roleRef"]["kind"], b["roleRef"]["name"]) for b in bindings} == roles
    lives = {"kind": "ServiceAccount", "name": "ci", "namespace": namespace or "default"}
    assert all(b["subjects"] == [lives] for b in bindings)
    assert made[0]["metadata"] == {"name": "ci", "namespace": namespace or "default"}


def test_the_command_knows_every_job() -> None:
    assert tuple(access.PURPOSES) == rbac_command.JOBS


@pytest.mark.parametrize("option", ["--secret", "--service-account"])
def test_what_is_no_name_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["rbac", option, "a: b\nrules: x"]) == 2
    assert "no name of a Kubernetes object" in capsys.readouterr().err


VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}


def used(requests: list[Request]) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of what was asked inside the namespace."""
    found: set[tuple[str, str, str]] = set()
    for request in requests:
        parts = request.path.partition("?")[0].strip("/").split("/")
        group = parts[1] if parts[0] == "apis" else ""
        if "namespaces" not in parts:
            continue
        rest = parts[parts.index("namespaces") + 2 :]
        verb = VERBS[request.method]
        found.add((group, rest[0], "list" if verb == "get" and len(rest) == 1 else verb))
    return found


def test_provision_uses_no_more_than_its_role(server: ApiServer) -> None:
    """Create (a patch of what is not there needs `create`), look again, take a family away."""
    kept: dict[str, Any] = {}

    def answers(request: Request) -> Reply:
        path = request.path.partition("?")[0]
        if request.method == "PATCH":
            body = request.json()
            body["metadata"]["uid"] = "u"
            if "dryRun" not in request.path:
                kept[path] = body
            return Reply(200, body)
        if request.method == "DELETE":
            return Reply(200, kept.pop(path))
        if path.endswith("endpointslices"):
            return Reply(200, {"items": [v for k, v in kept.items() if k.startswith(path)]})
        return Reply(200, kept[path]) if path in kept else Reply(404, {"message": "none"})

    server.answers = answers
    session = Session(Access(server=server.url, ca_pem=server.pki.text("ca.crt")))
    two = ("198.51.100.1", "2001:db8::1")
    front = IngressSpec(host="web.example.com")
    spec = desired.complete(
        BridgeSpec(name="web-svc", namespace="dev", to=two, protocol="http", ingress=front)
    )
    apply.apply(session, apply.plan(session, [spec], adopt=False, force=False), force=False)
    one = desired.complete(BridgeSpec(name="web-svc", namespace="dev",
                                              to=("198.51.100.1",), protocol="http"))  # fmt: skip
    for path in apply.stale(session, [one]):
        session.delete(path)
    allowed = {(g, r, v) for g, r, verbs in PROVISION for v in verbs}
    assert used(server.requests) <= allowed
    assert ("discovery.k8s.io", "endpointslices", "delete") in used(server.requests)
    assert ("networking.k8s.io", "ingresses", "delete") in used(server.requests)


# -- reviews ------------------------------------------------------------------------------------


def reviewing(*denied: str) -> Any:
    """Answers reviews; `denied` are `VERB RESOURCE[/SUB]`."""

    def answers(request: Request) -> Reply:
        if request.path != REVIEW:
            return Reply(404, {"message": "none"})
        asked = request.json()["spec"]["resourceAttributes"]
        sub = f"/{asked['subresource']}" if asked["subresource"] else ""
        allowed = f"{asked['verb']} {asked['resource']}{sub}" not in denied
        return Reply(201, {"status": {"allowed": allowed}})

    return answers


@pytest.fixture
def session(server: ApiServer) -> Session:
    return Session(Access(server=server.url, ca_pem=server.pki.text("ca.crt")))


def test_reviews_ask_what_is_meant(server: ApiServer, session: Session) -> None:
    server.answers = reviewing("get pods/log", "create jobs")
    lacking = access.missing(session, "dev", "probe")
    assert [str(r) for r in lacking] == ["create jobs.batch", "get pods/log"]
    asked = [r.json()["spec"]["resourceAttributes"] for r in server.requests]
    assert {a["namespace"] for a in asked} == {"dev"}
    assert len(asked) == len(access.ROLES["probe"])
    log = next(a for a in asked if a["subresource"])
    assert (log["resource"], log["subresource"], log["group"]) == ("pods", "log", "")


def test_a_right_of_the_cluster_is_asked_without_a_namespace(
    server: ApiServer, session: Session
) -> None:
    server.answers = reviewing()
    assert access.missing(session, "dev", "wide") == []
    assert server.requests[0].json()["spec"]["resourceAttributes"]["namespace"] == ""


@pytest.mark.parametrize("body", [{"status": {}}, {"status": {"denied": True}}])
def test_only_allowed_is_allowed(server: ApiServer, session: Session, body: Any) -> None:
    server.replies = [Reply(201, body)]
    assert access.missing(session, "dev", "wide") == list(access.ROLES["wide"])


FORBIDDEN = Reply(403, {"reason": "Forbidden", "message": "no reviews for you"})


def test_reviews_that_are_refused(server: ApiServer, session: Session) -> None:
    server.replies = [FORBIDDEN]
    with pytest.raises(ApiError, match="no reviews for you"):
        access.missing(session, "dev", "probe")


def test_a_run_goes_on_where_reviews_are_refused(server: ApiServer, session: Session) -> None:
    from k8sext.doctor.request import Request as Run

    server.replies = [FORBIDDEN]
    notes = rights.missing(session, "dev", Run())
    assert notes == ("rights were not checked beforehand: Forbidden",)


# -- the command --------------------------------------------------------------------------------


def config(server: ApiServer, folder: Path) -> str:
    cluster = {"certificate-authority-data": server.pki.data("ca.crt")}
    return str(
        write(folder, kubeconfig(server.url, cluster=cluster, context={"namespace": "shop"}))
    )


def test_the_command_needs_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["rbac", "--for", "provision", "-n", "dev"]) == 0
    assert capsys.readouterr().out == access.role_yaml("provision", "dev")
    assert app.run(["rbac", "-A"]) == 0
    assert capsys.readouterr().out == access.role_yaml("doctor", None)


def test_an_unknown_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["rbac", "--for", "doctr"]) == 2
    assert (
        "--for: 'doctr' is not one of doctor, relay, like, workloads, list, graph,"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("denied", "code", "said"),
    [
        ((), 0, "you have all the rights that doctor needs\n"),
        (("list events", "list nodes"), 0,
         "missing (optional): list events\nmissing (optional): list nodes\n"
         "you have all the rights that doctor needs\n"),
        (("create jobs", "list events"), 1,
         "missing: create jobs.batch\nmissing (optional): list events\n"),
    ],
)  # fmt: skip
def test_check(
    server: ApiServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    denied: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    server.answers = reviewing(*denied)
    argv = ["rbac", "--check", "--kubeconfig", config(server, tmp_path)]
    assert app.run(argv) == code
    assert capsys.readouterr().out == said
    places = [r.json()["spec"]["resourceAttributes"]["namespace"] for r in server.requests]
    assert set(places) == {"shop", ""}
    assert app.run([*argv, "-q"]) == code
    assert capsys.readouterr().out == ""


def test_a_right_of_two_groups_is_told_once(
    server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = reviewing("list pods", "list deployments", "list configmaps")
    argv = ["rbac", "--check", "--for", "workloads", "--kubeconfig", config(server, tmp_path)]
    assert app.run(argv) == 1
    assert capsys.readouterr().out.splitlines() == [
        "missing: list pods",
        "missing (optional): list deployments.apps",
        "missing (optional): list configmaps",
    ]


def test_check_where_reviews_are_refused(
    server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies = [FORBIDDEN]
    assert app.run(["rbac", "--check", "--kubeconfig", config(server, tmp_path)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "no reviews for you" in err
    assert "without --check the Role is printed" in err
