"""The HTTP checks against stand-ins, and against a real nginx on loopback."""

import asyncio
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from k8sext.agent.check import Fault
from k8sext.agent.wire.http import HttpConnection
from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support import converse
from tests.support.converse import SHORT, fed, observe
from tests.support.loopback import Handler

NAMES = ("web", "web.dev", "web.dev.svc", "web.dev.svc.cluster.local", "www.example.com")
BRIDGED: dict[str, Any] = {"tls_names": NAMES}
LOGIN = {"username": "shop", "password": "canary-4711"}


def probe(port: int, protocol: str = "http", **options: Any) -> Observation:
    """One probe with the names of a bridge, as the plan gives them."""
    return _quiet(observe("http", protocol, "127.0.0.1", port, **{**BRIDGED, **options}))


def against(handler: Handler, protocol: str = "http", **options: Any) -> Observation:
    """The same of a stand-in."""
    return _quiet(converse.against(handler, "http", protocol, **{**BRIDGED, **options}))


def _quiet(seen: Observation) -> Observation:
    assert "canary-4711" not in repr(seen)
    return seen


def answering(*answers: bytes, closing: bool = False) -> Handler:
    """A stand-in that gives one answer after another, the last one again and again."""
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            if closing:
                await writer.drain()
                return

    return handle


def page(status: str, header: str = "", body: str = "hello") -> bytes:
    return f"HTTP/1.1 {status}\r\n{header}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def came_to(seen: Observation) -> tuple[Status, Reason | None]:
    worst = next((s for s in seen.stages if s.status in (Status.FAIL, Status.WARN)), None)
    return seen.status, worst.reason if worst else None


@pytest.mark.parametrize(
    ("answer", "expect", "status", "reason"),
    [
        (page("200 OK"), {}, Status.PASS, None),
        (page("404 Not Found"), {}, Status.PASS, None),
        (page("302 Found", "Location: https://x/\r\n"), {}, Status.PASS, None),
        (page("403 Forbidden"), {}, Status.WARN, Reason.FORBIDDEN),
        (page("500 Oops"), {}, Status.FAIL, Reason.UNHEALTHY),
        (page("503 Later", body="{}"), {}, Status.FAIL, Reason.UNHEALTHY),
        (page("200 OK"), {"status": 200}, Status.PASS, None),
        (page("200 OK"), {"status": "204"}, Status.FAIL, Reason.UNEXPECTED),
        (page("204 No"), {"status": "2xx"}, Status.PASS, None),
        (page("204 No"), {"status": [200, 204]}, Status.PASS, None),
        (page("401 Who"), {"status": 401}, Status.PASS, None),
        (page("403 Forbidden"), {"status": 403}, Status.PASS, None),
        (page("503 Later"), {"status": 503}, Status.PASS, None),
        (page("200 OK"), {"status": "fine"}, Status.FAIL, Reason.BAD_EXPECTATION),
        (page("200 OK"), {"body_contains": "hell"}, Status.PASS, None),
        (page("200 OK"), {"body_contains": "heaven"}, Status.FAIL, Reason.UNEXPECTED),
        (page("400 Bad", body="The plain HTTP request was sent to HTTPS port"), {},
            Status.FAIL, Reason.TLS_REQUIRED),
        (page("400 Bad", body="Client sent an HTTP request to an HTTPS server."), {},
            Status.FAIL, Reason.TLS_REQUIRED),
        (b"-ERR no\r\n", {}, Status.FAIL, Reason.WRONG_PROTOCOL),
    ],
)  # fmt: skip
def test_answers(
    answer: bytes, expect: dict[str, object], status: Status, reason: Reason | None
) -> None:
    seen = against(answering(answer), expect=expect, tls_names=())
    assert came_to(seen) == (status, reason)


S3 = "x-amz-request-id: 17B\r\n"


