"""A small TCP server that says what it is told: for wrong targets and broken ones."""

from __future__ import annotations

from tests.lab import wire
from tests.lab.guise import Guise, Role
from tests.lab.place import Place
from tests.lab.standins.run import start


def _start(place: Place, guise: Guise) -> None:
    start(place, guise, "talker", guise.options)


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
        "answers": {"type": "list", "items": {"type": "text"}},
        "replies": {"type": "mapping", "values": {"type": "text"}},
        "pace": {"type": "number"},
        "delay": {"type": "number"},
        "then": {"type": "text", "enum": ["wait", "close", "reset", "flood"]},
    },
)
