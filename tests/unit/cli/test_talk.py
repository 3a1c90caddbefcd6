"""Options, environment, file of defaults: who wins, and what is told when a value is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app
from tests.support.api_server import ApiServer, Reply, Request, kubeconfig, write


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without a file of defaults."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def cluster(server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ApiServer:
    """A cluster with one bridge, in two contexts."""

    def answers(request: Request) -> Reply:
        path = request.path.partition("?")[0]
        if path == "/version":
            return Reply(200, {"gitVersion": "v1.35.4"}, (("Warning", '299 - "old words"'),))
        if not path.endswith("/services"):
            return Reply(200, {"items": []})
        port = {"port": 6379, "name": "redis"}
        meta = {"name": "redis-svc", "namespace": "dev"}
        return Reply(200, {"items": [{"metadata": meta, "spec": {"ports": [port]}}]})

    server.answers = answers
    made = kubeconfig(
        server.url,
        cluster={"certificate-authority-data": server.pki.data("ca.crt")},
        user={"token": "canary-token-77"},
    )
    body = made["contexts"][0]["context"]
    made["contexts"] += [{"name": "prod", "context": {**body, "namespace": "shop"}}]
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, made)))
    return server


Captured = pytest.CaptureFixture[str]


def namespaces(server: ApiServer) -> set[str]:
    """Which namespaces were looked at since the last time."""
    paths = [r.path.split("/") for r in server.requests]
    server.requests.clear()
    return {p[p.index("namespaces") + 1] for p in paths if "namespaces" in p}


def usage(argv: list[str], capsys: Captured) -> str:
    """The one sentence of a usage error."""
    assert app.run(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("k8sext: ")
    assert err.count("\n") == 1
    return err


# -- environment --------------------------------------------------------------------------------


def test_every_option_can_be_an_environment_variable() -> None:
    tree = app.build()
    for name, command in tree.commands.items():
        for param in command.params:
            if param.param_type_name == "option":
                longest = next(o for o in param.opts if o.startswith("--"))
                wanted = "K8SEXT_" + longest.strip("-").upper().replace("-", "_")
                assert param.envvar == wanted, (name, param.opts)


def test_the_environment_is_a_default(
    cluster: ApiServer, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("K8SEXT_OUTPUT", "json")
    monkeypatch.setenv("K8SEXT_NAMESPACE", "env")
    monkeypatch.setenv("K8SEXT_AS", "jane")
    monkeypatch.setenv("K8SEXT_AS_GROUP", "dev ops")
    assert app.run(["list"]) == 0
    assert json.loads(capsys.readouterr().out)["bridges"]
    assert cluster.requests[0].all("Impersonate-User") == ["jane"]
    assert cluster.requests[0].all("Impersonate-Group") == ["dev", "ops"]
    assert namespaces(cluster) == {"env"}
    assert app.run(["list", "-n", "option", "-o", "table"]) == 0
    assert namespaces(cluster) == {"option"}


@pytest.mark.parametrize(
    ("variable", "value", "command", "said"),
    [
        ("K8SEXT_TIMEOUT", "soon", "doctor", "'--timeout' (env var: 'K8SEXT_TIMEOUT'): 'soon'"),
        ("K8SEXT_TIMEOUT", "-1", "doctor", "--timeout: -1 is not a number of seconds"),
        ("K8SEXT_FAIL_ON", "never ever", "doctor", "--fail-on: 'never ever' is not one of"),
        ("K8SEXT_FROM", "moon", "doctor", "--from: 'moon' is not one of local, pod, relay"),
        ("K8SEXT_OUTPUT", "xml", "list", "--output: 'xml' is not one of table, wide, json"),
        ("K8SEXT_ALL_NAMESPACES", "perhaps", "list", "'perhaps' is not a valid boolean"),
        ("K8SEXT_NAMESPACE", "a b", "list", "--namespace: 'a b' cannot be the name of a"),
        ("K8SEXT_NAMESPACE", "../x", "rbac", "--namespace: '../x' cannot be the name of a"),
        ("K8SEXT_POD_PATCH", "/proc/self/exe", "doctor", "the pod patch cannot be read"),
        ("K8SEXT_VERBOSE", "much", "list", "'much' is not a valid int"),
        ("K8SEXT_CONFIG", "nowhere.yaml", "list", "nowhere.yaml: the file of defaults cannot be"),
    ],
)
def test_a_value_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    variable: str,
    value: str,
    command: str,
    said: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert said in usage([command], capsys)


@pytest.mark.parametrize(
    "argv",
    [["list", "--nope"], ["nope"], ["list", "x"], ["list", "-n"], ["doctor", "--timeout", "x"]],
)
def test_usage_is_one_sentence(argv: list[str], capsys: Captured) -> None:
    assert " -h\n" in usage(argv, capsys)


def test_no_word_at_all_is_answered_with_the_help(capsys: Captured) -> None:
    assert app.run([]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Usage: k8sext [OPTIONS] COMMAND")
    assert err.rstrip().splitlines()[-1].split()[0] in app.COMMANDS


def test_the_version(capsys: Captured) -> None:
    from k8sext import __version__

    assert app.run(["--version"]) == 0
    assert capsys.readouterr().out == f"k8sext {__version__}\n"


# -- the file of defaults -----------------------------------------------------------------------


def defaults(folder: Path, text: str) -> None:
    (folder / "k8sext.yaml").write_text(text)


def test_the_file_in_this_folder(cluster: ApiServer, elsewhere: Path, capsys: Captured) -> None:
    """One file serves all commands: what another command knows is no error."""
    defaults(elsewhere, "namespace: file\noutput: json\nimage: x/y\ncredentials-from: [a, b]\n")
    assert app.run(["list"]) == 0
    assert json.loads(capsys.readouterr().out)["bridges"]
    assert namespaces(cluster) == {"file"}


def test_option_before_environment_before_file(
    cluster: ApiServer, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults(elsewhere, "namespace: file\n")
    monkeypatch.setenv("K8SEXT_NAMESPACE", "env")
    app.run(["list"])
    assert namespaces(cluster) == {"env"}
    app.run(["list", "-n", "option"])
    assert namespaces(cluster) == {"option"}


CONTEXTS = (
    "namespace: file\ncontexts:\n  test: {namespace: of-test}\n  prod: {namespace: of-prod}\n"
)


@pytest.mark.parametrize(
    ("argv", "environment", "namespace"),
    [
        ([], {}, "of-test"),  # the kubeconfig's current context
        (["--context", "prod"], {}, "of-prod"),
        (["--context=prod", "--config", "k8sext.yaml"], {}, "of-prod"),
        (["--config", "k8sext.yaml", "--context", "prod"], {}, "of-prod"),
        ([], {"K8SEXT_CONTEXT": "prod"}, "of-prod"),
        (["-n", "x", "--context", "prod"], {}, "x"),
    ],
)
def test_defaults_of_a_context(
    cluster: ApiServer,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    environment: dict[str, str],
    namespace: str,
) -> None:
    defaults(elsewhere, CONTEXTS)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app.run(["list", *argv])
    assert namespaces(cluster) == {namespace}


def test_a_context_by_the_file_itself(cluster: ApiServer, elsewhere: Path) -> None:
    defaults(elsewhere, "context: prod\n" + CONTEXTS)
    app.run(["list", "--config", "k8sext.yaml"])
    assert namespaces(cluster) == {"of-prod"}
    defaults(elsewhere, "context: prod\n")
    app.run(["list", "--config", "k8sext.yaml"])
    assert namespaces(cluster) == {"shop"}  # the namespace of the kubeconfig's context


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("imag: x\n", "k8sext.yaml: unknown option: imag; did you mean `image`?"),
        ("trust_annotations: true\n", "did you mean `trust-annotations`?"),
        ("contexts: {prod: {imag: x}}\n", "unknown option: contexts.prod.imag"),
        ("context: {prod: {image: x}}\n", "context takes one value, not a mapping"),
        ("contexts: [prod]\n", "contexts is not a mapping of contexts"),
        ("contexts: {prod: [x]}\n", "contexts.prod is not a mapping of options"),
        ("zzzzzz: 1\n", "unknown option: zzzzzz; k8sext COMMAND -h lists them"),
        ("config: other.yaml\n", "unknown option: config"),
        ("[1]\n", "the file of defaults is not a mapping"),
        ("image: [a, b]\n", "image takes one value, not a list"),
        ("namespace:\n", "namespace has no value"),
        ("timeout: soon\n", "'soon' is not a valid float"),
        ("output: xml\n", "'xml' is not one of json"),
        ("a: [\n", "k8sext.yaml:2:1: the file of defaults cannot be read: "),
        ("a: \x00\n", "the file of defaults cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant(
    elsewhere: Path, capsys: Captured, text: str, said: str
) -> None:
    defaults(elsewhere, text)
    assert said in usage(["doctor", "--config", "k8sext.yaml"], capsys)


def test_a_file_that_is_no_text(elsewhere: Path, capsys: Captured) -> None:
    (elsewhere / "k8sext.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in usage(["list"], capsys)
    assert "Is a directory" in usage(["list", "--config", "."], capsys)


def test_an_empty_file_is_no_default(cluster: ApiServer, elsewhere: Path) -> None:
    defaults(elsewhere, "# nothing yet\n")
    assert app.run(["list"]) == 0


# -- -q, -v, --debug ----------------------------------------------------------------------------


def test_quiet_says_nothing(cluster: ApiServer, capsys: Captured) -> None:
    assert app.run(["list", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_usually_only_data(cluster: ApiServer, capsys: Captured) -> None:
    assert app.run(["list"]) == 0
    out, err = capsys.readouterr()
    assert "redis-svc" in out
    assert err == ""


def test_verbose_tells_which_cluster_and_what_it_warns_of(
    cluster: ApiServer, capsys: Captured
) -> None:
    assert app.run(["list", "-v"]) == 0
    out, err = capsys.readouterr()
    assert "redis-svc" in out
    assert f"k8sext: context test, API server {cluster.url}\n" in err
    assert "k8sext: the API server warns: old words\n" in err
    assert "GET" not in err


def test_debug_tells_each_request_and_no_login(cluster: ApiServer, capsys: Captured) -> None:
    assert app.run(["list", "--debug"]) == 0
    err = capsys.readouterr().err
    asked = [line for line in err.splitlines() if line.startswith("k8sext: GET /")]
    assert len(asked) == len(cluster.requests)
    assert all(" -> 200 in " in line for line in asked)
    assert "canary-token" not in err


def broken(*_: Any, **_more: Any) -> Any:
    raise ZeroDivisionError("of ours")


def test_a_defect_of_ours(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("k8sext.kube.access.role_yaml", broken)
    assert app.run(["rbac"]) == 3
    said = capsys.readouterr().err
    begin = "k8sext: internal error, please report it: ZeroDivisionError in "
    assert re.fullmatch(re.escape(begin) + r"\S+:\d+ \(see --debug\)\n", said)
    with pytest.raises(ZeroDivisionError):
        app.run(["rbac", "--debug"])
