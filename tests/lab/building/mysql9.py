"""Real MySQL (8 or later) beside MariaDB: Debian sid's server in a root file system of its own.

No part of the default build, nor of `make test`: built when a case of the gym first asks for the
role `mysql9` (about 20 s), or by `python -m tests.lab.building.mysql9`. sid moves, so what it holds
today is looked at: anything older than 8 is refused, and `version` says what it is. Whoever wants
a newer one than was built removes the folder from the cache.
"""

from __future__ import annotations

import pwd
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say
from tests.lab.building.debian import small_root
from tests.lab.place import LabError

_PACKAGE = "mysql-server-core"
OLDEST = 8
"""From here on caching_sha2_password is what an account has unless it says otherwise."""
ARTIFACT = Artifact("mysql", "sid", f"1 {_PACKAGE} {OLDEST}")
USER = "mysql"
"""Of this machine (MariaDB's package makes it); there is none in the root file system."""
HOME = "/srv"
"""Where a server sees its folder."""
_ENTER = """
mount --bind "$1" "$2$3"
root=$2 ids=$4
shift 4
exec chroot --userspec="$ids" "$root" "$@"
"""
_USELESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")


def build() -> None:
    """Make the root file system if it is missing."""
    if not ARTIFACT.made():
        say("MySQL of Debian sid: 60 MB by mmdebstrap, about 20 s")
        ARTIFACT.make(_make)


def argv(folder: Path, options: Sequence[str]) -> list[str]:
    """What runs `mysqld` in its root file system (as root, who is given up), with `folder` as HOME.

    The mount is the process's own and goes with it.
    """
    known = pwd.getpwnam(USER)
    there = [str(folder), str(ARTIFACT.need() / "rootfs"), HOME]
    script = ["unshare", "--mount", "sh", "-ec", _ENTER, "sh", *there]
    return [*script, f"{known.pw_uid}:{known.pw_gid}", "mysqld", "--no-defaults", *options]


def settings() -> list[str]:
    """Options of every start, the one that makes the system tables too."""
    return [
        f"--datadir={HOME}/data",
        f"--tmpdir={HOME}",
        "--secure-file-priv=",
        "--mysqlx=OFF",
        "--skip-log-bin",
        "--innodb-buffer-pool-size=16M",
        "--innodb-redo-log-capacity=8M",
        "--innodb-flush-method=nosync",
        "--innodb-flush-log-at-trx-commit=0",
    ]


def version() -> str:
    """Of the server that was built."""
    return (ARTIFACT.need() / "version").read_text().strip()


def _make(into: Path) -> None:
    root = into / "rootfs"
    # A mirror of sid may be older than the days for which its index says it is valid.
    small_root("sid", _PACKAGE, root, '--aptopt=Acquire::Check-Valid-Until "false"')
    for folder in _USELESS:
        shutil.rmtree(root / folder, ignore_errors=True)
    root.chmod(0o755)
    (into / "version").write_text(checked(run(["chroot", str(root), "mysqld", "--version"])))


def checked(said: str) -> str:
    """The version in what `mysqld --version` said. Raises LabError for one that is too old."""
    found = re.search(r"Ver (\d+)\.\d+\.\d+", said)
    if not found or int(found[1]) < OLDEST or "MariaDB" in said:
        raise LabError(f"Debian sid has no MySQL {OLDEST} or later, but: {said.strip()}")
    return found[0].removeprefix("Ver ")


if __name__ == "__main__":
    try:
        build()
    except LabError as problem:
        sys.exit(f"lab: {problem}")
