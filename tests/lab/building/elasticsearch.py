"""Elasticsearch 7.1.1, the version of the article, as its makers publish it for tests."""

from __future__ import annotations

import re
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say

VERSION = "7.1.1"
_COORDINATES = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_MAVEN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy"
ARTIFACT = Artifact("elasticsearch", VERSION, f"3 {_COORDINATES}")
_GONE_IN_JAVA_17 = re.compile(r"^(-XX:.*(?:CMS|ConcMarkSweep).*|8:.*|9-:.*|10-:.*|-Xm[sx].*)$")


def build() -> None:
    """Fetch and unpack it, ready for Java 17."""
    if ARTIFACT.made():
        return
    say(f"Elasticsearch {VERSION}: 30 MB by Maven, about 15 s")
    ARTIFACT.make(_make)


def _make(into: Path) -> None:
    options = ["-q", "-B", f"-Dartifact={_COORDINATES}", f"-DoutputDirectory={into}"]
    run(["mvn", _MAVEN, *options])
    archive = into / f"elasticsearch-{VERSION}.zip"
    run(["unzip", "-q", str(archive), "-d", str(into)])
    archive.unlink()
    (into / f"elasticsearch-{VERSION}").rename(into / "home")
    options_file = into / "home" / "config" / "jvm.options"
    lines = options_file.read_text().splitlines()
    kept = [line for line in lines if not _GONE_IN_JAVA_17.match(line)]
    options_file.write_text("\n".join(kept) + "\n")
