"""The real XXL-JOB executor (xxl-job-core 2.3.0) in a program of ours: tests/lab/java/xxljob.

No part of the default build: `python -m tests.lab.building.xxljob` makes it (Maven, about 15 s).
"""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say
from tests.lab.place import PROJECT, LabError

VERSION = "2.3.0"
_SOURCES = PROJECT / "tests" / "lab" / "java" / "xxljob"
_FILES = ("pom.xml", "src/main/java/io/k8sext/lab/Executor.java")
_ONE_AT_A_TIME = threading.Lock()
ARTIFACT = Artifact(
    "xxl-job-executor", VERSION, "1 " + " ".join((_SOURCES / f).read_text() for f in _FILES)
)


def jar() -> Path:
    """The program: one file, started by `java -jar`."""
    return ARTIFACT.need() / "executor.jar"


def build() -> None:
    """Make it where it is missing."""
    with _ONE_AT_A_TIME:
        if not ARTIFACT.made():
            say(f"XXL-JOB executor {VERSION}: by Maven, about 15 s")
            ARTIFACT.make(_make)


def _make(into: Path) -> None:
    work = into / "work"
    shutil.copytree(_SOURCES, work)
    run(["mvn", "-q", "-B", "package"], cwd=work)
    (work / "target" / "executor.jar").rename(into / "executor.jar")
    shutil.rmtree(work)


if __name__ == "__main__":
    try:
        build()
    except LabError as problem:
        sys.exit(f"lab: {problem}")
