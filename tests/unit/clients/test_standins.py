"""Elasticsearch's client and httpx against stand-ins (scripted servers, nothing real)."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.authority import serving_itself
from tests.support.drivers import Pair, alone, both, ended
from tests.support.standins import Page, http, says, serving

LOGIN = {"username": "shop", "password": "canary-4711"}
BASIC = "Basic c2hvcDpjYW5hcnktNDcxMQ=="
OFFICIAL = {"X-Elastic-Product": "Elasticsearch"}
GREEN: Page = (200, {"status": "green", "number_of_nodes": 1, "unassigned_shards": 0})


def cluster(version: str) -> dict[str, Page]:
    root = {
        "name": "n", "cluster_name": "lab", "cluster_uuid": "u-1",
        "version": {"number": version}, "tagline": "You Know, for Search",
    }  # fmt: skip
    return {"/": (200, root), "/_cluster/health": GREEN}


def stage(seen: Observation, which: Stage) -> Status:
    found = seen.stage(which)
    assert found is not None
    return found.status


# -- elasticsearch -------------------------------------------------------------------------------


def test_a_cluster_of_version_8() -> None:
    with serving(http(cluster("8.19.0"), headers=OFFICIAL)) as port:
        pair = both("elasticsearch", port)
    assert (pair.reasons, pair.client.depth) == ((None, None), Stage.VERIFY)
    assert pair.client.client.startswith("elasticsearch 8.")


def test_the_client_refuses_a_healthy_7_1_1() -> None:
    with serving(http(cluster("7.1.1"))) as port:
        pair = both("elasticsearch", port)
    assert pair.reasons == (None, Reason.UNSUPPORTED_VERSION)
    assert pair.client.ended_by is not None
    assert pair.client.ended_by.stage is Stage.HANDSHAKE
    assert stage(pair.client, Stage.CONNECT) is Status.PASS


@pytest.mark.parametrize("status", [403, 405])
def test_who_it_is_may_not_be_asked(status: int) -> None:
    """The health tells the product as well: the client takes it from any answer's header."""
    pages = {**cluster("8.19.0"), "/": (status, {"error": "no", "status": status})}
    with serving(http(pages, headers=OFFICIAL)) as port:
        official = alone("elasticsearch", port)
    with serving(http(pages)) as port:
        other = alone("elasticsearch", port)
    assert ended(official) == (None, None)
    assert ended(other) == (Stage.HANDSHAKE, Reason.UNSUPPORTED_VERSION)


def test_nothing_may_be_asked() -> None:
    no: Page = (403, {"error": "no", "status": 403})
    with serving(http({"/": no, "/_cluster/health": no}, headers=OFFICIAL)) as port:
        assert ended(alone("elasticsearch", port))[1] is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("status", [406, 400])
def test_a_server_that_does_not_take_the_clients_media_type(status: int) -> None:
    """From 8 on the client asks for `compatible-with`, which older servers may reject."""
    refused: Page = (status, {"error": {"type": "media_type_header_exception"}, "status": status})
    with serving(http({"/": refused}, headers=OFFICIAL)) as port:
        pair = both("elasticsearch", port)
    assert pair.reasons[1] is Reason.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    ("login", "header"),
    [(LOGIN, BASIC), ({"api_key": "canary-4711"}, "ApiKey canary-4711")],
)
def test_logins_of_a_cluster(login: dict[str, str], header: str) -> None:
    pages = cluster("8.19.0")
    with serving(http(pages, login=header, headers=OFFICIAL)) as port:
        good = both("elasticsearch", port, login)
    with serving(http(pages, login="other", headers=OFFICIAL)) as port:
        bad = both("elasticsearch", port, login)
    assert (good.reasons, good.client.depth) == ((None, None), Stage.VERIFY)
    assert bad.reasons == (Reason.AUTH_REJECTED, None)
    assert bad.client.stages[0].reason is Reason.LOGIN_REJECTED_BEFORE
    assert "canary-4711" not in repr((good, bad))


