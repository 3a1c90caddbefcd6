"""Files that others wrote: what they can hold to hurt, and what healthy ones hold."""

import os
import resource
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.reading import bounds, files, yaml_text
from k8sext.reading.bounds import KUBECONFIG, Bounds, Unreadable

LETTERS = "abcdefghij"


def laughs(first: str, one: str) -> str:
    """Nine levels of nine aliases each: 387 million values, written out."""
    lines = (f"{b}: &{b} {one.format(','.join([f'*{a}'] * 9))}" for a, b in pairwise(LETTERS))
    return "\n".join((f"a: &a {first}", *lines))


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "lists": ("[" * 100_000, "more than 50 levels"),
    "mappings": ("{a: " * 100_000, "more than 50 levels"),
    "dashes": ("- " * 100_000, "more than 50 levels"),
    "questions": ("? " * 100_000, "more than 50 levels"),
    "closed lists": ("[" * 100_000 + "]" * 100_000, "more than 50 levels"),
    "indentation": ("".join(" " * n + "a:\n" for n in range(300)), "more than 50 levels"),
    "laughs": (laughs("[x,x]", "[{}]"), "grows too large"),
    "laughs by merge keys": (laughs("{x: 1}", "{{<<: [{}]}}"), "grows too large"),
    "a chain of aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)),
        "grows too large",
    ),
    "many aliases": ("a: &a [x,x,x]\nb: [" + "*a," * 90_000 + "x]", "grows too large"),
    "many values": ("[" + "a," * 300_001 + "a]", "grows too large"),
    "itself": ("&a [*a]", "alias of itself"),
    "itself by a merge key": ("a: &a {<<: *a}", "alias of itself"),
    "base 60": ("a: 1" + ":1" * 500_000, "more than 100 characters"),
    "digits": ("a: " + "9" * 500_000, "more than 100 characters"),
    "base 60 with a point": ("a: 1" + ":1" * 500_000 + ".5", "does not fit its YAML type"),
    "no boolean": ("a: !!bool x", "does not fit its YAML type"),
    "no time": ("a: !!timestamp x", "does not fit its YAML type"),
    "no number": ("a: !!int ''", "does not fit its YAML type"),
    "no such day": ("a: 2024-99-99", "does not fit its YAML type"),
    "a list as a key": ("{[a]: b}", "unhashable key"),
    "code": ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
    "NUL": ("a: \0", "character #x0000 is not allowed"),
    "no UTF-8": (b"a: \xff\xfe", "it is not text"),
    "half of UTF-16": (b"\xff\xfea", "it is not text"),
    "surrogate": ("a: \ud800", "does not fit its YAML type"),
    "two documents": ("a: 1\n---\nb: 2", "but found another document"),
    "unknown alias": ("a: *b", "undefined alias"),
    "size": ("#" * 2_000_000, "it is larger than 1 MiB"),
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_hostile_yaml_is_refused_in_one_clause(kind: str) -> None:
    text, said = HOSTILE[kind]
    size = 1 << 20 if kind == "size" else 16 << 20
    began = time.process_time()
    with pytest.raises(Unreadable) as caught:
        yaml_text.load(text, Bounds(size=size, nodes=300_000))
    assert said in caught.value.why
    assert "\n" not in caught.value.why
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_000_000  # KiB


