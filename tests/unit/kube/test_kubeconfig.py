"""Kubeconfigs read by us and by the official loader: the same server, the same login.

What is compared is what arrives: each reader's configuration makes a real request to a stand-in.
"""

import http.client
import json
import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from k8sext.errors import K8sextError
from k8sext.kube import kubeconfig as ours
from k8sext.kube.session import Session
from tests.support.api_server import (
    ApiServer,
    ConnectProxy,
    Pki,
    Request,
    credential,
    exec_user,
    kubeconfig,
    plugin,
    runs,
    write,
)

CANARY = "canary-secret-8812"
Seen = tuple[str, str, str | None, str]  # Authorization, client's name, SNI, path


def seen(request: Request) -> Seen:
    return (request.header("Authorization"), request.client, request.sni, request.path)


def official(files: str, context: str | None = None) -> Any:
    """The configuration that the official loader makes of the same files."""
    from kubernetes import client, config

    made: Any = client.Configuration()
    load = cast("Callable[..., None]", config.load_kube_config)
    load(config_file=files, context=context, client_configuration=made, persist_config=False)
    return made


def official_request(made: Any, path: str = "/version") -> None:
    """One GET as that configuration says, by the standard library alone."""
    url = urlsplit(made.host)
    tls = ssl.create_default_context(cafile=made.ssl_ca_cert or None)
    if not made.verify_ssl:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if made.cert_file:
        tls.load_cert_chain(made.cert_file, made.key_file)
    name = made.tls_server_name or url.hostname

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = tls.wrap_socket(self.sock, server_hostname=name)

    proxy = urlsplit(made.proxy) if made.proxy else None
    target = (url.hostname, url.port) if proxy is None else (proxy.hostname, proxy.port)
    connection = Connection(str(target[0]), target[1], timeout=10)
    if proxy is not None:
        connection.set_tunnel(str(url.hostname), url.port)
    token = made.api_key.get("BearerToken")
    headers = {"Authorization": token} if token else {}
    connection.request("GET", url.path + path, headers=headers)
    connection.getresponse().read()
    connection.close()


def both(server: ApiServer, *files: Path, context: str | None = None) -> Seen:
    """What arrived, which was the same by both ways."""
    server.requests.clear()
    os.environ["KUBECONFIG"] = os.pathsep.join(map(str, files))  # restored by conftest
    Session.load(None, context).get("/version")
    official_request(official(os.environ["KUBECONFIG"], context))
    mine, theirs = map(seen, server.requests)
    assert mine == theirs
    return mine


def ca(pki: Pki) -> dict[str, str]:
    return {"certificate-authority-data": pki.data("ca.crt")}


def refused(file: Path | None = None, context: str | None = None) -> str:
    with pytest.raises(K8sextError) as caught:
        Session.load(file, context).get("/version")
    assert caught.value.exit_code == 3
    assert CANARY not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


# -- the same as the official loader ------------------------------------------------------------


def users(pki: Pki) -> dict[str, Mapping[str, Any]]:
    return {
        "nobody": {},
        "token": {"token": "t-1"},
        "password": {"username": "ada", "password": "p:1"},
        "token before password": {"token": "t-1", "username": "ada", "password": "p"},
        "certificate data": {
            "client-certificate-data": pki.data("ada.crt"),
            "client-key-data": pki.data("ada.key"),
        },
        "certificate files": {
            "client-certificate": str(pki.path("ada.crt")),
            "client-key": str(pki.path("ada.key")),
        },
        "certificate and token": {
            "client-certificate": str(pki.path("ada.crt")),
            "client-key": str(pki.path("ada.key")),
            "token": "t-1",
        },
        "data before files": {
            "client-certificate": "/nowhere",
            "client-key": "/nowhere",
            "client-certificate-data": pki.data("ada.crt"),
            "client-key-data": pki.data("ada.key"),
        },
    }


