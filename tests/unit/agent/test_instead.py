"""A guess that is wrong is looked at once more, by the generic word; one that is right is not."""

import asyncio
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import pytest

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.agent.summary import decode, encode
from k8sext.model.plan import Budget, Instead, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route, Stage, Status

MODULES = ("redis", "http", "elastic", "tcp")
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
ES = (
    b'{"name":"n","cluster_name":"c","cluster_uuid":"u","version":{"number":"7.17.9"},'
    b'"tagline":"You Know, for Search"}'
)
LOGS = (
    b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(ES), ES)
)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
HTTP, TCP = Instead(protocol="http"), Instead(protocol="tcp")
CONNECT, HANDSHAKE = Stage.CONNECT, Stage.HANDSHAKE


@contextmanager
def talker(
    answer: bytes, *, at_once: bytes = b"", close: bool = False, elsewhere: bytes = b""
) -> Generator[list[int]]:
    """Answers every read alike, or paths below the root with `elsewhere`; gives its port, and then
    one entry for each connection.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    seen = [int(listener.getsockname()[1])]

    def one(client: socket.socket) -> None:
        with client:
            try:
                if at_once:
                    client.sendall(at_once)
                while (asked := client.recv(4096)) and not close:
                    below = elsewhere and not asked.startswith(b"GET / ")
                    if said := elsewhere if below else answer:
                        client.sendall(said)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            seen.append(1)
            threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield seen
    listener.close()


def target(port: int, protocol: str, *instead: Instead, tls: TlsMode | None = None) -> Target:
    return Target(
        id="o1",
        service="svc",
        port_key="http",
        protocol=protocol,
        route=Route.ENDPOINT,
        host="127.0.0.1",
        port=port,
        tls=TlsSpec(mode=tls),
        instead=instead,
    )


def plan_of(made: Target) -> Plan:
    return Plan(
        run_id="r",
        namespace="dev",
        targets=(made,),
        modules=MODULES,
        budget=Budget(stage_s=0.6, probe_s=2, run_s=6),
        vantage="local",
    )


def looked_at(made: Target) -> Observation:
    found: list[Observation] = []
    runner = Runner(plan_of(made), load_checks(MODULES), GivenValues({}), found.append)
    asyncio.run(runner.run())
    (one,) = found
    return one


def test_a_page_on_9200_is_judged_as_a_page() -> None:
    with talker(PAGE) as seen:
        one = looked_at(target(seen[0], "elasticsearch", HTTP))
    assert (one.protocol, one.status, one.depth) == ("http", Status.PASS, Stage.VERIFY)
    assert (one.fact("guess"), one.fact("guess_reason")) == ("elasticsearch", "wrong_product")
    assert seen[1:] == [1, 1]


def test_a_guess_that_is_right_costs_one_connection() -> None:
    with talker(LOGS, elsewhere=MISSING) as seen:
        one = looked_at(target(seen[0], "elasticsearch", HTTP))
    assert one.protocol == "elasticsearch"
    assert one.fact("guess") is None
    assert seen[1:] == [1]


def test_without_a_generic_word_the_first_verdict_stays() -> None:
    with talker(PAGE) as seen:
        one = looked_at(target(seen[0], "elasticsearch"))
    assert (one.protocol, one.status) == ("elasticsearch", Status.FAIL)


def test_what_closes_on_the_guessed_words_is_connected_to() -> None:
    with talker(b"", close=True) as seen:
        one = looked_at(target(seen[0], "redis", TCP))
    assert (one.protocol, one.status, one.depth) == ("tcp", Status.PASS, CONNECT)


@pytest.mark.parametrize(
    ("instead", "protocol", "status"),
    [
        (Instead(protocol="tcp", after_silence=False), "redis", Status.FAIL),
        (TCP, "tcp", Status.PASS),
        (HTTP, "http", Status.FAIL),
    ],
)
def test_a_server_that_hangs_passes_by_its_services_name_only(
    instead: Instead, protocol: str, status: Status
) -> None:
    with talker(b"") as seen:
        one = looked_at(target(seen[0], "redis", instead))
    assert (one.protocol, one.status) == (protocol, status)


def test_what_only_such_a_server_says_is_its_verdict() -> None:
    busy = b"-ERR max number of clients reached\r\n"
    with talker(busy, at_once=busy) as seen:
        one = looked_at(target(seen[0], "redis", TCP))
    assert one.protocol == "redis"
    assert one.ended_by
    assert one.ended_by.reason is Reason.TOO_MANY_CONNECTIONS


def test_nobody_listens_is_no_question_of_the_protocol() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    one = looked_at(target(port, "redis", TCP))
    assert (one.protocol, one.depth, one.status) == ("redis", None, Status.FAIL)


@pytest.mark.parametrize("more", [(), (TCP,)])
def test_where_the_number_hints_at_tls_a_plain_server_is_accepted(more: Sequence[Instead]) -> None:
    """A plain Redis answers a ClientHello with an error, and PING with NOAUTH."""
    with talker(b"-NOAUTH Authentication required.\r\n") as seen:
        plain = Instead(protocol="redis")
        one = looked_at(target(seen[0], "redis", plain, *more, tls=TlsMode.REQUIRE))
    handshake = one.stage(HANDSHAKE)
    assert handshake
    assert (one.protocol, handshake.status) == ("redis", Status.PASS)
    assert one.fact("guess") is None


def test_where_tls_is_wanted_a_plain_server_fails() -> None:
    with talker(b"-NOAUTH Authentication required.\r\n") as seen:
        one = looked_at(target(seen[0], "redis", tls=TlsMode.REQUIRE))
    assert one.ended_by
    assert one.ended_by.stage is Stage.TLS


def test_a_termination_message_says_as_what_it_was_looked_at() -> None:
    with talker(PAGE) as seen:
        made = target(seen[0], "elasticsearch", HTTP)
        one = looked_at(made)
    _, told = decode(encode([one], None), plan_of(made), "node1")
    assert [(o.id, o.protocol, o.target) for o in told] == [("o1", "http", one.target)]
