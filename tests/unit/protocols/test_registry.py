"""The registry check where no real registry is needed: challenges, realms, images, Harbor."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.lab.standins.web import Answer, Request
from tests.support.authority import Authority, serving_itself
from tests.support.converse import end_of, observe
from tests.support.odd_http import hostile
from tests.support.ports import HOST, free_ports
from tests.support.serving import serving

read = importlib.import_module("k8sext.checks.protocols.registry.answers")

WORD = "canary-4711"
LOGIN = {"username": "shop", "password": WORD}
CALM = TlsSpec(mode=TlsMode.DISABLE)
API = {"Docker-Distribution-Api-Version": "registry/2.0"}
FAIL, WARN = Status.FAIL, Status.WARN


def see(handler: Callable[[Request], Answer], **more: Any) -> Observation:
    options: dict[str, Any] = {"tls": CALM, "login": LOGIN, **more}
    with serving(handler) as port:
        seen = observe("registry", "registry", HOST, port, **options)
    assert WORD not in repr(seen)
    return seen


def came_to(seen: Observation) -> tuple[Status, Reason | None]:
    worst = next((s for s in seen.stages if s.status in (Status.FAIL, Status.WARN)), None)
    return seen.status, worst.reason if worst else None


def said(seen: Observation, stage: Stage = Stage.VERIFY) -> str:
    found = seen.stage(stage)
    assert found is not None
    return found.detail


class Tokens:
    """A registry that sends its clients to `realm`; what each place was asked is kept."""

    def __init__(self, realm: str = "", *, service: str = "s", anybody: bool = False) -> None:
        self.realm, self.service, self.anybody = realm, service, anybody
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: Request) -> Answer:
        said = request.headers.get("authorization", "")
        self.asked.append((request.target, said))
        if request.path == "/token":
            good = said.startswith("Basic ") or self.anybody
            return Answer(200, {"token": "t0"}) if good else Answer(401, {})
        if said == "Bearer t0":
            return Answer(200, {}, API)
        realm = self.realm or f"http://{request.headers['host']}/token"
        header = f'Bearer realm="{realm}",service="{self.service}"'
        return Answer(401, {"errors": []}, {**API, "WWW-Authenticate": header})


# -- whom a password is sent to --------------------------------------------------------------------


def test_a_realm_at_the_registry_itself_is_asked_on_the_same_connection() -> None:
    server = Tokens()
    with serving(server) as port:
        server.realm = f"http://{HOST}:{port}/token"
        seen = observe("registry", "registry", HOST, port, login=LOGIN, tls=CALM)
    assert seen.status is Status.PASS
    assert [path for path, _ in server.asked] == ["/v2/", "/token?service=s", "/v2/"]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tokens, int, str]]:
    """A token service with TLS for `localhost`, its port, and the authority's certificate."""
    folder = tmp_path_factory.mktemp("elsewhere")
    authority = Authority(folder, "authority")
    pair = authority.sign("localhost", "DNS:localhost")
    server = Tokens()
    with serving(server, (str(pair.crt), str(pair.key))) as port:
        yield server, port, authority.pair.text


@pytest.mark.parametrize(
    ("scheme", "named", "sent"),
    [
        ("https", "localhost", True),
        ("https", "localhost:{port}", True),
        ("https", "other, localhost.", True),
        ("https", "", False),
        ("https", "localhost:1", False),
        ("https", "xlocalhost", False),
        ("http", "localhost", False),
    ],
)
def test_a_password_goes_to_another_host_over_https_and_with_the_secrets_consent_only(
    elsewhere: tuple[Tokens, int, str], scheme: str, named: str, sent: bool
) -> None:
    server, port, ca = elsewhere
    plain = Tokens()
    with serving(plain) as clear:
        realm_port = port if scheme == "https" else clear
        asked = server if scheme == "https" else plain
        asked.asked.clear()
        login = {**LOGIN, "host": named.format(port=realm_port), "ca.crt": ca}
        spec = TlsSpec(mode=TlsMode.DISABLE, ca_secret="svc", ca_key="ca.crt")
        first = Tokens(f"{scheme}://localhost:{realm_port}/token")
        seen = see(first, login=login, tls=spec)
    assert [bool(said) for _, said in asked.asked] == ([sent] if scheme == "https" else [])
    assert came_to(seen) == ((Status.PASS, None) if sent else (FAIL, Reason.REALM_ELSEWHERE))


def test_whatever_a_token_service_elsewhere_says_the_login_was_not_tried() -> None:
    with serving(lambda _: Answer(200, "no token at all")) as port:
        seen = see(Tokens(f"http://localhost:{port}/token"))
    assert came_to(seen) == (FAIL, Reason.REALM_ELSEWHERE)


def test_a_token_service_elsewhere_must_have_a_certificate_that_holds(
    elsewhere: tuple[Tokens, int, str],
) -> None:
    server, port, _ = elsewhere
    server.asked.clear()
    login = {**LOGIN, "host": "localhost"}
    seen = see(Tokens(f"https://localhost:{port}/token"), login=login)
    assert came_to(seen) == (FAIL, Reason.CERTIFICATE_UNTRUSTED)
    assert server.asked == []