def xml(code: str, more: str = "") -> str:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code>{more}<Resource>/</Resource></Error>'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page("421 Misdirected Request"), Reason.HOST_NAME_UNKNOWN),
        (page("400 Bad Request", body="Invalid HTTP_HOST header: 'web:8080'. You may need to add"),
         Reason.HOST_NAME_UNKNOWN),
        (page("400 Bad Request", body="Invalid host header"), Reason.HOST_NAME_UNKNOWN),
        (page("400 Bad Request", body="<h2>Bad Message 400</h2><pre>reason: Invalid SNI</pre>"),
         Reason.HOST_NAME_UNKNOWN),
        (page("400 Bad Request", body="<h2>Bad Request - Invalid Hostname</h2>"),
         Reason.HOST_NAME_UNKNOWN),
        (page("403 Forbidden", body="<h1>Blocked hosts: web:8080</h1>"), Reason.HOST_NAME_UNKNOWN),
        (page("403 Forbidden", body='Blocked request. This host ("web") is not allowed.'),
         Reason.HOST_NAME_UNKNOWN),
        (page("500 Domain Not Found", body="Fastly error: unknown domain: web"),
         Reason.HOST_NAME_UNKNOWN),
        (page("404 Not Found", S3, xml("NoSuchBucket", "<BucketName>web</BucketName>")),
         Reason.HOST_NAME_UNKNOWN),
        (page("404 Not Found", S3, xml("NoSuchBucket", "<BucketName>shop</BucketName>")), None),
        (page("403 Forbidden", S3, xml("SignatureDoesNotMatch")), Reason.SIGNED_FOR_ANOTHER_HOST),
        (page("403 Forbidden", "x-ms-request-id: 1\r\n", xml("AuthenticationFailed",
         "<AuthenticationErrorDetail>Signature did not match. String to sign used was")),
         Reason.SIGNED_FOR_ANOTHER_HOST),
        # A store that nobody has asked with a signature is well, whoever makes it.
        (page("403 Forbidden", f"Server: MinIO\r\n{S3}", xml("AccessDenied")), None),
        (page("403 Forbidden", "x-oss-request-id: 1\r\n", xml("AccessDenied")), None),
        # The words alone, in a page that is no error, are a page like others.
        (page("200 OK", body="Invalid host header"), None),
        (page("404 Not Found", body="nothing here"), None),
        (page("400 Bad Request", body="bad"), None),
    ],
)  # fmt: skip
def test_the_host_header_is_what_is_refused(answer: bytes, reason: Reason | None) -> None:
    seen = against(answering(answer), tls_names=NAMES[:4])
    assert came_to(seen)[1] is reason, seen
    assert seen.status is (Status.FAIL if reason else Status.PASS)


