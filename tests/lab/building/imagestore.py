"""A containerd folder that already holds the images, unpacked.

Importing them at each `up` would cost both nodes several seconds of hashing and unpacking.
Done once here; a node then starts from a clone made by hard links.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.building.artifact import Artifact, clone_tree, run, say
from tests.lab.building.images import IMAGES
from tests.lab.place import LabError


def artifact() -> Artifact:
    """Its place in the cache; another containerd may read it differently."""
    version = run(["containerd", "--version"]).split()[2]
    recipe = " ".join(["1", *(str(image.artifact.folder.name) for image in IMAGES)])
    return Artifact("imagestore", version, recipe)


def build() -> None:
    """Import all images once."""
    store = artifact()
    if not store.made():
        say("image store: a few seconds")
        store.make(_make)


def clone(into: Path, prefix: Sequence[str]) -> None:
    """Give a node its own containerd folder."""
    store = artifact().need() / "root"
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(into, ignore_errors=True)
    clone_tree(store, into, prefix)
    for database in [*store.rglob("*.db")]:
        # A database is written in place: a hard link would change the cache.
        copy = into / database.relative_to(store)
        copy.unlink()
        shutil.copy2(database, copy)


def _make(into: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="k8sext-ctd-") as temporary:
        socket = f"{temporary}/containerd.sock"
        config = Path(temporary) / "config.toml"
        config.write_text(configuration(into / "root", Path(temporary) / "state", socket))
        log = (into / "containerd.log").open("w")
        with log, subprocess.Popen(["containerd", "-c", config], stdout=log, stderr=log) as daemon:
            try:
                _await(socket)
                for image in IMAGES:
                    importing = ["-n", "k8s.io", "images", "import", str(image.archive)]
                    run(["ctr", "-a", socket, *importing])
            finally:
                daemon.terminate()


def _await(socket: str) -> None:
    give_up = time.monotonic() + 30
    while subprocess.run(["ctr", "-a", socket, "version"], capture_output=True).returncode:
        if time.monotonic() > give_up:
            raise LabError("containerd does not start")
        time.sleep(0.1)


def configuration(root: Path, state: Path, socket: str, cri: str = "") -> str:
    """A containerd that keeps to these folders and leaves out what the lab does not use.

    The plug-in `opt` would make a folder in /opt of the machine.
    """
    unused = [
        "io.containerd.internal.v1.opt",
        *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "zfs")),
    ]
    if not cri:
        unused.append("io.containerd.grpc.v1.cri")
    return f"""version = 2
root = {json.dumps(str(root))}
state = {json.dumps(str(state))}
disabled_plugins = {json.dumps(unused)}
[grpc]
  address = {json.dumps(socket)}
{cri}"""
