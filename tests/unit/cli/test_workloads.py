"""`doctor --workloads` and `graph`, against an API server that answers as the real one does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8sext import registry
from k8sext.cli import app
from tests.support.api_server import ApiServer, Reply, Request, kubeconfig, write
from tests.support.sample_report import sample, with_workloads
from tests.support.workload_objects import configmap, container, deployment, env, owned_pod

SERVICE = {
    "metadata": {"name": "web-svc", "namespace": "dev",
                 "annotations": {"k8sext.io/protocol": "tcp"}},
    "spec": {"type": "ClusterIP", "clusterIP": "198.19.0.9",
             "ports": [{"name": "p", "port": 8081}]},
}  # fmt: skip
SLICE = {
    "metadata": {"name": "web-svc-1", "namespace": "dev",
                 "labels": {"kubernetes.io/service-name": "web-svc"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["127.0.0.1"]}],
    "ports": [{"name": "p", "port": 1}],
}  # fmt: skip
SHOP = deployment(container(*env(WEB_URL="http://web-svc:8082", PASSWORD="canary7131")))
TASK = deployment(
    container(envFrom=[{"configMapRef": {"name": "cfg"}}]), name="task", kind="CronJob"
)
OBJECTS: dict[str, list[dict[str, Any]]] = {
    "services": [SERVICE],
    "endpointslices": [SLICE],
    "deployments": [SHOP, deployment(name="other")],
    "cronjobs": [TASK],
    "configmaps": [configmap("cfg", {"HOST": "web-svc.dev", "X": "y"})],
    "pods": [owned_pod("shop-1-a", {"kind": "ReplicaSet", "name": "shop-1"}, "node1",
                       labels={"pod-template-hash": "1"})],
}  # fmt: skip


def answers(refused: str = "") -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        kind = request.path.partition("?")[0].rpartition("/")[2]
        if kind == refused:
            return Reply(403, {"reason": "Forbidden", "message": "no"})
        if kind == "version":
            return Reply(200, {"gitVersion": "v1.35.4"})
        # Items of a list do not say their kind.
        items = [{k: v for k, v in o.items() if k != "kind"} for o in OBJECTS.get(kind, [])]
        return Reply(200, {"metadata": {}, "items": items, "groups": []})

    return answer


@pytest.fixture
def config(server: ApiServer, tmp_path: Path) -> str:
    server.answers = answers()
    cluster = {"certificate-authority-data": server.pki.data("ca.crt")}
    made = kubeconfig(server.url, cluster=cluster, context={"namespace": "dev"})
    return str(write(tmp_path, made))


Capture = pytest.CaptureFixture[str]


def doctor(config: str, *more: str) -> int:
    """From this machine; the bridge leads to a port of it that nobody has."""
    return app.run(["doctor", "--from", "local", "--kubeconfig", config, *more])


def test_the_report_has_workloads_and_findings(config: str, capsys: Capture) -> None:
    assert doctor(config, "--workloads", "-o", "json") == 1
    data = json.loads(capsys.readouterr().out)
    shown = [(i["kind"], i["name"], i["nodes"]) for i in data["workloads"]["items"]]
    assert shown == [("CronJob", "task", []), ("Deployment", "shop", ["node1"])]
    assert data["workloads"]["without"] == 1
    (found,) = data["findings"]
    assert (found["code"], found["object"]) == ("KX150", "Deployment/dev/shop")
    assert "canary7131" not in json.dumps(data)


def test_nobody_who_does_not_ask_reads_them(
    config: str, server: ApiServer, capsys: Capture
) -> None:
    doctor(config, "-o", "json")
    data = json.loads(capsys.readouterr().out)
    assert "workloads" not in data
    assert data["findings"] == []
    assert not [r for r in server.requests if "configmaps" in r.path or "deployments" in r.path]


def test_what_may_not_be_read_is_told_once(config: str, server: ApiServer, capsys: Capture) -> None:
    server.answers = answers(refused="cronjobs")
    doctor(config, "--workloads", "-o", "json")
    data = json.loads(capsys.readouterr().out)
    assert data["workloads"]["notes"] == ["cronjobs were not read: Forbidden"]
    assert [v.get("notes", []) for v in data["vantages"]] == [[]]
    doctor(config, "--workloads")
    assert capsys.readouterr().out.count("cronjobs were not read") == 1


def test_only_the_chosen_bridges_have_verdicts(config: str, capsys: Capture) -> None:
    assert doctor(config, "--workloads", "-l", "a=b", "--allow-empty") in (0, 1, 3)
    assert "WORKLOAD" in capsys.readouterr().out


def test_without_a_cluster_there_are_none(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "b.yaml"
    file.write_text(
        "apiVersion: k8sext.io/v1\nkind: Bridges\nbridges:\n"
        "- {name: a, protocol: tcp, to: [127.0.0.1], ports: [{port: 1}]}\n"
    )
    assert app.run(["doctor", "--from", "local", "-f", str(file), "--workloads"]) == 2
    assert "--workloads" in capsys.readouterr().err


# -- graph -----------------------------------------------------------------------------------------


def graph(*arguments: str) -> int:
    return app.run(["graph", *arguments])


def test_the_picture_of_a_namespace(config: str, capsys: Capture) -> None:
    assert graph("--kubeconfig", config) == 0
    out, err = capsys.readouterr()
    assert '"Deployment/shop"' in out
    assert 'w2 -->|"8082"| b1' in out
    assert "canary7131" not in out
    assert err == ""
    assert graph("--kubeconfig", config, "-A", "-o", "dot") == 0
    assert capsys.readouterr().out.startswith("digraph k8sext {")


def test_nothing_is_created_for_it(config: str, server: ApiServer) -> None:
    assert graph("--kubeconfig", config) == 0
    assert {r.method for r in server.requests} == {"GET"}
    assert not [r for r in server.requests if "secrets" in r.path]


def test_what_it_may_not_read_is_said(config: str, server: ApiServer, capsys: Capture) -> None:
    server.answers = answers(refused="configmaps")
    assert graph("--kubeconfig", config) == 0
    out, err = capsys.readouterr()
    assert "configmaps were not read: Forbidden" in err
    assert "CronJob/task" not in out


def test_no_bridge(config: str, server: ApiServer, capsys: Capture) -> None:
    server.answers = lambda r: Reply(200, {"metadata": {}, "items": []})
    assert graph("--kubeconfig", config) == 5
    out, err = capsys.readouterr()
    assert out == "flowchart LR\n"
    assert "no bridge in namespace dev" in err


def test_an_unknown_format(capsys: Capture) -> None:
    assert graph("-o", "svg") == 2
    assert "'svg' is not one of mermaid, dot" in capsys.readouterr().err


def saved(path: Path, report: Any) -> str:
    path.write_text(registry.report("json").render(report, registry.report_options()))
    return str(path)


def test_a_saved_run_with_workloads_needs_no_cluster(tmp_path: Path, capsys: Capture) -> None:
    file = saved(tmp_path / "run.json", with_workloads())
    assert graph("--from-report", file) == 0
    out = capsys.readouterr().out
    assert '"StatefulSet/wrong-port"' in out
    assert "classDef fail" in out
    assert 'passes search-svc by"' in out


def test_another_saved_run_gives_colours_to_the_live_picture(
    config: str, tmp_path: Path, capsys: Capture
) -> None:
    assert doctor(config, "--output-file", f"json={tmp_path / 'run.json'}") == 1
    capsys.readouterr()
    assert graph("--from-report", str(tmp_path / "run.json"), "--kubeconfig", config) == 0
    out = capsys.readouterr().out
    assert "class b1 " in out
    assert "class w1 " not in out
    other = saved(tmp_path / "other.json", sample())
    assert graph("--from-report", other, "--kubeconfig", config) == 0
    assert "class" not in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_file_that_is_no_report(text: str, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    assert graph("--from-report", str(file)) == 2
    assert str(file) in capsys.readouterr().err
