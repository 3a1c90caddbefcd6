"""A small TCP server that says what it is told: for wrong targets and broken ones."""

from __future__ import annotations

import sys

from tests.lab import wire
from tests.lab.component import spawn
from tests.lab.guise import Guise, Role
from tests.lab.place import Place

_PROGRAM = r"""
import socket, struct, sys, threading, time
address, port, greeting, answer, then = sys.argv[1:6]
unescape = lambda text: text.encode("latin-1").decode("unicode_escape").encode("latin-1")
greeting, answer = unescape(greeting), unescape(answer)

def serve(client):
    with client:
        if greeting:
            client.sendall(greeting)
        if then == "flood":
            try:
                while True:
                    client.sendall(bytes(65536))
            except OSError:
                return
        if then in ("wait", "reset") or answer:
            try:
                while client.recv(65536):
                    if answer:
                        client.sendall(answer)
                    if then != "wait":
                        break
            except OSError:
                return
        if then == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

with socket.create_server((address, int(port))) as listener:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()
"""


def _start(place: Place, guise: Guise) -> None:
    said = [str(guise.options.get(k, "")) for k in ("greeting", "answer")]
    then = str(guise.options.get("then", "wait"))
    argv = [sys.executable, "-S", "-c", _PROGRAM, guise.address, str(guise.port), *said, then]
    spawn(place, guise.component_name, guise.name, argv)


def _ready(place: Place, guise: Guise) -> bool:
    with wire.connect(place, guise.name, guise.address, guise.port):
        return True


ROLE = Role(
    name="talker",
    protocol="tcp",
    port=7000,
    start=_start,
    ready=_ready,
    options={
        "greeting": {"type": "text"},
        "answer": {"type": "text"},
        "then": {"type": "text", "enum": ["wait", "close", "reset", "flood"]},
    },
)
