"""The hosts of the lab: what they are called, their addresses, their namespaces.

A host is one sleeping process that holds a network, a mount and a UTS namespace. Nothing is
bound to a file and nothing is mounted in the machine's own mount namespace: when the
processes are gone, so are interfaces, firewall rules and mounts, whatever killed them.
"""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cgroups
from tests.lab.place import LabError, Place

NODES_NET = "192.0.2"
NEAR_NET = "198.51.100"
FAR_NET = "203.0.113"
POD_NET = "198.18.0.0/16"
SERVICE_NET = "198.19.0.0/16"
CLUSTER_DNS = "198.19.0.10"
SILENT = f"{NEAR_NET}.22"
"""An address nobody has: what is sent there is lost without a word."""


@dataclass(frozen=True)
class Host:
    """One machine of the lab."""

    name: str
    address: str
    node: bool = False

    @property
    def gateway(self) -> str:
        """The router's address in this host's network."""
        return self.address.rpartition(".")[0] + ".1"


NODE1 = Host("node1", f"{NODES_NET}.11", node=True)
NODE2 = Host("node2", f"{NODES_NET}.12", node=True)
LAPTOP = Host("laptop", f"{NODES_NET}.100")
DATABASE = Host("db", f"{NEAR_NET}.9")
REDIS = Host("redis", f"{NEAR_NET}.21")
CLOSED = Host("closed", f"{NEAR_NET}.23")
"""A host that is there and listens on nothing: every connection is refused."""
WEB = Host("web", f"{NEAR_NET}.31")
BROKER = Host("mq", f"{NEAR_NET}.32")
DNS = Host("dns", f"{NEAR_NET}.53")
FAR = Host("far", f"{FAR_NET}.10")
"""A spare host in the second outside network."""

NODES = (NODE1, NODE2)
HOSTS = (*NODES, LAPTOP, DATABASE, REDIS, CLOSED, WEB, BROKER, DNS, FAR)
ROUTER = Host("router", f"{NODES_NET}.1")
POD_NETS = {"node1": "198.18.0.0/24", "node2": "198.18.1.0/24"}

_HOLD = r"""
set -e
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/private/etc-up /run/private/etc-work
printf 'nameserver %s\n' "$2" > /run/private/etc-up/resolv.conf
printf '127.0.0.1 localhost\n%s %s\n' "$3" "$1" > /run/private/etc-up/hosts
printf '%s\n' "$1" > /run/private/etc-up/hostname
mount -t overlay -o lowerdir=/etc,upperdir=/run/private/etc-up,workdir=/run/private/etc-work \
  overlay /etc
if [ -n "$4" ]; then
  mkdir -p /run/private/lib-up/kubelet /run/private/lib-up/containerd /run/private/lib-work
  mount -t overlay -o lowerdir=/var/lib,upperdir=/run/private/lib-up,workdir=/run/private/lib-work \
    overlay /var/lib
  mount --bind "$4" /var/lib/containerd
  mount -t tmpfs -o mode=755 tmpfs /var/log
fi
ip link set lo up
echo ready
exec sleep infinity > /dev/null 2>&1
"""
"""Private copies of what a host writes or must not see of the machine.

/run: sockets, locks, CNI's namespaces. /etc: resolver and names. On nodes also /var/lib
(kubelet writes fixed paths there) and /var/log (pods' logs). Overlays and not empty file
systems, so that a cache or a checkout that lies below stays readable.
"""


def host_named(name: str) -> Host:
    """Look a host up by name."""
    for host in (*HOSTS, ROUTER):
        if host.name == name:
            return host
    raise LabError(f"no host {name!r}: there are {', '.join(h.name for h in (*HOSTS, ROUTER))}")


def make_host(place: Place, host: Host) -> None:
    """Start the process that holds the host's namespaces."""
    containerd = ""
    if host.node:
        folder = place.state / host.name / "containerd"
        folder.mkdir(parents=True, exist_ok=True)
        containerd = str(folder)
    group = cgroups.component(place.cgroup, f"host-{host.name}")
    private = ["unshare", "--net", "--mount", "--uts", "--propagation", "slave"]
    arguments = [host.name, DNS.address, host.address, containerd]
    holder = subprocess.Popen(
        [*enter_cgroup(group), "setsid", *private, "sh", "-c", _HOLD, "sh", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stderr is not None
    with holder.stdout, holder.stderr:
        if holder.stdout.readline() != "ready\n":
            raise LabError(f"host {host.name}: {holder.stderr.read().strip()}")
    # Ours to reap when we live longer than the lab; Popen would warn about it.
    holder.returncode = 0


def ours(place: Place) -> list[str]:
    """Prefix of a helper that `up` waits for: if `up` is killed, `down` finds and ends it."""
    return enter_cgroup(cgroups.component(place.cgroup, "helpers"))


def enter_cgroup(group: Path) -> list[str]:
    """Prefix of a command: be in the cgroup before anything else happens."""
    script = 'echo $$ > "$1" && shift && exec "$@"'
    return ["sh", "-c", script, "sh", str(group / "cgroup.procs")]


def holder(place: Place, host: str) -> int:
    """Process that holds a host's namespaces."""
    pids = cgroups.members(cgroups.tracking() / place.cgroup / f"host-{host}")
    if not pids:
        host_named(host)
        raise LabError(f"host {host} is not there: `python -m tests.lab up` first")
    return pids[0]


def enter(place: Place, host: str) -> list[str]:
    """Prefix of a command: run inside the host."""
    return ["nsenter", f"--target={holder(place, host)}", "--net", "--mount", "--uts", "--"]


def inside(
    place: Place,
    host: str,
    argv: Sequence[str],
    *,
    script: str | None = None,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a short command in a host and return what it wrote; LabError when it fails."""
    there = enter(place, host)
    done = subprocess.run(
        [*ours(place), *there, *as_user(user), *argv],
        input=script,
        env=dict(env) if env else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{host}: {argv[0]} ended with {done.returncode}: {said[-2000:]}")
    return done.stdout


def as_user(user: str | None) -> list[str]:
    """Prefix of a command: give up root for good."""
    if user is None:
        return []
    return [
        "setpriv",
        f"--reuid={user}",
        f"--regid={pwd.getpwnam(user).pw_gid}",
        "--clear-groups",
        "--",
    ]