def bomb(content: bytes, *, coding: str = "gzip", megabytes: int = 500) -> bytes:
    """An answer of a healthy cluster's shape that is some hundred MB when it is unpacked."""
    import gzip
    import io

    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(content)
        for _ in range(megabytes):
            file.write(b" " * (1 << 20))
        file.write(b"}")
    body = packed.getvalue()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Elastic-Product: Elasticsearch\r\n"
        f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"  # `says` does, and the driver would send the next one there
    )
    return head.encode() + body


BOMB = b'{"name": "n", "version": {"number": "8.19.0"}, "tagline": "You Know, for Search"'


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_a_gzip_bomb_is_not_unpacked(coding: str) -> None:
    import tracemalloc

    answer = bomb(BOMB, coding=coding)
    with serving(says(answer)) as port:
        tracemalloc.start()
        official = alone("elasticsearch", port)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert ended(official)[1] is Reason.TOO_MUCH
    assert most < 60 << 20


def test_an_answer_without_an_end() -> None:
    head = (
        "HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Length: 900000000\r\n\r\n"
    )
    with serving(says(head.encode() + b'{"a": "' + b"x" * (20 << 20))) as port:
        official = alone("elasticsearch", port)
    assert ended(official)[1] is Reason.TOO_MUCH


def test_gzip_that_nobody_asked_for_is_read() -> None:
    """Some proxies pack whatever passes."""
    answer = bomb(BOMB, megabytes=0)
    with serving(says(answer)) as port:
        official = alone("elasticsearch", port)
    assert ended(official) == (None, None)


def test_a_red_cluster() -> None:
    red = {**cluster("8.19.0"), "/_cluster/health": (200, {"status": "red"})}
    with serving(http(red, headers=OFFICIAL)) as port:
        pair = both("elasticsearch", port)
    assert pair.reasons == (Reason.UNHEALTHY, Reason.UNHEALTHY)


# -- http ----------------------------------------------------------------------------------------


def test_a_page() -> None:
    heads: list[str] = []
    with serving(http({"/ready": (200, {})}, heads=heads)) as port:
        pair = both("http", port, expect={"path": "/ready"})
    assert (pair.reasons, pair.client.depth) == ((None, None), Stage.VERIFY)
    assert all(f"\r\nhost: svc:{port}\r\n" in head.lower() for head in heads)
    assert "k8sext/" in heads[1]


@pytest.mark.parametrize(
    ("answer", "expect", "reason"),
    [
        ((500, {}), {}, Reason.UNHEALTHY),
        ((404, {}), {}, None),
        ((404, {}), {"status": 200}, Reason.UNEXPECTED),
        ((401, {}), {"status": 401}, None),
        ((400, b"The plain HTTP request was sent to HTTPS port"), {}, Reason.TLS_REQUIRED),
    ],
)
def test_statuses(answer: Page, expect: dict[str, int], reason: Reason | None) -> None:
    with serving(http({"/": answer})) as port:
        assert both("http", port, expect=expect).reasons == (reason, reason)


def test_logins_of_a_page() -> None:
    with serving(http({"/": (200, {})}, login=BASIC)) as port:
        good = both("http", port, LOGIN)
    assert (good.reasons, stage(good.client, Stage.AUTH)) == ((None, None), Status.PASS)
    assert "canary-4711" not in repr(good)


def test_no_proxy_of_this_machine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(http({"/": (200, {})})) as port:
        assert both("http", port).reasons == (None, None)
    with serving(http(cluster("8.19.0"), headers=OFFICIAL)) as port:
        assert both("elasticsearch", port).reasons == (None, None)


# -- TLS: the name that is asked for is not the address that is dialled ----------------------------


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    folder: Path = tmp_path_factory.mktemp("tls")
    pair = serving_itself(folder, "svc")
    yield pair.text, pair.context()


