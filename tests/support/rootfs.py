"""Runs a program in the lab's root file systems: the Python of an image on a machine without it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Mounts live in a mount namespace of their own and end with it: the cache is not written to.
_SCRIPT = """
set -eu
root=$1 files=$2; shift 2
mount --bind "$root" "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
cp -r "$files/." "$root/tmp/"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


def run(
    rootfs: Path, files: Path, argv: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`argv` below `rootfs` (read-only, as in a pod), with what is in `files` under /tmp. Root."""
    command = ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", str(rootfs), str(files), *argv]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)