def by_host(known: str, otherwise: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            writer.write(page("200 OK") if f"Host: {known}\r\n" in head else otherwise)

    return handle


def test_a_bare_400_that_its_own_address_does_not_get_is_about_the_host() -> None:
    """Django without DEBUG says no more than "Bad Request (400)"; localhost is mostly allowed."""
    seen = against(by_host("localhost", page("400 Bad Request", body="<h1>Bad Request (400)</h1>")))
    assert came_to(seen) == (Status.FAIL, Reason.HOST_NAME_UNKNOWN)
    assert seen.fact("other_host") == "localhost"
    # A 404 may be meant: what lies at another name of the server is no proof then.
    seen = against(by_host("localhost", page("404 Not Found")))
    assert came_to(seen) == (Status.PASS, None)


def test_a_signed_address_that_the_outside_name_would_be_given() -> None:
    mismatch = page("403 Forbidden", S3, xml("SignatureDoesNotMatch"))
    seen = against(by_host("www.example.com", mismatch), expect={"path": "/b/o?X-Amz-Signature=1"})
    assert came_to(seen) == (Status.FAIL, Reason.SIGNED_FOR_ANOTHER_HOST)
    assert seen.fact("other_host") == "www.example.com"


def test_403_is_a_missing_right_only_where_a_login_was_sent() -> None:
    """Some say 403, and not 401, to those they do not know: a login that is there is sent."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            known = b"Authorization: Basic" in await reader.readuntil(b"\r\n\r\n")
            writer.write(page("200 OK") if known else page("403 Forbidden"))

    assert came_to(against(handle)) == (Status.WARN, Reason.FORBIDDEN)
    quiet = TlsSpec(mode=TlsMode.DISABLE)
    assert came_to(against(handle, login=LOGIN, tls=quiet)) == (Status.PASS, None)
    denied = against(answering(page("403 Forbidden")), login=LOGIN, tls=quiet)
    assert came_to(denied) == (Status.WARN, Reason.PERMISSION_DENIED)


def test_a_store_is_sent_no_basic_login() -> None:
    """S3 answers 400 to it: what it takes is a signature."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(page("403 Forbidden", f"Server: MinIO\r\n{S3}", xml("AccessDenied")))

    seen = against(handle, login=LOGIN, tls=TlsSpec(mode=TlsMode.DISABLE))
    assert (came_to(seen), seen.fact("object_store")) == ((Status.PASS, None), "MinIO")
    assert not any(b"Authorization" in head for head in asked)


def test_redirections_are_told_and_not_followed() -> None:
    seen = against(answering(page("301 Moved", "Location: https://www.example.com/\r\n")))
    verify = seen.stage(Stage.VERIFY)
    assert verify is not None
    assert verify.detail == "/ answers 301 Moved to https://www.example.com/"
    assert verify.evidence["location"] == "https://www.example.com/"


def test_a_gateway_is_told_from_the_server() -> None:
    seen = against(answering(page("502 Bad Gateway", "Server: nginx/1.22\r\n", "<html>")))
    assert seen.ended_by is not None
    assert "from nginx, a proxy in front of it, which does not reach it" in seen.ended_by.detail


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize(
    ("last", "reason"), [("200 OK", None), ("401 Still", Reason.AUTH_REJECTED)]
)
def test_a_login_with_and_without_keep_alive(
    closing: bool, last: str, reason: Reason | None
) -> None:
    """A server that closes after each answer gets a second connection for the login."""
    header = "Connection: close\r\n" if closing else ""
    ask = page("401 Who", f'WWW-Authenticate: Basic realm="x"\r\n{header}')
    seen = against(answering(ask, page(last, header), closing=closing), login=LOGIN)
    assert (seen.ended_by.reason if seen.ended_by else None) is reason
    assert seen.fact("keep_alive") is not closing


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (LOGIN, Reason.AUTH_METHOD_UNSUPPORTED),
        ({"token": "canary-4711\n"}, Reason.AUTH_REJECTED),  # no library would send it either
        ({}, Reason.AUTH_REQUIRED),
    ],
)
def test_logins_that_cannot_be(login: dict[str, str], reason: Reason) -> None:
    handler = answering(page("401 Who", "WWW-Authenticate: Bearer\r\n"), page("200 OK"))
    auth = against(handler, login=login).stage(Stage.AUTH)
    assert auth is not None
    assert auth.reason is reason


def test_what_is_sent_is_one_request_whatever_the_path() -> None:
    heard: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(page("200 OK"))

    seen = against(handle, expect={"path": "a b HTTP/1.1\r\nX-Evil: 1"})
    lines = heard[0].split("\r\n")
    assert lines[0] == "GET /a%20b%20HTTP/1.1%0D%0AX-Evil:%201 HTTP/1.1"
    assert lines[1] == f"Host: web:{seen.target.rpartition(':')[2]}"


def test_https_port_that_hangs_up_on_clear_text() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(2) == b"\x16\x03":
            writer.write(b"\x15\x03\x03\x00\x02\x02\x28")

    assert came_to(against(handle)) == (Status.FAIL, Reason.TLS_REQUIRED)


def test_https_to_a_port_without_tls() -> None:
    seen = against(
        answering(page("400 Bad")), "https", tls=TlsSpec(mode=TlsMode.REQUIRE), budget=SHORT
    )
    assert seen.ended_by is not None
    assert seen.ended_by.stage is Stage.TLS


