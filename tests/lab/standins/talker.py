"""A TCP server that says what it is told and speaks no protocol.

Told are: `greeting`, `answer`, `answers` (one after the other; the last one again and again),
`replies` (regular expression of a request to its answer; one that matches comes before `answers`),
`pace` (seconds between two bytes), `delay` (seconds before each answer) and `then` (`wait`,
`close`, `reset`, `flood`). Texts may hold `\\n` and `\\x00`.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any


def unescaped(text: str) -> bytes:
    """Bytes of a text with escapes."""
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Talk:
    """What is said on one connection."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.greeting = unescaped(told.get("greeting", ""))
        texts = told.get("answers") or [told.get("answer", "")]
        self.answers = [unescaped(text) for text in texts if text]
        self.replies = [
            (re.compile(unescaped(pattern), re.DOTALL), unescaped(text))
            for pattern, text in told.get("replies", {}).items()
        ]
        self.pace = float(told.get("pace", 0))
        self.delay = float(told.get("delay", 0))
        self.then = str(told.get("then", "wait"))

    @property
    def answering(self) -> bool:
        """Whether it has anything to say to a request."""
        return bool(self.answers or self.replies)

    def answer(self, request: bytes, number: int) -> bytes:
        """What is said to the request of that number, counted from 0."""
        for pattern, text in self.replies:
            if pattern.search(request):
                return text
        return self.answers[min(number, len(self.answers) - 1)] if self.answers else b""

    def last(self, number: int) -> bool:
        """Whether it ends with this answer."""
        return self.then != "wait" and number + 1 >= len(self.answers)


def say(client: socket.socket, text: bytes, pace: float) -> None:
    """All at once, or byte by byte."""
    if not pace:
        client.sendall(text)
        return
    for byte in text:
        client.sendall(bytes([byte]))
        time.sleep(pace)


def serve(client: socket.socket, told: dict[str, Any], tls: ssl.SSLContext | None) -> None:
    """One connection; when the client goes, so does it."""
    talk = Talk(told)
    try:
        client = tls.wrap_socket(client, server_side=True) if tls else client
    except OSError:
        client.close()
        return
    with client:
        try:
            converse(client, talk)
        except OSError:
            return
        if talk.then == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def converse(client: socket.socket, talk: Talk) -> None:
    """Greeting, then an answer to whatever comes."""
    say(client, talk.greeting, talk.pace)
    while talk.then == "flood":
        client.sendall(bytes(65536))
    if talk.then == "close" and not talk.answering:
        return
    number = 0
    while request := client.recv(65536):
        text = talk.answer(request, number)
        if text:
            time.sleep(talk.delay)
            say(client, text, talk.pace)
        if talk.last(number):
            return
        number += 1


def main(file: str) -> None:
    """Serve for ever."""
    told = json.loads(Path(file).read_text())
    tls = None
    if "pair" in told:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*told["pair"])
    with socket.create_server((told["address"], told["port"])) as listener:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(client, told, tls), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