def test_a_token_service_elsewhere_that_is_asked_without_a_login_may_be_unreachable() -> None:
    (port,) = free_ports(1)
    seen = see(Tokens(f"https://localhost:{port}/token"))
    assert came_to(seen) == (FAIL, Reason.ANNOUNCED_UNREACHABLE)


@pytest.mark.parametrize(
    ("realm", "why"),
    [
        ("https://169.254.169.254/token", "not an address that clients can use"),
        ("http://[fe80::1]:80/token", "not an address that clients can use"),
        ("https://0.0.0.0/token", "not an address that clients can use"),
    ],
)
def test_places_that_no_server_has_a_say_in(realm: str, why: str) -> None:
    seen = see(Tokens(realm))
    assert came_to(seen) == (FAIL, Reason.ANNOUNCED_UNREACHABLE)
    assert why in said(seen, Stage.AUTH)


@pytest.mark.parametrize("realm", ["", "token", "ftp://x/", "https://user:word@x/", "https://[x/"])
def test_a_realm_that_is_no_address(realm: str) -> None:
    header = f'Bearer realm="{realm}",service="s"'
    seen = see(lambda _: Answer(401, {}, {**API, "WWW-Authenticate": header}))
    assert came_to(seen) == (FAIL, Reason.SERVER_ERROR)


def test_a_registry_with_tls_does_not_have_its_password_sent_in_clear(tmp_path: Path) -> None:
    plain = Tokens()
    pair = serving_itself(tmp_path, "server", f"IP:{HOST}")
    with serving(plain) as clear:
        server = Tokens(f"http://{HOST}:{clear}/token")
        with serving(server, (str(pair.crt), str(pair.key))) as port:
            spec = TlsSpec(mode=TlsMode.REQUIRE)
            seen = observe("registry", "registry", HOST, port, login=LOGIN, tls=spec)
    assert came_to(seen) == (FAIL, Reason.REALM_ELSEWHERE)
    assert not any(said for _, said in plain.asked)


def test_a_token_service_beside_the_registry_is_trusted_as_the_registry_is(tmp_path: Path) -> None:
    pair = serving_itself(tmp_path, "server", f"IP:{HOST}")
    both = (str(pair.crt), str(pair.key))
    with serving(Tokens(), both) as beside:
        server = Tokens(f"https://{HOST}:{beside}/token")
        with serving(server, both) as port:
            spec = TlsSpec(mode=TlsMode.REQUIRE)
            seen = observe("registry", "registry", HOST, port, login=LOGIN, tls=spec)
    assert came_to(seen) == (Status.PASS, None)


def test_anybody_may_have_a_token_of_a_public_registry() -> None:
    server = Tokens(anybody=True)
    with serving(server) as port:
        server.realm = f"http://{HOST}:{port}/token"
        seen = observe("registry", "registry", HOST, port, tls=CALM)
    assert seen.status is Status.PASS
    assert "gives tokens to anybody" in said(seen, Stage.AUTH)


def test_nobody_gets_a_token_without_a_login() -> None:
    server = Tokens()
    with serving(server) as port:
        server.realm = f"http://{HOST}:{port}/token"
        ended = end_of(observe("registry", "registry", HOST, port, tls=CALM))
    assert ended and (ended.stage, ended.reason) == (Stage.AUTH, Reason.AUTH_REQUIRED)


@pytest.mark.parametrize("body", [{}, {"token": 7}, {"token": ""}, {"token": "a\r\nb: c"}, "x"])
def test_a_token_service_that_gives_no_token(body: Any) -> None:
    def handle(request: Request) -> Answer:
        if request.path == "/token":
            return Answer(200, body)
        header = f'Bearer realm="http://{HOST}:{port}/token",service="s"'
        return Answer(401, {}, {**API, "WWW-Authenticate": header})

    with serving(handle) as port:
        seen = observe("registry", "registry", HOST, port, login=LOGIN, tls=CALM)
    assert came_to(seen) == (FAIL, Reason.SERVER_ERROR)


# -- who answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}),
        Answer(404, "404 page not found"),
        Answer(401, {}, {"WWW-Authenticate": 'Basic realm="x"'}),
        Answer(302, "", {"Location": "/login"}),
    ],
)
def test_something_else(answer: Answer) -> None:
    assert came_to(see(lambda _: answer)) == (FAIL, Reason.WRONG_PRODUCT)


def test_a_registry_whose_storage_fails() -> None:
    errors = {"errors": [{"code": "UNAVAILABLE", "message": "service unavailable"}]}
    seen = see(lambda _: Answer(503, errors, API))
    assert came_to(seen) == (FAIL, Reason.UNHEALTHY)
    assert "UNAVAILABLE: service unavailable" in said(seen, Stage.HANDSHAKE)