EXPECTED = {
    "nobody": ("", ""),
    "token": ("Bearer t-1", ""),
    "password": ("Basic YWRhOnA6MQ==", ""),
    "token before password": ("Bearer t-1", ""),
    "certificate data": ("", "ada"),
    "certificate files": ("", "ada"),
    "certificate and token": ("Bearer t-1", "ada"),
    "data before files": ("", "ada"),
}


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_users(server: ApiServer, pki: Pki, tmp_path: Path, kind: str) -> None:
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(pki), user=users(pki)[kind]))
    login, client, sni, _ = both(server, file)
    assert (login, client) == EXPECTED[kind]
    assert sni is None  # 127.0.0.1 is no name


def test_paths_are_relative_to_the_file_that_has_them(
    server: ApiServer, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kube"
    (folder / "pki").mkdir(parents=True)
    for name in ("ca.crt", "ada.crt", "ada.key"):
        (folder / "pki" / name).write_text(pki.text(name))
    (folder / "token").write_text("t-file")
    user = {
        "client-certificate": "pki/ada.crt",
        "client-key": "pki/ada.key",
        "tokenFile": "token",
    }
    file = write(
        folder, kubeconfig(server.url, cluster={"certificate-authority": "pki/ca.crt"}, user=user)
    )
    assert both(server, file)[:2] == ("Bearer t-file", "ada")
    monkeypatch.chdir(tmp_path)
    assert both(server, Path("kube/config"))[:2] == ("Bearer t-file", "ada")


def test_clusters(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    named = {**ca(pki), "tls-server-name": "api.test"}
    assert both(server, write(tmp_path, kubeconfig(server.url, cluster=named)))[2] == "api.test"
    insecure = {"insecure-skip-tls-verify": True}
    both(server, write(tmp_path, kubeconfig(server.url, cluster=insecure)))
    path = f"{server.url}/k8s/clusters/c-1/"
    got = both(server, write(tmp_path, kubeconfig(path, cluster=ca(pki))))
    assert got[3] == "/k8s/clusters/c-1/version"


def test_a_proxy(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    with ConnectProxy().running() as proxy:
        cluster = {**ca(pki), "proxy-url": f"http://127.0.0.1:{proxy.port}"}
        both(server, write(tmp_path, kubeconfig(server.url, cluster=cluster)))
        assert [target for target, _ in proxy.asked] == [f"127.0.0.1:{server.port}"] * 2


def test_several_files(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    """The first file that names a thing has it; one may hold the context, another the user."""
    first = kubeconfig(server.url, cluster=ca(pki), user={"token": "first"})
    second = kubeconfig("https://192.0.2.1", user={"token": "second"})
    files = write(tmp_path, first, "a"), write(tmp_path, second, "b")
    assert both(server, *files)[0] == "Bearer first"
    missing = tmp_path / "missing"
    assert both(server, missing, *files)[0] == "Bearer first"
    parts = {k: v for k, v in first.items() if k != "users"}
    apart = write(tmp_path, parts, "a"), write(tmp_path, {"users": first["users"]}, "b")
    assert both(server, *apart)[0] == "Bearer first"


def test_a_context_by_name(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    one = kubeconfig(server.url, cluster=ca(pki), user={"token": "one"}, name="one", current="one")
    two = kubeconfig(server.url, cluster=ca(pki), user={"token": "two"}, name="two", current=None)
    files = write(tmp_path, one, "a"), write(tmp_path, two, "b")
    assert both(server, *files)[0] == "Bearer one"
    assert both(server, *files, context="two")[0] == "Bearer two"


# -- where kubectl and the official loader differ, we do as kubectl -----------------------------


def test_a_token_file_is_preferred_to_a_token(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    """client-go: `tokenFile` wins; the official Python loader takes `token`."""
    (tmp_path / "token").write_text("from-file\n")
    user = {"token": "from-config", "tokenFile": "token"}
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(pki), user=user))
    Session.load(file).get("/version")
    assert server.requests[0].header("Authorization") == "Bearer from-file"
    assert official(str(file)).api_key["BearerToken"] == "Bearer from-config"


def test_the_first_current_context_counts(
    server: ApiServer, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """client-go: the first file's; the official Python loader takes the last."""
    files = [
        write(tmp_path, kubeconfig(server.url, user={"token": n}, name=n, current=n), n)
        for n in ("one", "two")
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    assert ours.load(None, None).context == "one"
    assert official(os.environ["KUBECONFIG"]).api_key["BearerToken"] == "Bearer two"


def test_impersonation_of_the_kubeconfig(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    """The official loader ignores it, which would give the run rights it should not have."""
    user = {
        "token": "t", "as": "jane", "as-groups": ["dev", "ops"], "as-uid": 7,
        "as-user-extra": {"Scopes": ["a", "b"]},
    }  # fmt: skip
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(pki), user=user))
    Session.load(file).get("/version")
    Session.load(file, as_user="joe", as_groups=["x"]).get("/version")
    first, second = server.requests
    assert first.all("Impersonate-User") == ["jane"]
    assert first.all("Impersonate-Group") == ["dev", "ops"]
    assert first.all("Impersonate-Uid") == ["7"]
    assert first.all("Impersonate-Extra-scopes") == ["a", "b"]
    assert second.all("Impersonate-User") == ["joe"]
    assert second.all("Impersonate-Group") == ["x"]
    assert not [
        k for k, _ in second.headers if k.lower() in ("impersonate-uid", "impersonate-extra-scopes")
    ]


def test_the_namespace_of_the_context(server: ApiServer, tmp_path: Path) -> None:
    file = write(tmp_path, kubeconfig(server.url, context={"namespace": "shop"}))
    assert Session.load(file).namespace == "shop"
    assert Session.load(write(tmp_path, kubeconfig(server.url))).namespace == "default"


# -- exec plug-ins and auth providers -----------------------------------------------------------


def exec_config(server: ApiServer, folder: Path, script: str, **more: Any) -> Path:
    user = exec_user(plugin(folder, script), **more)
    return write(folder, kubeconfig(server.url, cluster=ca(server.pki), user=user))


def test_a_plugin_gives_a_token(server: ApiServer, tmp_path: Path) -> None:
    late = credential(token="t-1", expirationTimestamp="2999-01-01T00:00:00Z")
    file = exec_config(server, tmp_path, f"echo '{late}'")
    assert both(server, file)[:2] == ("Bearer t-1", "")
    assert runs(tmp_path) == 2


def test_a_plugin_gives_a_certificate(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    given = credential(clientCertificateData=pki.text("ada.crt"), clientKeyData=pki.text("ada.key"))
    (tmp_path / "given").write_text(given)
    file = exec_config(server, tmp_path, f"cat '{tmp_path}/given'")
    assert both(server, file)[:2] == ("", "ada")


def test_a_plugins_key_stays_in_no_file(
    server: ApiServer, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    given = credential(clientCertificateData=pki.text("ada.crt"), clientKeyData=pki.text("ada.key"))
    (tmp_path / "given").write_text(given)
    file = exec_config(server, tmp_path, f"cat '{tmp_path}/given'")
    for _ in range(2):  # the loader remembers its files; they are gone the second time
        Session.load(file).get("/version")
    assert [r.client for r in server.requests] == ["ada", "ada"]
    assert list(folder.iterdir()) == []


def test_a_plugin_has_arguments_environment_and_a_folder(server: ApiServer, tmp_path: Path) -> None:
    """A relative command is relative to the kubeconfig; its environment is added to ours."""
    plugin(tmp_path, f"echo '{credential(token='T')}' | sed \"s/T/$1-$WORD-$HOME_TOO/\"")
    user = exec_user("./login-plugin", args=["arg"], env=[{"name": "WORD", "value": "env"}])
    os.environ["HOME_TOO"] = "inherited"
    try:
        file = write(tmp_path, kubeconfig(server.url, cluster=ca(server.pki), user=user))
        assert both(server, file)[0] == "Bearer arg-env-inherited"
    finally:
        del os.environ["HOME_TOO"]


FAILURES = {
    "exit code": (f"echo {CANARY} >&2; echo {CANARY}; exit 3", "exit code 3"),
    "no JSON": (f"echo {CANARY}", "did not print JSON"),
    "no key": (f"echo '{credential(clientCertificateData=CANARY)}'", "neither a token nor"),
    "nothing": (f"echo '{credential(password=CANARY)}'", "neither a token nor"),
    "not an object": (f"echo '[\"{CANARY}\"]'", "login plug-in of the kubeconfig failed"),
    "other version": (
        f"echo '{json.dumps({'apiVersion': CANARY, 'kind': 'x', 'status': {'token': CANARY}})}'",
        "another version",
    ),
}


@pytest.mark.parametrize("kind", sorted(FAILURES))
def test_a_plugin_that_fails_is_told_and_never_quoted(
    server: ApiServer, tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The official loader logs what it printed, and goes on without any login."""
    script, said = FAILURES[kind]
    text = refused(exec_config(server, tmp_path, script))
    assert said in text
    assert "context test" in text
    out, err = capfd.readouterr()
    assert CANARY not in out + err
    assert server.requests == []


def test_a_plugin_that_is_not_there(server: ApiServer, tmp_path: Path) -> None:
    user = {**exec_user(tmp_path / "absent"), "username": "ada", "password": CANARY}
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(server.pki), user=user))
    assert "its command is not there" in refused(file)
    assert server.requests == []  # not with the password either


def jwt(**claims: Any) -> str:
    import base64

    parts: tuple[dict[str, Any], ...] = ({"alg": "none"}, claims, {})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts
    )


def test_an_auth_provider(server: ApiServer, tmp_path: Path) -> None:
    token = jwt(exp=32503680000)
    provider = {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(server.pki), user=provider))
    before = file.read_bytes()
    assert both(server, file)[0] == f"Bearer {token}"
    assert file.read_bytes() == before


# -- what cannot be used ------------------------------------------------------------------------


def broken(**changes: Any) -> dict[str, Any]:
    return {**kubeconfig("https://192.0.2.1", user={"token": CANARY}), **changes}


@pytest.mark.parametrize(
    ("config", "context", "said"),
    [
        (kubeconfig("https://192.0.2.1", current=None), None, "no current-context"),
        (kubeconfig("https://192.0.2.1", current=""), None, "no current-context"),
        (kubeconfig("https://192.0.2.1"), "prod", "no context 'prod'; contexts there: test"),
        (broken(clusters=[]), None, "names a cluster that is not there"),
        (broken(clusters=None), None, "names a cluster that is not there"),
        (kubeconfig(""), None, "names a cluster that is not there"),
        (broken(users=CANARY), None, "users is not a list"),
        (broken(users=[{"name": "test", "user": CANARY}]), None, "users is not a list"),
        (broken(contexts={"test": {}}), None, "contexts is not a list"),
        (kubeconfig("https://192.0.2.1", cluster={"certificate-authority": "/none"}), None,
         "certificate-authority cannot be read"),
        (kubeconfig("https://192.0.2.1", cluster={"certificate-authority-data": "%%"}), None,
         "certificate-authority is not PEM"),
        (kubeconfig("https://192.0.2.1", cluster={"certificate-authority-data": 7}), None,
         "certificate-authority is not PEM"),
        (kubeconfig("https://192.0.2.1", cluster={"certificate-authority-data": "aGk="}), None,
         "certificate or key of the kubeconfig cannot be used"),
        (kubeconfig("https://", cluster={}), None, "server is not a URL with a host"),
        (kubeconfig("https://host:port"), None, "server is not a URL with a host"),
    ],
)  # fmt: skip
def test_one_clear_sentence(
    tmp_path: Path, config: dict[str, Any], context: str | None, said: str
) -> None:
    assert said in refused(write(tmp_path, config), context)


SHAPES: tuple[Any, ...] = (
    None, [], {}, 5, True, "x", [1], {"a": 1}, [None], [[]], "a\nb", "false", {"a": ["b"]},
)  # fmt: skip
FULL = kubeconfig(
    "https://127.0.0.1:1",
    cluster={
        "tls-server-name": "a", "proxy-url": "http://127.0.0.1:1",
        "insecure-skip-tls-verify": False,
    },
    user={
        "token": CANARY, "username": "u", "password": CANARY, "as": "j", "as-groups": ["a"],
        "as-uid": "1", "as-user-extra": {"a": ["b"]},
    },
    context={"namespace": "n"},
)  # fmt: skip


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, Any]] = list(data.items()) if isinstance(data, dict) else []
    inside += enumerate(data) if isinstance(data, list) else ()
    return [path, *(p for k, v in inside for p in places(v, (*path, k)))]


@pytest.mark.parametrize("path", places(FULL), ids=lambda p: ".".join(map(str, p)) or "all")
def test_any_shape_anywhere_is_one_sentence(tmp_path: Path, path: tuple[Any, ...]) -> None:
    """Nobody answers there, so each ends in a refusal: ours, of the file or of the server."""
    for shape in SHAPES:
        config = {"": json.loads(json.dumps(FULL))}
        at: Any = config
        steps = ("", *path)
        for step in steps[:-1]:
            at = at[step]
        at[steps[-1]] = shape
        refused(write(tmp_path, config[""]))


def test_a_text_is_no_boolean(tmp_path: Path) -> None:
    """`"false"` in quotes must not switch the check of certificates off."""
    file = write(
        tmp_path, kubeconfig("https://192.0.2.1", cluster={"insecure-skip-tls-verify": "false"})
    )
    assert "insecure-skip-tls-verify of a cluster is not true or false" in refused(file)


def test_a_token_of_digits_is_a_token(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(pki), user={"token": 12345}))
    assert both(server, file)[0] == "Bearer 12345"


@pytest.mark.parametrize(
    "text", [f"token: {CANARY}\n  - [", f"- {CANARY}", f"{CANARY}", "\x00", "a: !!python/name:x y"]
)
def test_what_is_no_kubeconfig_is_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    assert "kubeconfig" in refused(file)


def test_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "kubeconfig not found" in refused(tmp_path / "missing")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert "missing" in refused()


def test_an_empty_file_among_others(
    server: ApiServer, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").write_text("")
    file = write(tmp_path, kubeconfig(server.url, cluster=ca(pki)))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/empty{os.pathsep}{file}{os.pathsep}")
    Session.load().get("/version")
    assert len(server.requests) == 1


# -- in a pod -----------------------------------------------------------------------------------


def test_in_a_pod_the_service_account_is_used(
    server: ApiServer, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    for name, text in (("ca.crt", pki.text("ca.crt")), ("token", "sa"), ("namespace", "shop")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(ours, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    session = Session.load()
    session.get("/version")
    assert (session.namespace, session.context) == ("shop", "in-cluster")

    from kubernetes import client

    made: Any = client.Configuration()
    make: Any = incluster_config.InClusterConfigLoader
    loader = make(token_filename=str(tmp_path / "token"), cert_filename=str(tmp_path / "ca.crt"))
    loader.load_and_set(made)
    given = made.api_key.get("BearerToken") or made.api_key["authorization"]
    made.api_key["BearerToken"] = given.replace("bearer", "Bearer")
    official_request(made)
    mine, theirs = map(seen, server.requests)
    assert mine == theirs
    assert mine[0] == "Bearer sa"


def test_an_ipv6_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.crt").write_text("")
    monkeypatch.setattr(ours, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "2001:db8::1")
    access = ours.in_cluster()
    assert (access.server, access.namespace) == ("https://[2001:db8::1]:443", "default")
