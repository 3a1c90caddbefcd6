"""`build`: all of it, what waits for the network beside what needs the processors."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.lab.building import apt, elasticsearch, golang, images, imagestore
from tests.lab.building.artifact import say


def build() -> None:
    """Make everything that is missing; quick when nothing is."""
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        programs = pool.submit(golang.build_all)
        packages = pool.submit(apt.install)
        packages.result()
        fetched = pool.submit(elasticsearch.build)
        made = pool.submit(_images)
        for part in (made, fetched, programs):
            part.result()
    if time.monotonic() - began > 3:
        say("everything is built")


def built() -> bool:
    """Whether `up` has all it needs."""
    return (
        not apt.missing()
        and all(program.artifact.made() for program in golang.PROGRAMS)
        and elasticsearch.ARTIFACT.made()
        and imagestore.artifact().made()
    )


def _images() -> None:
    images.build_all()
    imagestore.build()
