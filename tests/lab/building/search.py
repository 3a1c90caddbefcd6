"""Elasticsearch 8.19 and OpenSearch as their makers publish them for tests.

No part of the default build: `python -m tests.lab.building.search` fetches both (190 MB by Maven,
about 20 s). Elasticsearch lacks the module that answers `GET /` (405), and has TLS and logins;
OpenSearch gets its security plug-in. `tests/support/search_servers.py` starts them.
"""

from __future__ import annotations

import re
import shutil
import sys
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say
from tests.lab.place import LabError

_MAVEN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy"
_TESTS = "distribution.integ-test-zip"
# Heap and garbage collector: the one who starts it says which, and wants no log of it.
_OURS_TO_SAY = re.compile(r"^(-Xm[sx].*|.*-Xlog:gc.*|.*G1.*)$")

_ONE_AT_A_TIME = threading.Lock()  # two cases of the gym may ask for the same one

ELASTICSEARCH = Artifact(
    "elasticsearch", "8.19.21", f"2 org.elasticsearch.{_TESTS}:elasticsearch:8.19.21:zip"
)
OPENSEARCH = Artifact(
    "opensearch",
    "2.11.1",
    f"2 org.opensearch.{_TESTS}:opensearch:2.11.1:zip "
    "org.opensearch.plugin:opensearch-security:2.11.1.0:zip",
)


def build(wanted: Iterable[Artifact] = (ELASTICSEARCH, OPENSEARCH)) -> None:
    """Fetch and unpack what is missing of those that are wanted."""
    with _ONE_AT_A_TIME:
        for artifact in wanted:
            if not artifact.made():
                say(f"{artifact.name} {artifact.version}: about 100 MB by Maven, about 10 s")
                artifact.make(partial(_make, artifact))


def _make(artifact: Artifact, into: Path) -> None:
    server, *plugins = artifact.recipe.split()[1:]
    _unpack(server, into)
    home = into / "home"
    (into / f"{artifact.name}-{artifact.version}").rename(home)
    for plugin in plugins:
        folder = home / "plugins" / plugin.split(":")[1]
        folder.mkdir(parents=True)
        _unpack(plugin, folder)
        shutil.copytree(folder / "config", home / "config" / folder.name)
    options = home / "config" / "jvm.options"
    lines = options.read_text().splitlines()
    options.write_text("\n".join(line for line in lines if not _OURS_TO_SAY.match(line)) + "\n")


def _unpack(coordinates: str, into: Path) -> None:
    run(["mvn", _MAVEN, "-q", "-B", f"-Dartifact={coordinates}", f"-DoutputDirectory={into}"])
    archive = next(into.glob("*.zip"))
    run(["unzip", "-q", str(archive), "-d", str(into)])
    archive.unlink()


if __name__ == "__main__":
    try:
        build()
    except LabError as problem:
        sys.exit(f"lab: {problem}")
