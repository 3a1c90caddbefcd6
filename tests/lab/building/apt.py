"""The Debian packages the lab is made of."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

from tests.lab.building.artifact import run, say

CLUSTER = (
    "containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "ipset",
    "iproute2", "util-linux", "procps", "openssl", "ca-certificates",
)  # fmt: skip
BUILD = ("mmdebstrap", "debian-archive-keyring", "gcc", "libc6-dev", "maven", "unzip")
SERVERS = (
    "postgresql-15", "mariadb-server", "rabbitmq-server", "redis-server", "nginx-light",
    "openjdk-17-jre-headless", "haproxy", "pgbouncer", "prometheus", "prometheus-alertmanager",
    "docker-registry", "memcached", "libsasl2-modules", "sasl2-bin",
)  # fmt: skip
PACKAGES = (*CLUSTER, *BUILD, *SERVERS)
_POLICY = Path("/usr/sbin/policy-rc.d")
_POSTGRES = Path("/etc/postgresql-common/createcluster.d/k8sext-lab.conf")


def missing() -> list[str]:
    """Packages that are not installed yet."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES],
        capture_output=True,
        text=True,
    ).stdout
    states = dict(line.split() for line in shown.splitlines() if " " in line)
    return [name for name in PACKAGES if states.get(name) != "installed"]


def install() -> None:
    """Install what is missing, without starting a single service on this machine."""
    wanted = missing()
    if wanted:
        install_more(*wanted)


def install_more(*wanted: str) -> None:
    """The same of packages that are no part of the default build."""
    say(f"apt: {len(wanted)} packages, about 1 min: {' '.join(wanted)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services(), _no_database_cluster():
        options = ["-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
        try:
            run(["apt-get", "install", *options, *wanted], env=quiet)
        except Exception:
            run(["apt-get", "update", "-qq"], env=quiet)
            run(["apt-get", "install", *options, *wanted], env=quiet)
    say("apt: done")


@contextlib.contextmanager
def _no_services() -> Generator[None]:
    """Debian's packages start their services unless this file says no."""
    before = _POLICY.read_bytes() if _POLICY.exists() else None
    mode = _POLICY.stat().st_mode if before is not None else 0o755
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            _POLICY.unlink()
        else:
            _POLICY.write_bytes(before)
            _POLICY.chmod(mode)


@contextlib.contextmanager
def _no_database_cluster() -> Generator[None]:
    """Debian's PostgreSQL package would make a database cluster for the machine itself."""
    made = not _POSTGRES.parent.exists()
    _POSTGRES.parent.mkdir(parents=True, exist_ok=True)
    _POSTGRES.write_text("create_main_cluster = false\n")
    try:
        yield
    finally:
        _POSTGRES.unlink()
        if made:
            with contextlib.suppress(OSError):
                _POSTGRES.parent.rmdir()
