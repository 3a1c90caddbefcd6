"""Servers of Debian trixie, each started in one root file system that mmdebstrap makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.compat.server import HOST, PASSWORD, USER, Server, Started, free_port
from tests.lab.building.artifact import Artifact, run
from tests.lab.building.debian import small_root

SUITE = "trixie"
PACKAGES = (
    "redis-server,valkey-server,mariadb-server-core,mariadb-client-core,rabbitmq-server,"
    "prometheus,prometheus-alertmanager"
)
ROOT = Artifact("compat-debian", SUITE, f"1 {PACKAGES}")
HOME = "/srv"  # where a server sees its folder
# The mounts are the process's own and go with it.
_ENTER = """
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/srv"
root=$1
shift 2
exec chroot "$root" "$@"
"""


def server(
    protocol: str, package: str, version: str, start: Callable[[Path, int], list[str]],
    name: str = "", **login: str,
) -> Server:  # fmt: skip
    """One program of the root file system; `version` is what Debian has today, as a beginning."""
    return Server(
        name=name or package.partition("-")[0],
        version=version,
        protocol=protocol,
        artifact=ROOT,
        fetch=_make,
        start=partial(_inside, start),
        login=login,
    )  # fmt: skip


def _make(into: Path) -> None:
    small_root(SUITE, PACKAGES, into / "rootfs")


def _inside(
    prepare: Callable[[Path, int], list[str]], home: Path, folder: Path, port: int
) -> Started:
    return Started(entered(home / "rootfs", folder, prepare(folder, port)))


def entered(root: Path, folder: Path, argv: Sequence[str]) -> list[str]:
    """A command inside the root file system, as root, with `folder` as HOME."""
    return ["unshare", "--mount", "sh", "-ec", _ENTER, "sh", str(root), str(folder), *argv]


def key_value(program: str, folder: Path, port: int) -> list[str]:
    """Redis and Valkey."""
    given = {"port": port, "bind": HOST, "requirepass": PASSWORD, "dir": HOME, "save": '""'}
    text = "".join(f"{key} {value}\n" for key, value in given.items())
    (folder / "server.conf").write_text(text)
    return [program, f"{HOME}/server.conf"]


def mariadb(folder: Path, port: int) -> list[str]:
    """System tables first, then a user."""
    (folder / "init.sql").write_text(
        f"CREATE DATABASE {USER};\nCREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
        f"GRANT ALL ON {USER}.* TO {USER}@'%';\n"
    )
    install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={HOME}/data"]
    run(entered(ROOT.need() / "rootfs", folder, [*install, "--skip-test-db"]))
    paths = [f"--datadir={HOME}/data", f"--socket={HOME}/sock", f"--pid-file={HOME}/pid"]
    listen = [f"--bind-address={HOST}", f"--port={port}", "--skip-name-resolve"]
    return [
        "mariadbd",
        "--no-defaults",
        "--user=root",
        *paths,
        *listen,
        f"--init-file={HOME}/init.sql",
    ]


def rabbitmq(folder: Path, port: int) -> list[str]:
    """One node with an epmd of its own."""
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {HOST}:{port}\ndefault_user = {USER}\ndefault_pass = {PASSWORD}\n"
        "log.console = true\nlog.file = false\n"
    )
    (folder / "enabled_plugins").write_text("[].\n")
    given = {
        "HOME": HOME,
        "RABBITMQ_NODENAME": "compat@localhost",
        "RABBITMQ_CONFIG_FILE": f"{HOME}/rabbitmq",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{HOME}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": HOME,
        "RABBITMQ_LOG_BASE": HOME,
        "RABBITMQ_DIST_PORT": free_port(),
        "ERL_EPMD_PORT": free_port(),
        "ERL_EPMD_ADDRESS": HOST,
    }
    program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    return ["env", *(f"{key}={value}" for key, value in given.items()), program]


def prometheus(folder: Path, port: int) -> list[str]:
    """It scrapes itself."""
    itself = {"job_name": "itself", "static_configs": [{"targets": [f"{HOST}:{port}"]}]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [itself]}
    (folder / "config.yml").write_text(json.dumps(config))
    listen = f"--web.listen-address={HOST}:{port}"
    return [
        "prometheus",
        f"--config.file={HOME}/config.yml",
        f"--storage.tsdb.path={HOME}/d",
        listen,
    ]


def alertmanager(folder: Path, port: int) -> list[str]:
    """Alone, with a receiver that sends nothing."""
    config = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}
    (folder / "config.yml").write_text(json.dumps(config))
    paths = [f"--config.file={HOME}/config.yml", f"--storage.path={HOME}/d"]
    return ["prometheus-alertmanager", *paths, f"--web.listen-address={HOST}:{port}",
            "--cluster.listen-address="]  # fmt: skip
