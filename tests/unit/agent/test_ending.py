"""A process that ends while threads of its own are still about."""

import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys, threading, time
from k8sext.agent.ending import leave
left = sys.argv[1] == "left"
threading.Thread(target=time.sleep, args=(60,), daemon=True).start() if left else None
atexit.register(lambda: print("cleaned up"))
class Torn:
    def __del__(self):
        print("torn down", flush=True)
kept = Torn()
print("said", end=" ")
leave(5)
"""


@pytest.mark.parametrize(("which", "torn"), [("left", False), ("alone", True)])
def test_all_is_said_and_cleaned_up_and_only_what_is_alone_is_torn_down(
    which: str, torn: bool
) -> None:
    argv = [sys.executable, "-c", SCRIPT, which]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.split("\n")[0] == "said cleaned up"
    assert ("torn down" in done.stdout) == torn


def test_whoever_reads_may_have_gone() -> None:
    argv = [
        sys.executable,
        "-c",
        SCRIPT.replace("leave(5)", "sys.stdout.close(); leave(5)"),
        "left",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 5
