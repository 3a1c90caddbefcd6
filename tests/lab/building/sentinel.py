"""Sentinel's dashboard 0.1.1, the only one on a registry: a Spring Boot program for Java 8.

No part of the default build: fetched when a case first asks for it, or by
`python -m tests.lab.building.sentinel` (25 MB by Maven).
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say
from tests.lab.place import LabError

VERSION = "0.1.1"
_COORDINATES = f"com.alibaba.csp:sentinel-dashboard:{VERSION}:jar"
_MAVEN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy"
_ONE_AT_A_TIME = threading.Lock()
ARTIFACT = Artifact("sentinel-dashboard", VERSION, f"1 {_COORDINATES}")
JAVA_17 = (
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
)
"""What a program of 2018 needs to start on Java 17."""


def build() -> None:
    """Fetch it if it is missing."""
    with _ONE_AT_A_TIME:
        if not ARTIFACT.made():
            say(f"Sentinel's dashboard {VERSION}: 25 MB by Maven, about 10 s")
            ARTIFACT.make(_make)


def jar() -> Path:
    """What is run by `java -jar`."""
    return ARTIFACT.need() / f"sentinel-dashboard-{VERSION}.jar"


def _make(into: Path) -> None:
    run(["mvn", _MAVEN, "-q", "-B", f"-Dartifact={_COORDINATES}", f"-DoutputDirectory={into}"])


if __name__ == "__main__":
    try:
        build()
    except LabError as problem:
        sys.exit(f"lab: {problem}")
