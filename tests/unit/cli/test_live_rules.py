"""Lint rules in every doctor run, against an API server that answers as the real one does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app
from tests.support.api_server import ApiServer, Reply, Request, kubeconfig, write

Capture = pytest.CaptureFixture[str]
Object = dict[str, Any]


def service(name: str, **more: Any) -> Object:
    note = {"k8sext.io/protocol": "tcp"}
    base = {"clusterIP": "198.19.0.9", "ipFamilies": ["IPv4"], "ports": [{"name": "p", "port": 1}]}
    return {
        "metadata": {"name": name, "namespace": "dev", "annotations": note},
        "spec": {**base, **more},
    }


def piece(of: str, *addresses: str) -> Object:
    link = {"kubernetes.io/service-name": of}
    return {
        "metadata": {"name": f"{of}-1", "namespace": "dev", "labels": link},
        "addressType": "IPv4",
        "endpoints": [{"addresses": list(addresses)}],
        "ports": [{"name": "p", "port": 1}],
    }


CLAIM = {
    "metadata": {"name": "old", "namespace": "prod"},
    "spec": {"ports": [{"port": 1}], "externalIPs": ["127.0.0.1"]},
}
HERE: dict[str, list[Object]] = {
    "services": [service("one-svc"), service("two-svc")],
    "endpointslices": [piece("one-svc", "127.0.0.1"), piece("two-svc", "127.0.0.1", "127.0.0.2")],
}


def answers(*, refused: bool = False) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        path = request.path.partition("?")[0]
        kind = path.rpartition("/")[2]
        if kind == "version":
            return Reply(200, {"gitVersion": "v1.35.4"})
        if path == "/api/v1/services":
            if refused:
                return Reply(403, {"reason": "Forbidden", "message": "no"})
            return Reply(200, {"items": [*HERE["services"], CLAIM]})
        return Reply(200, {"metadata": {}, "items": HERE.get(kind, []), "groups": []})

    return answer


@pytest.fixture
def config(server: ApiServer, tmp_path: Path) -> str:
    server.answers = answers()
    cluster = {"certificate-authority-data": server.pki.data("ca.crt")}
    made = kubeconfig(server.url, cluster=cluster, context={"namespace": "dev"})
    return str(write(tmp_path, made))


def report(config: str, capsys: Capture, *more: str) -> Any:
    """Nobody listens on port 1 of this machine."""
    argv = ["doctor", "--from", "local", "--kubeconfig", config, "-o", "json", *more]
    assert app.run(argv) == 1
    return json.loads(capsys.readouterr().out)


def codes(data: Any) -> dict[str, list[str]]:
    return {b["service"]: [d["code"] for d in b["diagnoses"]] for b in data["bridges"]}


def test_a_claim_of_another_namespace_is_the_cause(config: str, capsys: Capture) -> None:
    data = report(config, capsys)
    assert codes(data) == {"one-svc": ["KX111"], "two-svc": ["KX111", "KX110"]}
    assert {f["code"] for f in data["findings"]} == {"KX110", "KX111"}
    assert "notes" not in data["vantages"][0]


def test_without_the_right_to_see_it_the_rest_is_judged_and_the_skip_is_named(
    server: ApiServer, config: str, capsys: Capture
) -> None:
    server.answers = answers(refused=True)
    data = report(config, capsys)
    assert codes(data) == {"one-svc": ["KX301"], "two-svc": ["KX301", "KX110"]}
    assert data["vantages"][0]["notes"] == ["services of all namespaces were not read: Forbidden"]


def test_of_services_that_were_not_asked_for_nothing_is_told(config: str, capsys: Capture) -> None:
    data = report(config, capsys, "one-svc")
    assert codes(data) == {"one-svc": ["KX111"]}
    assert [f["bridge"] for f in data["findings"]] == ["dev/one-svc"]


def test_a_saved_run_is_judged_by_the_same_findings(
    config: str, capsys: Capture, tmp_path: Path
) -> None:
    data = report(config, capsys)
    file = tmp_path / "run.json"
    file.write_text(json.dumps(data))
    assert app.run(["report", str(file), "-o", "json"]) in (0, 1)
    assert codes(json.loads(capsys.readouterr().out)) == codes(data)