# -- a real nginx ---------------------------------------------------------------------------------

CONFIG = """
daemon off; pid {folder}/pid; error_log stderr; events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} default_server; return 404; }}
  server {{ listen 127.0.0.1:{port}; server_name www.example.com; return 200 "ours"; }}
  server {{ listen 127.0.0.1:{dead}; location / {{ proxy_pass http://127.0.0.1:1; }} }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of a server of two names, and of a proxy whose server is dead."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        pytest.skip("nginx is not installed on this machine")
    folder = tmp_path_factory.mktemp("nginx")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    port, dead = (int(s.getsockname()[1]) for s in sockets)
    for one in sockets:
        one.close()
    (folder / "conf").write_text(CONFIG.format(folder=folder, port=port, dead=dead))
    server = subprocess.Popen([program, "-e", "stderr", "-c", str(folder / "conf")])
    try:
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end, "nginx does not start"
                time.sleep(0.05)
        yield port, dead
    finally:
        server.terminate()
        server.wait(10)


def test_nginx_that_knows_the_outside_name_only(nginx: tuple[int, int]) -> None:
    seen = probe(nginx[0])
    assert came_to(seen) == (Status.FAIL, Reason.HOST_NAME_UNKNOWN)
    assert seen.fact("other_host") == "www.example.com"
    assert came_to(probe(nginx[0], tls_names=NAMES[:4])) == (Status.PASS, None)
    named = TlsSpec(server_name="www.example.com")
    assert came_to(probe(nginx[0], tls=named, expect={"status": 200})) == (Status.PASS, None)


def test_nginx_before_a_dead_server(nginx: tuple[int, int]) -> None:
    seen = probe(nginx[1])
    assert came_to(seen) == (Status.FAIL, Reason.UNHEALTHY)
    assert seen.ended_by is not None
    assert "502 Bad Gateway from nginx" in seen.ended_by.detail


# -- anything -------------------------------------------------------------------------------------

SOUND = (
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nServer: x\r\n"
    b"Transfer-Encoding: chunked\r\nWWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer\r\n\r\n"
    b"5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
)


def test_chunks_interim_answers_and_repeated_headers() -> None:
    async def read() -> None:
        answer = await HttpConnection(fed(SOUND), "h")._response("GET")  # pyright: ignore[reportPrivateUsage]
        assert (answer.status, answer.body, answer.keeps) == (200, b"hello", True)
        assert answer.headers["www-authenticate"] == "Basic, Bearer"

    asyncio.run(read())


def test_the_reader_of_answers_survives_anything() -> None:
    dice = random.Random(8)

    async def parse(data: bytes) -> None:
        try:
            answer = await HttpConnection(fed(data), "h")._response("GET")  # pyright: ignore[reportPrivateUsage]
        except Fault:
            return
        assert 0 <= answer.status
        assert isinstance(answer.gateway + answer.redirect, str)

    async def all_of_them() -> None:
        for number in range(10_000):
            broken = bytearray(SOUND if number % 2 else page("502 x", "Connection: close\r\n"))
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            await parse(bytes(broken[: dice.randrange(len(broken) + 1)]))

    asyncio.run(all_of_them())


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
@pytest.mark.parametrize("closes", [True, False])
def test_half_an_answer_is_the_servers_and_no_silence(half: bytes, closes: bool) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(half)
        if not closes:
            await reader.read()

    ended = against(handle, budget=SHORT).ended_by
    assert ended is not None
    assert ended.reason is Reason.UNHEALTHY
    said = "breaks off in the middle of its answer" if closes else "begins and does not end"
    assert said in ended.detail


def test_a_large_body_that_does_not_come_may_be_lost_on_the_way() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n{")
        await reader.read()

    ended = against(handle, budget=SHORT).ended_by
    assert ended is not None
    assert (ended.reason, ended.evidence["large_answer"]) == (Reason.TIMED_OUT, True)