def over_tls(context: ssl.SSLContext, ca: str, protocol: str, name: str = "") -> Pair:
    mode = TlsMode.VERIFY_FULL if ca else TlsMode.REQUIRE
    where = {"ca_secret": "svc", "ca_key": "ca.crt"} if ca else {}
    spec = TlsSpec(mode=mode, server_name=name, **where)
    pages = {**cluster("8.19.0"), "/ready": (200, {})}
    with serving(http(pages, headers=OFFICIAL), context) as port:
        pair = both(protocol, port, LOGIN, ca=ca, tls=spec)
    assert pair.client.status is not Status.SKIP
    return pair


@pytest.mark.parametrize("protocol", ["elasticsearch", "https"])
def test_the_servers_name_is_verified(context: tuple[str, ssl.SSLContext], protocol: str) -> None:
    ca, served = context
    good = over_tls(served, ca, protocol)
    assert good.reasons == (None, None)
    assert stage(good.client, Stage.TLS) is Status.PASS
    other = over_tls(served, ca, protocol, name="other.example")
    mismatch = Reason.CERTIFICATE_NAME_MISMATCH
    assert other.reasons == (mismatch, mismatch)


@pytest.mark.parametrize("protocol", ["elasticsearch", "https"])
def test_a_certificate_that_nobody_signed(
    context: tuple[str, ssl.SSLContext], protocol: str, tmp_path: Path
) -> None:
    stranger = serving_itself(tmp_path, "svc").text
    untrusted = Reason.CERTIFICATE_UNTRUSTED
    assert over_tls(context[1], stranger, protocol).reasons == (untrusted, untrusted)
    assert over_tls(context[1], "", protocol).reasons == (None, None)


# -- what is none of theirs ------------------------------------------------------------------------

ANSWERS = {
    "redis": b"-ERR unknown command\r\n",
    "junk": b"\xff\xfe\x00junk\r\n\r\n",
    "nothing": b"",
}
PROTOCOLS = ("postgresql", "mysql", "rabbitmq", "redis", "elasticsearch", "http")


@pytest.mark.parametrize("answer", sorted(ANSWERS))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_driver_passes_or_breaks_on_an_answer_of_another_kind(
    protocol: str, answer: str
) -> None:
    with serving(says(ANSWERS[answer], unasked=protocol == "mysql")) as port:
        pair = both(protocol, port, LOGIN)
    if pair.client.status is Status.SKIP:
        assert pair.client.stages[0].reason in (Reason.LOGIN_REJECTED_BEFORE, Reason.NO_CREDENTIALS)
        return
    assert pair.client.status is Status.FAIL, pair.client
    assert pair.client.ended_by is not None
    assert pair.client.ended_by.reason is not Reason.INTERNAL_ERROR
    assert "canary-4711" not in repr(pair)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_listens(protocol: str) -> None:
    with serving(says(b"")) as port:
        pass
    assert both(protocol, port, LOGIN).reasons == (Reason.REFUSED, Reason.REFUSED)


@pytest.mark.parametrize("protocol", ["elasticsearch", "https"])
def test_a_client_certificate_is_presented_and_shown_nowhere(protocol: str, tmp_path: Path) -> None:
    pair = serving_itself(tmp_path, "svc")
    served, key = pair.context(), pair.key.read_text()
    served.verify_mode = ssl.CERT_REQUIRED
    served.load_verify_locations(cadata=pair.text)
    ours = {"tls.crt": pair.text, "tls.key": key}
    spec = TlsSpec(mode=TlsMode.VERIFY_FULL, ca_secret="svc", ca_key="ca.crt")
    with serving(http(cluster("8.19.0"), headers=OFFICIAL), served) as port:
        good = both(protocol, port, {**LOGIN, **ours}, ca=pair.text, tls=spec)
        bare = both(protocol, port, LOGIN, ca=pair.text, tls=spec)
    assert (good.reasons, good.client.depth) == ((None, None), Stage.VERIFY)
    assert bare.wire.status is bare.client.status is Status.FAIL
    assert key.splitlines()[1] not in repr(good)
