"""Java apps for pods: built when first asked for, then imported into both nodes' containerd."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.building import java
from tests.lab.hosts import NODES, Host, inside
from tests.lab.place import Place

_CTR = ("ctr", "--namespace", "k8s.io", "images")
_ONE_AT_A_TIME = threading.Lock()


def references(names: Iterable[str]) -> dict[str, str]:
    """What the gym's `${image.NAME}` stands for."""
    return {f"image.{name}": java.apps()[name].reference for name in names}


def provide(place: Place, *names: str) -> None:
    """Every node has the images of these apps afterwards: pods need no registry."""
    if not names:
        return
    with _ONE_AT_A_TIME:
        java.build(*names)
        wanted = [(java.JAVA_17.reference, java.JAVA_17.archive)]
        wanted += [(java.apps()[n].reference, java.apps()[n].archive) for n in names]
        with ThreadPoolExecutor(len(NODES)) as pool:
            list(pool.map(lambda node: _import(place, node, wanted), NODES))


def _import(place: Place, node: Host, wanted: list[tuple[str, Path]]) -> None:
    """In their order: an app's archive does not repeat the layers of Java's."""
    there = inside(place, node.name, [*_CTR, "list", "--quiet"]).split()
    for reference, archive in wanted:
        if reference not in there:
            inside(place, node.name, [*_CTR, "import", str(archive)])