def test_a_login_in_a_way_that_is_not_known() -> None:
    seen = see(lambda _: Answer(401, {}, {**API, "WWW-Authenticate": "Negotiate"}))
    assert came_to(seen) == (FAIL, Reason.AUTH_METHOD_UNSUPPORTED)


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (Answer(200, {"status": "healthy", "components": []}), (Status.PASS, None)),
        (
            Answer(503, {"status": "unhealthy", "components": [
                {"name": "core", "status": "healthy"}, {"name": "redis", "status": "unhealthy"}]}),
            (WARN, Reason.DEGRADED),
        ),
        (Answer(404, {}), (Status.PASS, None)),
    ],
)  # fmt: skip
def test_harbor(health: Answer, expected: tuple[Status, Reason | None]) -> None:
    server = Tokens(service="harbor-registry")

    def handle(request: Request) -> Answer:
        return health if request.path == "/api/v2.0/health" else server(request)

    with serving(handle) as port:
        server.realm = f"http://{HOST}:{port}/token"
        seen = observe("registry", "registry", HOST, port, login=LOGIN, tls=CALM)
    assert (came_to(seen), seen.fact("product")) == (expected, "harbor")
    assert ("redis" in said(seen)) is (expected[0] is WARN)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, Reason.FORBIDDEN), (500, Reason.SERVER_ERROR), (502, Reason.UNHEALTHY)],
)
def test_an_image_that_cannot_be_had(status: int, reason: Reason) -> None:
    def handle(request: Request) -> Answer:
        return Answer(200, {}, API) if request.path == "/v2/" else Answer(status, "<html>")

    seen = see(handle, expect={"image": "a/b:1"})
    assert came_to(seen) == (FAIL, reason)


def test_an_expectation_that_is_no_image() -> None:
    seen = see(lambda _: Answer(200, {}, API), expect={"image": "a//etc:x"})
    assert came_to(seen) == (FAIL, Reason.BAD_EXPECTATION)


# -- pure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="lab"', ("basic", "lab", "")),
        ('Bearer realm="https://a/t",service="s",scope="x:y,z"', ("bearer", "https://a/t", "s")),
        ('Basic realm="a", Bearer realm="https://b", service=c', ("bearer", "https://b", "c")),
        ('bearer service="a\\"b" , realm="r"', ("bearer", "r", 'a"b')),
        ("Negotiate", None),
        ("", None),
        ('Bearer realm="open', ("bearer", "", "")),
        ("Digest realm=x, nonce=y", None),
    ],
)
def test_challenges(header: str, expected: tuple[str, str, str] | None) -> None:
    found = read.challenge_of(header)
    assert (found and (found.scheme, found.realm, found.service)) == expected


@pytest.mark.parametrize(
    ("text", "name", "reference"),
    [
        ("web", "web", "latest"),
        ("shop/web:1.0", "shop/web", "1.0"),
        ("198.51.100.85:8888/springcloud/msa:1.0.0", "springcloud/msa", "1.0.0"),
        ("localhost/web:1", "web", "1"),
        ("harbor.example/a/b@sha256:" + "0" * 64, "a/b", "sha256:" + "0" * 64),
        ("a/b:1@sha256:" + "0" * 64, "a/b", "sha256:" + "0" * 64),
    ],
)
def test_images(text: str, name: str, reference: str) -> None:
    found = read.image_of(text)
    assert (found.name, found.reference) == (name, reference)


@pytest.mark.parametrize(
    "text", ["", "Web", "a//b", "a:", "a:b c", "a/../x", "a/b@sha256:1", "a b"]
)
def test_what_is_no_image(text: str) -> None:
    with pytest.raises(ValueError, match=r"expect\.image"):
        read.image_of(text)


@pytest.mark.parametrize(
    ("text", "address", "header", "path"),
    [
        ("https://auth.example/token", "auth.example:443", "auth.example", "/token"),
        ("http://198.51.100.7:8888/service/token", "198.51.100.7:8888", "198.51.100.7:8888",
         "/service/token"),
        ("http://h:5001", "h:5001", "h:5001", "/"),
        ("https://h/a b?x=1", "h:443", "h", "/a%20b?x=1"),
        ("https://[2001:db8::1]/t", "[2001:db8::1]:443", "[2001:db8::1]:443", "/t"),
    ],
)  # fmt: skip
def test_realms(text: str, address: str, header: str, path: str) -> None:
    realm = read.realm_of(text)
    assert (realm.address, realm.header, realm.path) == (address, header, path)


def test_the_question_for_a_token() -> None:
    realm = read.realm_of("https://h/t?a=b")
    image = read.image_of("shop/web:1")
    assert read.token_path(realm, "s t", image) == (
        "/t?a=b&service=s+t&scope=repository%3Ashop%2Fweb%3Apull"
    )
    assert read.token_path(read.realm_of("https://h/t"), "", None) == "/t"


def test_hostile_answers() -> None:
    hostile(
        "registry", "registry", ("token", "access_token", "errors", "code", "message", "status"),
        values=("t", [{"code": "DENIED"}]),
        headers=(
            "Docker-Distribution-Api-Version: registry/2.0",
            'WWW-Authenticate: Basic realm="x"',
            'WWW-Authenticate: Bearer realm="http://h:1/t",service="harbor"',
            "WWW-Authenticate: Bearer realm=" + "a=,," * 200,
        ),
        expect={"image": "a/b:1"},
    )  # fmt: skip
