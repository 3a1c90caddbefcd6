"""The session against a real HTTPS server on loopback."""

import base64
import gzip
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.kube import answers, deadline, retry, secrets, transport
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import ApiError, Session
from k8sext.model.secret import Secret
from tests.support.api_server import (
    ApiServer,
    ConnectProxy,
    Pki,
    Reply,
    Request,
    credential,
    exec_user,
    kubeconfig,
    paths,
    plugin,
    runs,
    write,
)

CANARY = "canary-token-5541"
STATUS = {"kind": "Status", "reason": "Forbidden", "message": "no", "details": {"kind": "pods"}}
HTML = Reply(200, b"<html>please log in</html>", (("Content-Type", "text/html"),))


def access(server: ApiServer, **more: Any) -> Access:
    base = Access(server=server.url, context="test", ca_pem=server.pki.text("ca.crt"))
    return replace(base, **more)


def session(server: ApiServer, **more: Any) -> Session:
    return Session(access(server, **more))


def refused(act: Callable[[], object]) -> K8sextError:
    with pytest.raises(K8sextError) as caught:
        act()
    error = caught.value
    assert error.exit_code == 3
    assert CANARY not in repr(error) + str(error) + repr(vars(error))
    return error


# -- who we are ---------------------------------------------------------------------------------


def test_token_impersonation_and_our_name(server: ApiServer) -> None:
    session(
        server,
        token=Secret(CANARY),
        as_user="jane",
        as_groups=("dev", "ops"),
        as_uid="7",
        as_extra=(("example.com/Team", ("red", "blue")),),
    ).get("/version")
    (request,) = server.requests
    assert request.header("Authorization") == f"Bearer {CANARY}"
    assert request.header("Impersonate-User") == "jane"
    assert request.all("Impersonate-Group") == ["dev", "ops"]
    assert request.all("Impersonate-Uid") == ["7"]
    assert request.all("Impersonate-Extra-example.com%2fteam") == ["red", "blue"]
    assert request.header("User-Agent").startswith("k8sext/")


def test_password(server: ApiServer) -> None:
    session(server, username="ada", password=Secret("s:ö")).get("/version")
    given = server.requests[0].header("Authorization").removeprefix("Basic ")
    assert base64.b64decode(given).decode() == "ada:s:ö"


def test_client_certificate(server: ApiServer, pki: Pki, tmp_path: Path) -> None:
    key = Secret(pki.text("ada.key"))
    session(server, cert_pem=pki.text("ada.crt"), key_pem=key).get("/version")
    assert server.requests[0].client == "ada"


@pytest.mark.parametrize("token", [f"{CANARY}\n{CANARY}", f"{CANARY}\x00", f"{CANARY}\r\nX: y"])
def test_a_login_that_no_header_can_hold_is_not_quoted(server: ApiServer, token: str) -> None:
    error = refused(lambda: session(server, token=Secret(token)).get("/version"))
    assert "characters that no HTTP header may have" in str(error)
    assert server.requests == []


def test_a_certificate_without_its_key_is_told_without_it(server: ApiServer, pki: Pki) -> None:
    error = refused(lambda: session(server, cert_pem=pki.text("ada.crt"), key_pem=Secret(CANARY)))
    assert "certificate or key" in str(error)


# -- the way there ------------------------------------------------------------------------------


def test_the_name_in_the_certificate_is_checked(server: ApiServer) -> None:
    session(server).get("/version")
    error = refused(lambda: session(server, server_name="other.test").get("/version"))
    assert "other.test" in str(error)


def test_tls_server_name_is_sent_and_checked(server: ApiServer) -> None:
    session(server, server_name="api.test").get("/version")
    assert server.requests[0].sni == "api.test"


def test_an_unknown_authority_is_refused_unless_insecure(server: ApiServer) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in str(
        refused(lambda: session(server, ca_pem="").get("/version"))
    )
    session(server, ca_pem="", insecure=True).get("/version")
    assert len(server.requests) == 1


