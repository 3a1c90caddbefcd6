"""A bad line between the router and one host: late, lossy, with a hole in its MTU, or forgetful.

This machine's kernel has no netem. Two TUN devices and a process between them do as well: a
packet read from one is written to the other later, or never. As a program:

    python -m tests.lab.tunnel ROUTER_PID HOST_PID DEVICE OPTIONS-AS-JSON
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import fcntl
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass

from tests.lab import cgroups
from tests.lab.guise import Guise
from tests.lab.hosts import NODES_NET, ROUTER, enter_cgroup, holder, inside
from tests.lab.place import PROJECT, LabError, Place

_TUNSETIFF, _TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Line:
    """How the line is."""

    latency_ms: float = 0.0
    """Added each way."""
    loss: float = 0.0
    """Share of packets that are lost, 0 to 1."""
    mtu_hole: int = 0
    """Packets longer than this vanish on their way from the server, without an ICMP answer."""
    idle_drop_s: float = 0.0
    """After so long without a packet the line forgets every connection: nothing passes again."""


@contextlib.contextmanager
def bad_line(place: Place, guise: Guise, line: Line) -> Generator[None]:
    """All that crosses the router to and from the server takes this line inside the block."""
    device = f"t-{guise.name}"
    group = cgroups.component(place.cgroup, f"line-{guise.name}")
    pids = [str(holder(place, ROUTER.name)), str(holder(place, guise.name))]
    argv = [sys.executable, "-m", "tests.lab.tunnel", *pids, device, json.dumps(asdict(line))]
    process = subprocess.Popen(
        [*enter_cgroup(group), *argv],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "up\n":
            raise LabError(f"the line to {guise.name} does not come up")
        inside(place, ROUTER.name, ["ip", "route", "add", f"{guise.address}/32", "dev", device])
        back = [f"{NODES_NET}.0/24", "dev", device, "src", guise.address]
        inside(place, guise.name, ["ip", "route", "add", *back])
        yield
    finally:
        cgroups.end(group)  # the devices go with the process, the routes with the devices
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def _open(pid: int, device: str) -> int:
    """A TUN device in the network of a process."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if _libc.setns(network, _NETWORK):
        raise OSError(ctypes.get_errno(), "setns")
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH", device.encode(), _TUN_WITHOUT_HEADER))
    script = f"link set {device} up txqueuelen 10000\n"
    subprocess.run(["ip", "-batch", "-"], input=script, text=True, check=True)
    return handle


def _carry(router: int, host: int, line: Line) -> None:
    """Packets across, in order, until killed."""
    other = {router: host, host: router}
    waiting: collections.deque[tuple[float, int, bytes]] = collections.deque()
    last = time.monotonic()
    forgotten = False
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, to, packet = waiting.popleft()
            with contextlib.suppress(BlockingIOError):
                os.write(to, packet)
        pause = max(0.0, waiting[0][0] - now) if waiting else None
        for handle in select.select([router, host], [], [], pause)[0]:
            for packet in _packets(handle):
                now = time.monotonic()
                idle = line.idle_drop_s and now - last > line.idle_drop_s
                forgotten = (forgotten or bool(idle)) and not _opens(packet)
                last = now
                lost = line.loss and random.random() < line.loss
                hole = line.mtu_hole and handle == host and len(packet) > line.mtu_hole
                if not (lost or hole or forgotten):
                    waiting.append((now + line.latency_ms / 1000, other[handle], packet))


def _packets(handle: int) -> Generator[bytes]:
    for _ in range(256):
        try:
            yield os.read(handle, 65535)
        except BlockingIOError:
            return


def _opens(packet: bytes) -> bool:
    """A SYN: a new connection is let through, as a firewall's table would."""
    start = (packet[0] & 15) * 4
    return packet[9] == 6 and len(packet) > start + 13 and packet[start + 13] & 2 != 0


def main(argv: list[str]) -> None:
    """Open both ends, say so, carry."""
    router_pid, host_pid, device, line = argv
    ends = _open(int(router_pid), device), _open(int(host_pid), device)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    _carry(*ends, Line(**json.loads(line)))


if __name__ == "__main__":
    main(sys.argv[1:])
