"""The server that says what it is told."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.standins import talker


@contextmanager
def talking(**told: Any) -> Generator[socket.socket]:
    ours, its = socket.socketpair()
    ours.settimeout(5)
    thread = threading.Thread(target=talker.serve, args=(its, told, None), daemon=True)
    thread.start()
    with ours:
        yield ours
    thread.join(5)
    assert not thread.is_alive()


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(100)


def test_answers_one_after_the_other_the_last_again() -> None:
    with talking(answers=["+OK\\r\\n", "-ERR\\r\\n"]) as client:
        said = [ask(client, b"x") for _ in range(3)]
    assert said == [b"+OK\r\n", b"-ERR\r\n", b"-ERR\r\n"]


def test_a_request_that_matches_has_its_own_answer() -> None:
    with talking(replies={"PING": "+PONG\\r\\n", "^GET ": "HTTP/1.1 200 OK"}, answer="?") as client:
        said = [ask(client, text) for text in (b"*1 PING", b"GET / ", b"whatever")]
    assert said == [b"+PONG\r\n", b"HTTP/1.1 200 OK", b"?"]


def test_byte_by_byte() -> None:
    began = time.monotonic()
    with talking(greeting="abcde", pace=0.02, then="close") as client:
        said = b"".join(iter(lambda: client.recv(100), b""))
    assert said == b"abcde"
    assert time.monotonic() - began >= 0.08


@pytest.mark.parametrize("told", [{"then": "close"}, {"answer": "a", "then": "close"}])
def test_it_closes_at_once_or_after_the_answer(told: dict[str, Any]) -> None:
    with talking(**told) as client:
        if "answer" in told:
            assert ask(client, b"x") == b"a"
        assert client.recv(100) == b""


def test_silence_is_kept() -> None:
    with talking(then="wait") as client:
        client.sendall(b"x")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)
