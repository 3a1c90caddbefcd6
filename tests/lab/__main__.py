"""`python -m tests.lab build|up|down|status|shell HOST|run [HOST] -- CMD|kubeconfig`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from tests.lab import instance
from tests.lab.building import everything
from tests.lab.hosts import LAPTOP, host_named
from tests.lab.lab import running
from tests.lab.place import LabError, place


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description="A real Kubernetes and real middleware on this machine, for the tests.",
    )
    parser.add_argument("--instance", help="name of the lab (default: from the checkout's path)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="fetch and compile what is missing; some 10 min once")
    up = commands.add_parser("up", help="bring the lab up")
    up.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="PART",
        help=f"{', '.join(instance.PARTS)}, or names of components (default: all)",
    )
    commands.add_parser("down", help="remove everything but the logs")
    commands.add_parser("status", help="what runs; exit code 0 only if all of it is well")
    commands.add_parser("kubeconfig", help="path of the administrator's kubeconfig")
    shell = commands.add_parser("shell", help="a shell inside a host")
    shell.add_argument("host", nargs="?", default=LAPTOP.name)
    run = commands.add_parser("run", help="run a command inside a host: run [HOST] -- CMD")
    run.add_argument("host", nargs="?", default=LAPTOP.name)
    return parser


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; the exit code."""
    ours, command = list(argv), list[str]()
    if "--" in ours:
        at = ours.index("--")
        ours, command = ours[:at], ours[at + 1 :]
    args = _parser().parse_args(ours)
    if args.instance:
        os.environ["K8SEXT_LAB_INSTANCE"] = args.instance
    if os.geteuid():
        raise LabError("the lab makes namespaces and must be run as root")
    if args.command in ("run", "shell"):
        shell = [os.environ.get("SHELL", "bash")] if args.command == "shell" else []
        return _execute(args.host, command or shell)
    if args.command == "up":
        return _up(args.only)
    actions: dict[str, Callable[[], int]] = {
        "build": _build,
        "down": _down,
        "status": _status,
        "kubeconfig": _kubeconfig,
    }
    return actions[args.command]()


def _build() -> int:
    everything.build()
    return 0


def _up(only: Sequence[str]) -> int:
    began = time.monotonic()
    where = place()
    if instance.up(where, only):
        _say(f"lab {where.instance} is up after {time.monotonic() - began:.1f} s")
    else:
        _say(f"lab {where.instance} is already up")
    return 0


def _down() -> int:
    began = time.monotonic()
    where = place()
    if instance.down(where):
        _say(f"lab {where.instance} is down after {time.monotonic() - began:.1f} s")
    else:
        _say(f"lab {where.instance} is not up")
    return 0


def _status() -> int:
    """Components that were never started here (`up --only`) are shown, but are no fault."""
    where = place()
    found = instance.health(where, instance.components())
    print(f"{'COMPONENT':<22} {'HOST':<8} {'PID':>8}  {'READY':<6} SECONDS")
    for health in found:
        component = health.component
        ready = "yes" if health.ready else "no" if instance.wanted(where, component) else "-"
        seconds = f"{health.seconds:.0f}" if health.pid else "-"
        pid = health.pid or "-"
        print(f"{component.name:<22} {component.host:<8} {pid:>8}  {ready:<6} {seconds:>7}")
    asked = [health for health in found if instance.wanted(where, health.component)]
    return 0 if asked and all(health.ready for health in asked) else 1


def _kubeconfig() -> int:
    print(running().kubeconfig)
    return 0


def _execute(host: str, command: Sequence[str]) -> int:
    """Become the command, so that signals, terminal and exit code are its own."""
    if not command:
        raise LabError("run what? `run [HOST] -- CMD`")
    lab = running()
    argv = [*lab.prefix(host_named(host).name), *command]
    os.execvpe(argv[0], argv, lab.environment())


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as problem:
        sys.exit(f"lab: {problem}")
