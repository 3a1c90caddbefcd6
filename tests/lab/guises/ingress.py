"""A stand-in of an ingress controller (`standins/ingress_controller.py`) on a host of its own.

It stands outside of the nodes, as controllers on machines of their own do, and sends to the
endpoints' addresses. Its class is made when it starts and stays when it is gone, as that of a
controller that died does.
"""

from __future__ import annotations

import json
import sys

from tests.lab import certificates, wire
from tests.lab.component import alone, folder_for, spawn
from tests.lab.guise import Guise, Role
from tests.lab.hosts import DNS
from tests.lab.place import Place
from tests.lab.standins import ingress_controller

CLASS = "lab"


def class_of(guise: Guise) -> str:
    """The IngressClass that it serves."""
    return str(guise.options.get("class", CLASS))


def _start(place: Place, guise: Guise) -> None:
    folder = guise.folder(place)
    pair = certificates.make(place, "self-signed", ["ingress.local"], folder / "tls")
    settings = {
        "kubeconfig": str(place.kubeconfig),
        "address": guise.address,
        "folder": str(folder / "nginx"),
        "class": class_of(guise),
        "certificate": str(pair.certificate),
        "key": str(pair.key),
        "resolver": DNS.address,
        "external_names": "yes" if guise.options.get("external_names", True) else "no",
    }
    argv = [sys.executable, "-S", ingress_controller.__file__, json.dumps(settings)]
    spawn(place, guise.component_name, guise.name, argv)


def _certificate(place: Place) -> dict[str, str]:
    """What a Secret for an Ingress below example.com holds; nobody logs in anywhere with it."""
    folder = folder_for(place, "ingress-certificate")
    with alone(folder):
        made = sorted(folder.glob("*.crt"))
        if not made:
            made = [certificates.make(place, "good", ["*.example.com"], folder).certificate]
    key = made[0].with_suffix(".key")
    return {"tls.crt": made[0].read_text(), "tls.key": key.read_text()}


def _ready(place: Place, guise: Guise) -> bool:
    return wire.http_request(place, guise.name, guise.address, 80, "/").status == 404


ROLE = Role(
    name="ingress",
    protocol="http",
    port=80,
    start=_start,
    ready=_ready,
    options={"class": {"type": "text"}, "external_names": {"type": "boolean"}},
    login=_certificate,
)
