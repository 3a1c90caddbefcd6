"""`make demo`: the main job on the lab. The five base bridges are provisioned and checked, from a
pod and through a port-forward; then the whole article, healthy and with three faults put in.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence

from tests.demo import article
from tests.demo.base import BRIDGES, prepare
from tests.lab import leftovers, turn
from tests.lab.lab import K8SEXT, Lab
from tests.lab.place import LabError

NAMESPACE, ARTICLE = "dev", "article"
JUNIT = "k8sext-report/k8sext.xml"
RELAY = ("--from", "relay", "--credentials", "cluster")


class Failed(Exception):
    """A command did not end as it must; its exit code."""


def main() -> int:
    """Run the demo in the lab's laptop namespace; returns the exit code of what went wrong."""
    lab = Lab.current()
    try:
        with turn.taken(lab.place, "make demo"):
            leftovers.clear(lab.place, servers=False)  # what an interrupted demo had put in
            prepare(lab, NAMESPACE)
            base(lab)
            whole_article(lab)
    except Failed as failed:
        return int(failed.args[0])
    except LabError as problem:
        told(f"demo: {problem}\n")
        return 1
    told(
        f"\nJUnit: {JUNIT}. The lab is still up; `make lab-down` ends it.\n"
        "Try it yourself: python -m tests.lab run -- .venv/bin/k8sext list -A\n"
    )
    return 0


def base(lab: Lab) -> None:
    """Provision, check from a pod, check through a port-forward."""
    show(lab, ["provision", "-f", str(BRIDGES)])
    doctor = ["doctor", "-n", NAMESPACE, "--image", lab.probe_image]
    show(lab, [*doctor, "--junit", JUNIT])
    show(lab, [*doctor, *RELAY])


def whole_article(lab: Lab) -> None:
    """Base and system middleware on one screen; then three faults, which are taken away again."""
    began = time.monotonic()
    told("\nThe whole article: its middleware outside, and what registers with it inside\n")
    scene = article.scene(lab, told)
    doctor = ["doctor", "-n", ARTICLE, "--image", lab.probe_image, "--junit", JUNIT]
    with contextlib.ExitStack() as stack:
        article.stand(scene, ARTICLE, stack)
        article.await_registered(lambda: scene.doctor(ARTICLE), told)
        told(f"ready after {time.monotonic() - began:.0f} s\n")
        show(lab, doctor)
        told("\nThree faults, the article's own among them: " + article.FAULTS + "\n")
        with article.broken(scene, ARTICLE):
            show(lab, doctor, expected=1)
        stack.pop_all()  # what was set up stays, as the lab does


def show(lab: Lab, arguments: Sequence[str], expected: int = 0) -> None:
    """Run a command as a user would, on this terminal. Raises Failed for another exit code."""
    words = [os.path.relpath(a) if a == str(BRIDGES) else a for a in arguments]
    told(f"\n$ k8sext {' '.join(words)}\n")
    code = lab.run([K8SEXT, *arguments], capture=False).returncode
    if code != expected:
        raise Failed(code or 1)


def told(text: str) -> None:
    """Say something at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