def test_a_proxy_with_login(server: ApiServer) -> None:
    with ConnectProxy("ada:s3cret/1").running() as proxy:
        url = f"http://ada:s3cret%2F1@127.0.0.1:{proxy.port}"
        session(server, proxy=url).get("/version")
        assert [t for t, _ in proxy.asked] == [f"127.0.0.1:{server.port}"]
        wrong = f"http://ada:{CANARY}@127.0.0.1:{proxy.port}"
        assert "407" in str(refused(lambda: session(server, proxy=wrong).get("/version")))
    assert "Proxy-Authorization" not in dict(server.requests[0].headers)


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (f"socks5://ada:{CANARY}@127.0.0.1:1", "'socks5' is not supported"),
        (f"http://ada:{CANARY}/x@127.0.0.1:1", "proxy-url is not a URL"),
        (f"http://{CANARY}:{CANARY}", "proxy-url is not a URL"),
        ("http://", "proxy-url is not a URL"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_not_quoted(
    server: ApiServer, proxy: str, said: str
) -> None:
    assert said in str(refused(lambda: session(server, proxy=proxy).get("/version")))


def environment_proxy(monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str) -> bool:
    """Whether a connection to `host` would go through $HTTPS_PROXY; nothing is opened."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    made = transport.connection(Access(server=f"https://{host}:6443"), None, deadline.within(1))
    assert made.host == host.strip("[]")
    assert made.proxy is None or made.proxy.host == "proxy.test"
    return made.proxy is not None


@pytest.mark.parametrize(
    ("host", "no_proxy", "used"),
    [
        ("api.example.com", "", True),
        ("api.example.com", "example.com", False),
        ("api.example.com", ".example.com,x", False),
        ("api.example.org", "example.com", True),
        ("198.51.100.7", "198.51.100.0/24", False),
        ("198.51.100.7", "10.0.0.0/8, 198.51.100.7", False),
        ("198.51.101.7", "198.51.100.0/24", True),
        ("[2001:db8::1]", "2001:db8::/32", False),
        ("api.example.com", "*", False),
        ("127.0.0.1", "", False),
        ("127.3.2.1", "", False),
        ("localhost", "", False),
    ],
)
def test_the_environments_proxy_and_its_exceptions(
    monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str, used: bool
) -> None:
    assert environment_proxy(monkeypatch, host, no_proxy) is used


def test_the_path_of_the_servers_url_is_kept(server: ApiServer) -> None:
    where = access(server)
    Session(replace(where, server=f"{server.url}/k8s/clusters/c-1")).get("/version")
    assert paths(server.requests) == ["GET /k8s/clusters/c-1/version"]


def test_nobody_listens() -> None:
    nowhere = Session(Access(server="http://127.0.0.1:1"))
    assert "cannot be reached" in str(refused(lambda: nowhere.get("/version")))


# -- 401 ----------------------------------------------------------------------------------------


def by_token(good: str) -> Callable[[Request], Reply]:
    def answers(request: Request) -> Reply:
        ok = request.header("Authorization") == f"Bearer {good}"
        return Reply(200, {"ok": True}) if ok else Reply(401, {"message": "Unauthorized"})

    return answers


def with_plugin(server: ApiServer, folder: Path, script: str) -> Session:
    user = exec_user(plugin(folder, script))
    cluster = {"certificate-authority-data": server.pki.data("ca.crt")}
    return Session.load(write(folder, kubeconfig(server.url, cluster=cluster, user=user)))


COUNTING = f"n=$(wc -l < \"$(dirname $0)/runs\"); echo '{credential(token='t-N')}' | sed s/N/$n/"


def test_after_a_401_the_plugin_runs_again_once(server: ApiServer, tmp_path: Path) -> None:
    server.answers = by_token("t-2")
    api = with_plugin(server, tmp_path, COUNTING)
    assert api.get("/version") == {"ok": True}
    assert runs(tmp_path) == 2
    assert len(server.requests) == 2


def test_a_401_that_stays_ends_after_the_second(server: ApiServer, tmp_path: Path) -> None:
    server.answers = by_token("never")
    api = with_plugin(server, tmp_path, COUNTING)
    error = refused(lambda: api.get("/version"))
    assert isinstance(error, ApiError)
    assert (error.status, runs(tmp_path), len(server.requests)) == (401, 2, 2)


def test_threads_that_all_saw_a_401_run_the_plugin_once(server: ApiServer, tmp_path: Path) -> None:
    all_in = threading.Barrier(4)
    first = set(range(4))

    def answers(request: Request) -> Reply:
        return by_token("t-2")(request)

    server.answers = answers
    api = with_plugin(server, tmp_path, COUNTING)
    got: list[Any] = []

    def ask() -> None:
        all_in.wait(10)
        got.append(api.get("/version"))

    threads = [threading.Thread(target=ask) for _ in first]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert got == [{"ok": True}] * 4
    assert runs(tmp_path) == 2


def test_a_token_file_is_read_again_after_a_401(server: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    server.answers = by_token("old")
    api = session(server, token_file=str(file))
    api.get("/version")
    server.answers = by_token("new")
    file.write_text("new\n")
    assert api.get("/version") == {"ok": True}
    assert [r.header("Authorization") for r in server.requests] == [
        "Bearer old", "Bearer old", "Bearer new",
    ]  # fmt: skip


def test_a_stream_runs_the_plugin_again_too(server: ApiServer, tmp_path: Path) -> None:
    server.answers = by_token("t-2")
    api = with_plugin(server, tmp_path, COUNTING)
    with api.open("/log") as lines:
        assert b"".join(lines) == b'{"ok": true}'
    assert runs(tmp_path) == 2


@pytest.mark.parametrize(
    ("login", "tried"),
    [({"token": Secret(CANARY)}, 2), ({"username": "a", "password": Secret(CANARY)}, 1)],
    ids=["token", "password"],
)
def test_what_cannot_be_renewed_is_tried_once_more_unless_it_could_lock_an_account(
    server: ApiServer, login: Any, tried: int
) -> None:
    server.answers = by_token("other")
    refused(lambda: session(server, **login).get("/version"))
    assert len(server.requests) == tried


def test_a_401_that_passes_costs_nothing(server: ApiServer) -> None:
    server.replies = [Reply(401, {"message": "Unauthorized"}), Reply(200, {"ok": 1})]
    assert session(server, token=Secret(CANARY)).get("/version") == {"ok": 1}


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe"])
def test_a_token_file_without_a_token(
    server: ApiServer, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    api = session(server, token_file=str(file))
    assert "token file cannot be read" in str(refused(lambda: api.get("/version")))
    assert server.requests == []


# -- connections --------------------------------------------------------------------------------


def test_a_connection_is_kept(server: ApiServer) -> None:
    api = session(server)
    for _ in range(3):
        api.get("/version")
    assert {r.connection for r in server.requests} == {1}


def test_an_idle_connection_that_was_closed_is_noticed_beforehand(server: ApiServer) -> None:
    """So that even a POST, which is never sent twice, gets through."""
    server.replies = [Reply(close=True), Reply(201, {"made": 1})]
    api = session(server)
    api.get("/version")
    (idle,) = api._exchange.pool.idle  # pyright: ignore[reportPrivateUsage]
    sock = idle.sock
    assert sock is not None
    select.select([sock], [], [], 10)  # its end has arrived
    assert api.post("/jobs", {}) == {"made": 1}
    assert [r.connection for r in server.requests] == [1, 2]


def test_a_get_whose_answer_was_lost_is_asked_once_more(server: ApiServer) -> None:
    server.replies = [Reply(), Reply(hang_up=True), Reply(200, {"n": 2})]
    api = session(server)
    api.get("/version")
    assert api.get("/version") == {"n": 2}
    assert [r.connection for r in server.requests] == [1, 1, 2]


def test_a_get_is_not_asked_for_ever(server: ApiServer) -> None:
    server.replies = [Reply(), Reply(hang_up=True)]
    api = session(server)
    api.get("/version")
    assert "cannot be reached" in str(refused(lambda: api.get("/version")))
    assert len(server.requests) == 2 + retry.TRIES


def test_a_post_whose_answer_was_lost_is_never_sent_twice(server: ApiServer) -> None:
    """The server read it whole and may have done it: a Job must not be made twice."""
    server.replies = [Reply(), Reply(hang_up=True), Reply(201)]
    api = session(server)
    api.get("/version")
    refused(lambda: api.post("/jobs", {"kind": "Job"}))
    assert paths(server.requests) == ["GET /version", "POST /jobs"]


def test_an_answer_that_is_cut_is_no_answer(server: ApiServer) -> None:
    server.replies = [Reply(200, {"items": []}, length=5000)]
    assert "IncompleteRead" in str(refused(lambda: session(server).get("/pods")))


# -- answers ------------------------------------------------------------------------------------


def test_of_secrets_only_the_metadata_is_asked_for(server: ApiServer) -> None:
    """What is answered beside it, by whatever gateway, is dropped; a refusal is told, once."""
    answer = {"metadata": {"name": "a"}, "data": {"password": "Y2FuYXJ5"}}
    allowed = Reply(201, {"status": {"allowed": True}})
    server.replies = [allowed, Reply(200, answer), Reply(404, STATUS), Reply(403, STATUS)]
    asked = [("dev", "a"), ("dev", "gone"), ("dev", "forbidden")]
    found, skips = secrets.metadata(session(server), asked)
    assert found == ({"metadata": {"name": "a"}},)
    assert server.requests[1].path == "/api/v1/namespaces/dev/secrets/a"
    assert "as=PartialObjectMetadata" in server.requests[1].header("Accept")
    assert [("forbidden" in s, "gone" in s) for s in skips] == [(True, False)]


def test_secrets_that_may_not_be_read_are_not_tried(server: ApiServer) -> None:
    """A read that is denied stands in the audit log, and whoever reads that is alarmed."""
    server.replies = [Reply(201, {"status": {"allowed": False}})]
    found, skips = secrets.metadata(session(server), [("dev", "a"), ("dev", "b")])
    assert found == ()
    assert "a, b" in skips[0]
    assert [r.path for r in server.requests] == [
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    ]


def test_gzip(server: ApiServer) -> None:
    packed = gzip.compress(b'{"items": [1]}')
    server.replies = [Reply(200, packed, (("Content-Encoding", "gzip"),))]
    assert session(server).get("/pods") == {"items": [1]}
    assert server.requests[0].header("Accept-Encoding") == "gzip"


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b'{"items": [1]}')[:-9], b""])
def test_gzip_that_is_broken(server: ApiServer, data: bytes) -> None:
    server.replies = [Reply(200, data, (("Content-Encoding", "gzip"),))]
    refused(lambda: session(server).get("/pods"))


def test_an_answer_has_a_greatest_size(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 1 << 20)
    bomb = gzip.compress(b" " * (3 << 20))
    assert len(bomb) < 1 << 20
    server.replies = [Reply(200, bomb, (("Content-Encoding", "gzip"),)), Reply(200, b" " * 3000000)]
    api = session(server)
    for _ in range(2):
        assert "larger than 1 MiB" in str(refused(lambda: api.get("/pods")))


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 500])
def test_refusals_carry_the_servers_words(server: ApiServer, status: int) -> None:
    server.replies = [Reply(status, STATUS)]
    error = refused(lambda: session(server).get("/pods"))
    assert isinstance(error, ApiError)
    assert (error.status, error.reason, error.message) == (status, "Forbidden", "no")
    assert error.details == {"kind": "pods"}
    assert str(error) == f"{server.url}/pods: no"


@pytest.mark.parametrize(
    "body",
    [b"<html>502</html>", b"", b"[]", b"[" * 100_000, b'{"message": null}', b'{"details":1}'],
)
def test_error_pages_are_told_by_their_number(server: ApiServer, body: bytes) -> None:
    server.replies = [Reply(502, body)]
    assert "HTTP 502 Bad Gateway" in str(refused(lambda: session(server).get("/pods")))


@pytest.mark.parametrize("reply", [HTML, Reply(200, b"[1]"), Reply(200, b"\xff\xfe")])
def test_what_is_no_api_server_is_told_as_such(server: ApiServer, reply: Reply) -> None:
    server.replies = [reply]
    error = refused(lambda: session(server).get("/version"))
    assert "no Kubernetes API server" in str(error)
    assert "log in" not in str(error)


def test_a_redirect_is_not_followed(server: ApiServer) -> None:
    server.replies = [Reply(302, b"", (("Location", "https://192.0.2.1/"),))]
    assert "HTTP 302" in str(refused(lambda: session(server, token=Secret(CANARY)).get("/v")))
    assert {r.path for r in server.requests} == {"/v"}


def test_control_characters_reach_neither_text_nor_fields(server: ApiServer) -> None:
    server.replies = [Reply(403, {"message": "a\x1b[2Jb‮", "reason": "x\x07"})]
    error = refused(lambda: session(server).get("/pods"))
    assert isinstance(error, ApiError)
    for text in (str(error), error.message, error.reason, *map(str, error.args)):
        assert text.isprintable()


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_busy_server_is_asked_again_when_it_says_so(server: ApiServer, method: str) -> None:
    busy = Reply(429, STATUS, (("Retry-After", "0"),))
    server.replies = [busy, busy, Reply(200, {"ok": 1})]
    api = session(server)
    assert (api.get("/pods") if method == "get" else api.post("/jobs", {})) == {"ok": 1}
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "method", "after", "asked"),
    [
        (429, "get", "0", retry.TRIES),
        (503, "get", "0", retry.TRIES),
        (503, "post", "0", 1),  # it may have been done
        (429, "get", "3600", 1),
        (429, "get", "Wed, 21 Oct 2015 07:28:00 GMT", retry.TRIES),  # a date that has passed
        (429, "get", "Wed, 21 Oct 2999 07:28:00 GMT", 1),
        (429, "get", "-1", retry.TRIES),
        (429, "get", "", retry.TRIES),
        (404, "get", "0", 1),
    ],
)
def test_patience_is_bounded(
    server: ApiServer, status: int, method: str, after: str, asked: int
) -> None:
    server.replies = [Reply(status, STATUS, (("Retry-After", after),))]
    api = session(server)
    refused(lambda: api.get("/x") if method == "get" else api.post("/x", {}))
    assert len(server.requests) == asked


def test_warnings_are_gathered_once(server: ApiServer) -> None:
    old = ("Warning", '299 - "v1 Endpoints is deprecated\x1b"')
    server.replies = [Reply(200, {}, (old, ("Warning", '299 - "other"')))]
    api = session(server)
    for _ in range(3):
        api.get("/version")
    assert len(api.warnings) == 2
    assert api.warnings[1] == "other"
    assert all(w.isprintable() for w in api.warnings)


def test_bodies_and_parameters(server: ApiServer) -> None:
    api = session(server)
    api.patch("/s", {"a": 1}, "application/apply-patch+yaml", fieldManager="k8sext", dryRun=None)
    api.delete("/j", {"propagationPolicy": "Background"})
    patch, delete = server.requests
    assert (patch.path, patch.json()) == ("/s?fieldManager=k8sext", {"a": 1})
    assert patch.header("Content-Type") == "application/apply-patch+yaml"
    assert (delete.method, delete.json()) == ("DELETE", {"propagationPolicy": "Background"})


# -- streams ------------------------------------------------------------------------------------


def streamed(api: Session, **more: Any) -> list[bytes]:
    with api.open("/log", follow="true", **more) as lines:
        return list(lines)


def test_a_stream_gives_lines(server: ApiServer) -> None:
    server.replies = [Reply(200, b"one\ntwo\n")]
    assert streamed(session(server)) == [b"one\n", b"two\n"]
    assert server.requests[0].header("Accept-Encoding") == "identity" or not server.requests[
        0
    ].header("Accept-Encoding")


def test_a_stream_that_is_cut_or_silent_simply_ends(server: ApiServer) -> None:
    server.replies = [Reply(200, b"one\ntw", length=5000)]
    assert streamed(session(server))[0] == b"one\n"


class Silent(ApiServer):
    """Reads a request and says nothing until it is released."""

    def __init__(self, pki: Pki) -> None:
        super().__init__(pki)
        self.release = threading.Event()

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        self.release.wait(20)
        return Reply(hang_up=True)


@pytest.mark.parametrize("method", ["get", "post"])
def test_silence_is_bounded(pki: Pki, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(deadline, "FIRST_SILENCE_S", 0.2)
    monkeypatch.setattr(deadline, "SILENCE_S", 0.4)
    server = Silent(pki)
    with server.running():
        api = session(server)
        error = refused(lambda: api.get("/x") if method == "get" else api.post("/x", {}))
        server.release.set()
    assert "timed out" in str(error)
    assert len(server.requests) == (2 if method == "get" else 1)  # never a Job twice


def test_a_silent_stream_ends() -> None:
    """A line comes, then nothing, over a connection that stays open."""
    over = threading.Event()

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\none\n")
            over.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        api = Session(Access(server=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        assert streamed(api, silence_s=0.3) == [b"one\n"]
        over.set()
        thread.join(10)


def test_a_line_has_a_greatest_length(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_LINE", 1000)
    server.replies = [Reply(200, b"x" * 5000)]
    assert max(map(len, streamed(session(server)))) == 1000


def test_a_refused_stream_is_an_api_error(server: ApiServer) -> None:
    server.replies = [Reply(403, STATUS)]
    error = refused(lambda: streamed(session(server)))
    assert isinstance(error, ApiError)
    assert error.status == 403


def test_what_its_reader_raises_is_not_blamed_on_the_server(server: ApiServer) -> None:
    server.replies = [Reply(200, b"one\n")]
    with pytest.raises(BrokenPipeError), session(server).open("/log") as lines:
        for _ in lines:
            raise BrokenPipeError


def test_as_group_needs_as(server: ApiServer, tmp_path: Path) -> None:
    file = write(tmp_path, kubeconfig(server.url))
    with pytest.raises(K8sextError, match="--as-group needs --as"):
        Session.load(file, as_groups=["x"])


@pytest.mark.parametrize(
    ("status", "method", "asked"),
    [
        (503, "apply", retry.TRIES),
        (409, "apply", 1),  # another manager has the field: that stays so
        (503, "merge", 1),
        (503, "put", 1),
        (500, "delete", retry.TRIES),
        (409, "delete", retry.TRIES),
        (500, "review", retry.TRIES),  # leaves nothing behind
        (500, "post", 1),
    ],
)
def test_only_what_may_be_done_twice_is_repeated(
    server: ApiServer, status: int, method: str, asked: int
) -> None:
    api, review = session(server), "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    acts: dict[str, Callable[[], object]] = {
        "apply": lambda: api.patch("/x", {}, "application/apply-patch+yaml"),
        "merge": lambda: api.patch("/x", {}),
        "put": lambda: api.put("/x", {}),
        "delete": lambda: api.delete("/x"),
        "review": lambda: api.post(review, {}),
        "post": lambda: api.post("/x", {}),
    }
    server.replies = [Reply(status, {**STATUS, "reason": "InternalError"})]
    refused(acts[method])
    assert len(server.requests) == asked


def test_a_drip_is_cut(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps every read short, and the whole for ever."""
    monkeypatch.setattr(deadline, "DRIP_AFTER_S", 0.3)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
                while not over.wait(0.05):
                    try:
                        peer.sendall(b" ")
                    except OSError:
                        break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        api = Session(Access(server=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        assert "timed out" in str(refused(lambda: api.get("/x")))
        over.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join(5)


def test_hurry_bounds_every_request_from_then_on(pki: Pki) -> None:
    server = Silent(pki)
    with server.running():
        api = session(server)
        api.hurry(0.3)
        refused(lambda: api.get("/x"))
        refused(lambda: api.get("/x"))
        server.release.set()
    assert len(server.requests) <= 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), (" 7 ", 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("", None), ("soon", None),
     ("-1", None), ("1e9", None), ("٣", None), ("Wed, 99 Oct 2015", None), ("9" * 500, 999999999)],
)  # fmt: skip
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry.after_s(header) == seconds
