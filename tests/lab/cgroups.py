"""The cgroups of an instance: the kernel's own list of which processes are ours.

There are no pid files. A process enters its component's cgroup before it is executed, its
children inherit it, and pods live below their node's cgroup. What is listed there is ours,
so a recycled pid can never be hit.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")


def unified() -> bool:
    """Whether this machine has cgroup v2 only."""
    return (MOUNT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Every mounted hierarchy: one with cgroup v2, one for each controller with v1."""
    if unified():
        return [MOUNT]
    return sorted(p for p in MOUNT.iterdir() if (p / "cgroup.procs").exists())


def tracking() -> Path:
    """The hierarchy in which membership is looked up (runc puts pods into it as well)."""
    return MOUNT if unified() else MOUNT / "freezer"


def component(instance: str, name: str) -> Path:
    """The cgroup of one component, made when missing."""
    group = tracking() / instance / name
    group.mkdir(parents=True, exist_ok=True)
    return group


def make_node_root(instance: str, node: str) -> str:
    """Make the cgroup below which a kubelet puts its pods; its path for `cgroupRoot`."""
    for hierarchy in hierarchies():
        group = hierarchy / instance / node
        group.mkdir(parents=True, exist_ok=True)
        if hierarchy.name == "cpuset":
            _inherit_cpuset(group.parent)
            _inherit_cpuset(group)
    if unified():
        for group in (MOUNT, MOUNT / instance):
            _enable_controllers(group)
    return f"/{instance}/{node}"


def _inherit_cpuset(group: Path) -> None:
    """A new v1 cpuset is empty and takes no process until it has CPUs and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        (group / name).write_text((group.parent / name).read_text())


def _enable_controllers(group: Path) -> None:
    wanted = (group / "cgroup.controllers").read_text().split()
    for controller in wanted:
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def members(group: Path) -> list[int]:
    """Processes in a cgroup and in all below it, oldest first."""
    pids: set[int] = set()
    for folder, _, files in os.walk(group):
        if "cgroup.procs" in files:
            try:
                pids.update(int(p) for p in (Path(folder) / "cgroup.procs").read_text().split())
            except OSError:
                continue  # the cgroup went away meanwhile
    return sorted(pids - {0}, key=lambda pid: (started(pid), pid))


def started(pid: int) -> float:
    """When a process began, in seconds since boot; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def send(group: Path, number: signal.Signals) -> int:
    """Send a signal to every member; how many there were."""
    pids = members(group)
    for pid in pids:
        _send(pid, group, number)
    return len(pids)


def _send(pid: int, group: Path, number: signal.Signals) -> None:
    """Pin the process first and look again: the pid may have changed hands since."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _belongs(pid, group):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _belongs(pid: int, group: Path) -> bool:
    path = "/" + str(group.relative_to(tracking()))
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return False
    return any((line.split(":", 2)[2] + "/").startswith(path + "/") for line in lines)


def end(group: Path, grace: float = 0.0) -> None:
    """End every member: politely for `grace` seconds, then by SIGKILL until none is left."""
    if not group.exists():
        return
    _thaw(group)
    if grace and send(group, signal.SIGTERM):
        wait_empty(group, grace)
    give_up = time.monotonic() + 20
    while send(group, signal.SIGKILL):
        if time.monotonic() > give_up:
            raise TimeoutError(f"processes in {group} survive SIGKILL: {members(group)}")
        time.sleep(0.02)


def wait_empty(group: Path, seconds: float) -> bool:
    """Wait until a cgroup has no process left."""
    give_up = time.monotonic() + seconds
    while members(group):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def remove(instance: str) -> None:
    """Remove the instance's cgroups from every hierarchy."""
    for hierarchy in hierarchies():
        remove_tree(hierarchy / instance)


def remove_tree(top: Path) -> None:
    """Remove a cgroup and all below it; the kernel may need a moment after the last exit."""
    give_up = time.monotonic() + 10
    while top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue
        if top.exists():
            if time.monotonic() > give_up:
                raise TimeoutError(f"cgroup {top} cannot be removed")
            time.sleep(0.02)


def _thaw(group: Path) -> None:
    """With cgroup v1 not even SIGKILL reaches a frozen process."""
    for state in group.rglob("freezer.state"):
        state.write_text("THAWED")


def freeze(group: Path, *, frozen: bool) -> None:
    """Stop every member where it is, or let it go on; needs no signal it could notice."""
    if unified():
        (group / "cgroup.freeze").write_text("1" if frozen else "0")
    else:
        (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
