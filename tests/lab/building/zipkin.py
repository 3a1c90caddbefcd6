"""Zipkin 3.5.1 as its makers publish it: one executable archive, by Maven.

No part of the default build: a case of the gym or a test that needs it makes it (131 MB).
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say

VERSION = "3.5.1"
_COORDINATES = f"io.zipkin:zipkin-server:{VERSION}:jar:exec"
_MAVEN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy"
_ONE_AT_A_TIME = threading.Lock()  # two cases of the gym may ask for it
ARTIFACT = Artifact("zipkin", VERSION, f"1 {_COORDINATES}")


def build() -> None:
    """Fetch and unpack it, once."""
    with _ONE_AT_A_TIME:
        if ARTIFACT.made():
            return
        say(f"Zipkin {VERSION}: 131 MB by Maven, about 20 s")
        ARTIFACT.make(_make)


def _make(into: Path) -> None:
    options = ["-q", "-B", f"-Dartifact={_COORDINATES}", f"-DoutputDirectory={into}"]
    run(["mvn", _MAVEN, *options])
    archive = into / f"zipkin-server-{VERSION}-exec.jar"
    shutil.move(archive, into / "zipkin.jar")


if __name__ == "__main__":
    build()
