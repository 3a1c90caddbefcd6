"""A stand-in for Logstash (no registry has it): a consumer of a queue that fills an index.

What it does, and what of Logstash that is, says `tests/lab/standins/logstash.py`. It listens
nowhere: its port is that of nothing.
"""

from __future__ import annotations

import sys

from tests.lab.component import spawn, write_private
from tests.lab.guise import Guise, Role, application_password
from tests.lab.place import PROJECT, Place

_PROGRAM = PROJECT / "tests" / "lab" / "standins" / "logstash.py"
QUEUE, INDEX = "msa-ext-elk-queue", "msa-ext-elk"


def _start(place: Place, guise: Guise) -> None:
    broker, search = guise.peers["from"], guise.peers["to"]
    folder = guise.folder(place)
    begun = folder / "consuming"
    begun.unlink(missing_ok=True)
    word = write_private(folder / "password", application_password(place, "rabbitmq"))
    queue, index = (str(guise.options.get(k, v)) for k, v in (("queue", QUEUE), ("index", INDEX)))
    taken = [broker.address, str(broker.port), "shop", queue]
    put = [search.address, str(search.port), index]
    argv = [sys.executable, "-S", str(_PROGRAM), *taken, *put, str(word), str(begun)]
    spawn(place, guise.component_name, guise.name, argv)


def _ready(place: Place, guise: Guise) -> bool:
    return (guise.folder(place) / "consuming").exists()


ROLE = Role(
    name="logstash",
    protocol="tcp",
    port=9600,
    start=_start,
    ready=_ready,
    options={
        "from": {"type": "text"},
        "to": {"type": "text"},
        "queue": {"type": "text"},
        "index": {"type": "text"},
    },
    leans_on=("from", "to"),
    attaches=("from",),
)
