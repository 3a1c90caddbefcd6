"""The images of the lab: the pause image and Python in the two ways k8sext meets it.

3.11 is Debian bookworm with bytecode. 3.13 is Debian trixie without a single `__pycache__`:
it stands for the official slim images, which ship none and therefore start more slowly.
Its root file system is kept unpacked for tests that run Python 3.13 by chroot.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab.building import drivers, oci
from tests.lab.building.artifact import Artifact, clone_tree, run, say
from tests.lab.building.debian import small_root

_PAUSE_SOURCE = r"""
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
"""
"""What holds a pod's namespaces: sleeps, reaps orphans, ends when told."""
_PYTHON_PACKAGES = "python3-minimal,libpython3-stdlib,ca-certificates"


@dataclass(frozen=True)
class Image:
    """One image of the lab."""

    reference: str
    suite: str = ""
    """Debian suite of its root file system; none for the pause image."""
    bytecode: bool = True

    @property
    def artifact(self) -> Artifact:
        """Its place in the cache: `image.tar` and `rootfs`."""
        name, _, version = self.reference.rpartition("/")[2].partition(":")
        recipe = f"3 {self} {_PAUSE_SOURCE} {_PYTHON_PACKAGES}"
        return Artifact(name, version, recipe)

    @property
    def archive(self) -> Path:
        """The OCI archive."""
        return self.artifact.need() / "image.tar"


@dataclass(frozen=True)
class WithDrivers(Image):
    """The one of Debian's Python 3.11, and the official drivers: what the Containerfile makes."""

    @property
    def artifact(self) -> Artifact:
        """Its place in the cache."""
        return Artifact("drivers", "3.11", f"2 {PYTHON_311.artifact.folder} {drivers.recipe()}")


PAUSE = Image("lab.k8sext.io/pause:1")
PYTHON_311 = Image("lab.k8sext.io/python:3.11", suite="bookworm")
PYTHON_313 = Image("lab.k8sext.io/python:3.13", suite="trixie", bytecode=False)
DRIVERS = WithDrivers("lab.k8sext.io/drivers:3.11", suite="bookworm")
IMAGES = (PAUSE, PYTHON_311, PYTHON_313, DRIVERS)


def python313_rootfs() -> Path:
    """Root file system with Python 3.13, for `chroot` on machines that have none."""
    return PYTHON_313.artifact.need() / "rootfs"


def build_all() -> None:
    """Make the images that are missing."""
    wanted = [image for image in IMAGES if not image.artifact.made()]
    for number, image in enumerate(wanted, 1):
        about = "about 1 min" if image.suite else "a second"
        say(f"image {image.reference} ({number} of {len(wanted)} images): {about}")
        image.artifact.make(partial(_make, image))


def _make(image: Image, into: Path) -> None:
    rootfs = into / "rootfs"
    if isinstance(image, WithDrivers):
        clone_tree(PYTHON_311.artifact.need() / "rootfs", rootfs)
        drivers.copy(rootfs / "usr" / "local" / "lib" / "python3.11" / "dist-packages")
        entrypoint = ["python3"]
    elif image.suite:
        _python_rootfs(image, rootfs)
        entrypoint = ["python3"]
    else:
        _pause_rootfs(into, rootfs)
        entrypoint = ["/pause"]
    oci.pack(rootfs, image.reference, into / "image.tar", entrypoint)


def _pause_rootfs(into: Path, rootfs: Path) -> None:
    rootfs.mkdir(mode=0o755)
    source = into / "pause.c"
    source.write_text(_PAUSE_SOURCE)
    run(["gcc", "-static", "-Os", "-s", "-o", str(rootfs / "pause"), str(source)])


def _python_rootfs(image: Image, rootfs: Path) -> None:
    debian_rootfs(image.suite, _PYTHON_PACKAGES, rootfs)
    if not image.bytecode:
        for compiled in [*rootfs.rglob("__pycache__")]:
            shutil.rmtree(compiled)


def debian_rootfs(suite: str, packages: str, rootfs: Path) -> None:
    """A small Debian with these packages (separated by commas), as an image has it."""
    small_root(suite, packages, rootfs)
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(rootfs / folder, ignore_errors=True)
    for device in (rootfs / "dev").iterdir():
        # A container gets its own /dev; device nodes only trouble those who pack them.
        if not device.is_dir() or device.is_symlink():
            device.unlink()
    rootfs.chmod(0o755)