def test_what_hurt_libyaml_ends_no_process(tmp_path: Path) -> None:
    """In a process of its own: the loader of before died of SIGSEGV."""
    (tmp_path / "config").write_text("[" * 100_000)
    done = subprocess.run(
        [sys.executable, "-m", "k8sext", "list", "--kubeconfig", str(tmp_path / "config")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == (
        f"k8sext: {tmp_path}/config:1:51: the kubeconfig cannot be read: "
        "the document is more than 50 levels deep\n"
    )


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_of_a_secret_file_nothing_is_quoted(kind: str, tmp_path: Path) -> None:
    text, _ = HOSTILE[kind]
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (tmp_path / "f").write_bytes(b"password: *canary-7719\n" + data[:200_000])
    with pytest.raises(K8sextError) as caught:
        files.mapping(tmp_path / "f", "the kubeconfig", KUBECONFIG, secret=True, exit_code=3)
    assert "canary" not in str(caught.value)
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None


HEALTHY: dict[str, tuple[str | bytes, Any]] = {
    "empty": ("", None),
    "anchors": (
        "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}",
        {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}},
    ),
    "an anchor for each document": ("a: &a [1]\nb: [*a, *a]", {"a": [1], "b": [[1], [1]]}),
    "JSON": ('{"a": [1, true, null, 1.5]}', {"a": [1, True, None, 1.5]}),
    "UTF-16 of PowerShell": ("a: b\r\n".encode("utf-16"), {"a": "b"}),
    "mark of UTF-8": ("\ufeffa: ü".encode(), {"a": "ü"}),
    "49 levels": ("[" * 49 + "]" * 49, None),
    "times": ("a: 12:30:45", {"a": 45045}),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(HEALTHY))
def test_healthy_yaml(kind: str) -> None:
    text, value = HEALTHY[kind]
    assert yaml_text.load(text, KUBECONFIG) == value or kind == "49 levels"


def test_hundreds_of_clusters_are_read() -> None:
    """As a company's generator writes it: a common user by alias, a certificate for each."""
    one = (
        "\n- name: c{0}\n  cluster:\n    server: https://c{0}\n    certificate-authority-data: {1}"
    )
    clusters = "".join(one.format(n, "QUJD" * 500) for n in range(800))
    users = "".join(f"\n- {{name: u{n}, user: *user}}" for n in range(800))
    text = f"x: &user {{token: t, as-groups: [a, b]}}\nclusters:{clusters}\nusers:{users}\n"
    assert len(text) > 1_600_000
    data = yaml_text.load(text, KUBECONFIG)
    assert len(data["clusters"]) == len(data["users"]) == 800


def test_texts_are_as_they_are_written() -> None:
    text = "a: 0123\nb: yes\nc: 1_000\nd: 2024-01-01\ne: ~\nf: &f {g: 1e3}\nh: {<<: *f}"
    assert yaml_text.load(text, texts=True) == {
        "a": "0123", "b": "yes", "c": "1_000", "d": "2024-01-01", "e": "~", "f": {"g": "1e3"},
        "h": {"g": "1e3"},
    }  # fmt: skip


# -- kinds of files -----------------------------------------------------------------------------


def unreadable(path: Path | str, bounds: Bounds = bounds.DOCUMENT) -> str:
    with pytest.raises(Unreadable) as caught:
        files.read(path, bounds)
    return caught.value.why


def test_what_is_no_file(tmp_path: Path) -> None:
    assert unreadable(tmp_path) == "Is a directory"
    assert unreadable(tmp_path / "none") == "No such file or directory"
    assert unreadable("/dev/zero") == "it is larger than 4 MiB"
    assert unreadable("a\0b") == "embedded null byte"
    (tmp_path / "loop").symlink_to("loop")
    assert "symbolic links" in unreadable(tmp_path / "loop")
    (tmp_path / "large").write_bytes(b"x" * 1025)
    assert "larger" in unreadable(tmp_path / "large", Bounds(size=1024))
    assert len(files.read(tmp_path / "large", Bounds(size=1025))) == 1025


def test_a_pipe_into_which_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIPE_S", 0.3)
    os.mkfifo(tmp_path / "pipe")
    assert unreadable(tmp_path / "pipe") == "nothing was written into this pipe for 0.3 s"


@pytest.mark.parametrize("late", [0.0, 0.3])
def test_a_pipe_into_which_somebody_writes(tmp_path: Path, late: float) -> None:
    """In pieces, and later than we began to read."""
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        time.sleep(late)
        with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            pipe.write(b"a: ")
            time.sleep(late)
            pipe.write(b"b" * 100_000)

    writer = threading.Thread(target=write)
    writer.start()
    assert len(files.read(tmp_path / "pipe")) == 100_003
    writer.join()
