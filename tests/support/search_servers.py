"""Starts a real Elasticsearch 7.1.1, 8.19.21 or OpenSearch 2.11.1, one node each.

`prepare` writes a node's folder and says how to start it, wherever that is; `running` starts it on
loopback. Users of the two that have logins: `shop` may do everything, `reader` may read the index
`orders` (Elasticsearch), `poor` has no right at all; all three have the password PASSWORD.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.lab.building import elasticsearch, search
from tests.lab.building.artifact import Artifact, clone_tree, run
from tests.support.ports import free_ports

PASSWORD = "canary-4711"
_HASH = "$2a$10$rocJ2JzSqt36AoqQh3CEp.W2ATQ587ti5o15NO3y1CNsEFimkkOZi"  # bcrypt of PASSWORD
_JAVA = "/usr/lib/jvm/java-17-openjdk-amd64"
_USER = "nobody"  # none of the three runs as root
_DAYS = "60"  # less than 30 is a warning of its own
START_S = 120
ARTIFACTS: Mapping[str, Artifact] = {
    "elasticsearch-7": elasticsearch.ARTIFACT,
    "elasticsearch-8": search.ELASTICSEARCH,
    "opensearch": search.OPENSEARCH,
}


@dataclass(frozen=True)
class Node:
    """Where a node listens, and how it is started."""

    kind: str
    address: str
    http: int
    transport: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ca: str = ""  # PEM; empty: it has no TLS

    @property
    def login(self) -> dict[str, str]:
        """The login that may do everything; {} where there are none."""
        return {"username": "shop", "password": PASSWORD} if self.ca else {}


def prepare(
    kind: str, folder: Path, address: str, http: int, transport: int, **settings: object
) -> Node:
    """Write the folder of a node; `settings` are more lines of its configuration.

    The folder must be one that `nobody` can reach; its home is linked from the build's cache.
    """
    home, config = folder / "home", folder / "config"
    clone_tree(ARTIFACTS[kind].need() / "home", home)
    shutil.copytree(home / "config", config)
    (folder / "tmp").mkdir()
    lines: dict[str, object] = {
        "cluster.name": kind,
        "node.name": "one",
        "network.host": address,
        "http.port": http,
        "transport.port": transport,
        "discovery.type": "single-node",
        "path.data": f"{folder}/data",
        "path.logs": f"{folder}/logs",
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }
    if kind != "elasticsearch-7":
        _certificates(config, address)
        lines |= _secured(kind, config)
    lines |= {key.replace("__", "."): value for key, value in settings.items()}
    lines = {key: value for key, value in lines.items() if value is not None}
    program = "opensearch" if kind == "opensearch" else "elasticsearch"
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items())
    (config / f"{program}.yml").write_text(text)
    if os.geteuid() == 0:
        # Not the home: its files may be links into the cache.
        run(["chown", "-R", _USER, str(config), str(folder / "tmp")])
        run(["chown", _USER, str(folder)])
    ca = config / "ca.crt"
    return Node(
        kind, address, http, transport,
        argv=(str(home / "bin" / program),),
        env=_environment(folder, config),
        ca=ca.read_text() if ca.exists() else "",
    )  # fmt: skip


def _environment(folder: Path, config: Path) -> dict[str, str]:
    heap = "-Xms384m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        **dict.fromkeys(("JAVA_HOME", "ES_JAVA_HOME", "OPENSEARCH_JAVA_HOME"), _JAVA),
        **dict.fromkeys(("ES_TMPDIR", "OPENSEARCH_TMPDIR"), f"{folder}/tmp"),
        **dict.fromkeys(("ES_PATH_CONF", "OPENSEARCH_PATH_CONF"), str(config)),
        **dict.fromkeys(("ES_JAVA_OPTS", "OPENSEARCH_JAVA_OPTS"), heap),
    }


def _certificates(config: Path, address: str) -> None:
    """An authority and a certificate for the address, as both servers take them (PKCS 8)."""
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    ca, one = f"{config}/ca", f"{config}/one"
    run([*new, "-x509", "-days", _DAYS, "-subj", "/CN=ca", "-keyout", f"{ca}.key", "-out",
         f"{ca}.crt"])  # fmt: skip
    run([*new, "-subj", "/CN=one", "-keyout", f"{one}.key", "-out", f"{one}.csr"])
    names = Path(f"{one}.ext")
    names.write_text(f"subjectAltName=IP:{address},DNS:localhost\n")
    run(["openssl", "x509", "-req", "-in", f"{one}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
         "-CAcreateserial", "-days", _DAYS, "-extfile", str(names), "-out",
         f"{one}.crt"])  # fmt: skip


def _secured(kind: str, config: Path) -> dict[str, object]:
    """TLS on both ports and the three users."""
    if kind == "opensearch":
        users = {"shop": ["admin"], "reader": [], "poor": []}
        database: dict[str, object] = {"_meta": {"type": "internalusers", "config_version": 2}}
        database |= {n: {"hash": _HASH, "backend_roles": r} for n, r in users.items()}
        where = config / "opensearch-security" / "internal_users.yml"
        where.write_text(json.dumps(database))  # JSON is YAML
        tls: dict[str, object] = {
            f"plugins.security.ssl.{layer}.{key}": file
            for layer in ("http", "transport")
            for key, file in (
                ("pemcert_filepath", "one.crt"),
                ("pemkey_filepath", "one.key"),
                ("pemtrustedcas_filepath", "ca.crt"),
            )
        }
        return tls | {
            "plugins.security.ssl.http.enabled": True,
            "plugins.security.ssl.transport.enforce_hostname_verification": False,
            "plugins.security.allow_default_init_securityindex": True,
            "plugins.security.nodes_dn": ["CN=one"],
        }
    names = ("shop", "reader", "poor")
    (config / "users").write_text("".join(f"{name}:{_HASH}\n" for name in names))
    (config / "users_roles").write_text("superuser:shop\nreader:reader\n")
    right = {"names": ["orders"], "privileges": ["read"]}
    (config / "roles.yml").write_text(json.dumps({"reader": {"indices": [right]}}))
    tls = {
        f"xpack.security.{layer}.ssl.{key}": value
        for layer in ("http", "transport")
        for key, value in (
            ("enabled", True),
            ("certificate", "one.crt"),
            ("key", "one.key"),
            ("certificate_authorities", "ca.crt"),
        )
    }
    return tls | {"xpack.security.enabled": True}


@contextmanager
def running(kind: str, **settings: object) -> Generator[Node]:
    """A node on 127.0.0.1 that answers; it is ended by its process group."""
    with tempfile.TemporaryDirectory(prefix="k8sext-search-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        http, transport = free_ports(2)
        node = prepare(kind, folder, "127.0.0.1", http, transport, **settings)
        with (folder / "console").open("wb") as out:
            server = _spawn(node, out)
            try:
                _wait(node, server, folder / "console")
                yield node
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)
                server.wait(10)


def _spawn(node: Node, out: IO[bytes]) -> subprocess.Popen[bytes]:
    user = _USER if os.geteuid() == 0 else None
    return subprocess.Popen(
        node.argv,
        env=dict(node.env),
        stdout=out,
        stderr=out,
        start_new_session=True,
        user=user,
        group="nogroup" if user else None,
        extra_groups=[] if user else None,
        cwd=node.env["HOME"],
    )


def _wait(node: Node, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it says that it is started, and (OpenSearch) that logins can be judged."""
    wanted = ["] started"]
    if node.kind == "opensearch":
        wanted.append("Node 'one' initialized")
    end = time.monotonic() + START_S
    while not all(words in log.read_text(errors="replace") for words in wanted):
        said = log.read_text(errors="replace")[-2000:]
        assert server.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.2)
