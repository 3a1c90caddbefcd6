"""The k8sext.yaml that somebody left in the folder: what it may say, and what it may not."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app, defaults
from k8sext.cli import doctor_run as steps

Captured = pytest.CaptureFixture[str]
FILE = "k8sext.yaml"
# Each with a value that its type takes.
HOSTILE: dict[str, Any] = {
    "kubeconfig": "evil", "context": "evil", "as": "admin", "as-group": ["system:masters"],
    "credentials": "env", "credentials-from": ["db"], "trust-annotations": True,
    "filename": ["bridges.yaml"], "from": "relay", "client": True, "image": "evil/image",
    "image-pull-secret": ["evil"], "pod-patch": "patch.yaml", "pod-label": {"a": "b"},
    "pod-annotation": {"a": "b"}, "node-selector": {"a": "b"}, "toleration": ["a"],
    "like": "deploy/db", "mesh": True, "active": True, "reverse": True, "reverse-app": "x",
    "junit": "out.xml", "output-file": ["json=out"], "dry-run": True, "quiet": True,
    "debug": True, "insecure-clear-text": True,
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What `doctor` would have run with, in a fresh folder."""
    seen: list[Any] = []

    def run(source: Any, request: Any, where: Any) -> int:
        seen.append((source, request, where, defaults.applied()))
        return 0

    monkeypatch.setattr(steps, "run", run)
    monkeypatch.setattr(steps, "dry_run", run)
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("K8SEXT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text("current-context: lab\n")
    return seen


def left(values: Mapping[str, Any], path: str = FILE) -> None:
    Path(path).write_text(json.dumps(values))


def test_every_option_has_been_decided_on() -> None:
    """A new option is by hand until somebody has thought about who writes the folder."""
    tree = app.build()
    options = (p for c in tree.commands.values() for p in c.params)
    known = {defaults.long_name(p) for p in options if p.param_type_name == "option"}
    known -= {"config"}
    assert known == defaults.FROM_FOLDER | set(defaults.BY_HAND)
    assert not defaults.FROM_FOLDER & set(defaults.BY_HAND)
    assert not defaults.SHOWN & defaults.JUDGED
    doctor = {defaults.long_name(p) for p in tree.commands["doctor"].params}
    assert set(HOSTILE) == set(defaults.BY_HAND) & doctor


@pytest.mark.parametrize("inner", [False, True], ids=["plain", "of a context"])
@pytest.mark.parametrize("key", sorted(HOSTILE))
def test_a_hostile_key_is_ignored_and_told(
    asked: list[Any], capsys: Captured, key: str, inner: bool
) -> None:
    assert app.run(["doctor"]) == 0
    values = {key: HOSTILE[key]}
    left({"contexts": {"lab": values}} if inner else values)
    assert app.run(["doctor"]) == 0
    without, with_file = asked
    assert with_file == without
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"k8sext: k8sext.yaml of this folder may not set {key}: ignored; if you trust the file, "
        "give --config k8sext.yaml\n"
    )


def test_all_at_once_are_one_sentence(asked: list[Any], capsys: Captured) -> None:
    left({**HOSTILE, "contexts": {"lab": HOSTILE, "evil": HOSTILE}, "fail-on": "never"})
    assert app.run(["doctor"]) == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert all(key in err for key in HOSTILE)
    assert asked[0][1].gate.fail_on == "never"


def test_with_a_word_the_whole_file_counts(asked: list[Any], capsys: Captured) -> None:
    left({"image": "mine", "trust-annotations": True, "fail-on": "never"})
    for argv, environment in ((["--config", FILE], ""), ([], FILE)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("K8SEXT_CONFIG", environment)
            assert app.run(["doctor", *argv]) == 0
    assert [a[1].pod.image for a in asked] == ["mine", "mine"]
    assert [a[1].trust_annotations for a in asked] == [True, True]
    assert [a[3] for a in asked] == [(), ()]  # trusted, so not worth a caution
    assert capsys.readouterr().err == ""


def test_the_environment_is_trusted(
    asked: list[Any], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    left({"image": "evil"})
    monkeypatch.setenv("K8SEXT_IMAGE", "mine")
    monkeypatch.setenv("K8SEXT_FAIL_ON", "never")
    assert app.run(["doctor"]) == 0
    assert asked[0][1].pod.image == "mine"
    assert asked[0][3] == ()


def test_what_shapes_the_verdict_is_told(asked: list[Any], capsys: Captured) -> None:
    left(
        {
            "fail-on": "never", "allow-empty": True, "selector": "app=\x1b[2Jx", "timeout": 5,
            "output": "wide", "all-namespaces": False, "contexts": {"lab": {"require": "connect"}},
        }
    )  # fmt: skip
    assert app.run(["doctor"]) == 0
    ((_, request, where, applied),) = asked
    assert (request.gate.fail_on, request.gate.allow_empty) == ("never", True)
    assert where == {"wide": "-"}
    (text,) = applied
    assert text.startswith("k8sext.yaml of this folder sets ")
    assert {*text.partition(" sets ")[2].split(", ")} == {
        "fail-on never", "allow-empty", "selector app=\\x1b[2Jx", "timeout 5.0",
        "require connect",
    }  # fmt: skip
    assert capsys.readouterr().err == ""


def test_what_a_flag_says_is_not_the_files(asked: list[Any]) -> None:
    left({"fail-on": "never", "namespace": "dev"})
    assert app.run(["doctor", "--fail-on", "warn", "-n", "shop"]) == 0
    assert asked[0][3] == ()


def test_of_what_this_command_does_not_know_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    left({"image": "x", "trust-annotations": True})
    assert app.run(["explain", "KX302"]) == 0
    assert capsys.readouterr().err == ""


def test_quiet_is_quiet(asked: list[Any], capsys: Captured) -> None:
    left({"image": "x"})
    assert app.run(["doctor", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "key",
    ["trust_annotations", "Trust-Annotations", "TRUST-ANNOTATIONS", "--trust-annotations",
     " trust-annotations", "trust-annotations ", "trust\u2010annotations", "doctor", "defaults",
     "trust_annotations: x"],
)  # fmt: skip
def test_another_spelling_sets_nothing(asked: list[Any], capsys: Captured, key: str) -> None:
    left({key: {"trust-annotations": True} if key in ("doctor", "defaults") else True})
    assert app.run(["doctor"]) == 2
    assert "unknown option: " in capsys.readouterr().err
    assert asked == []


def test_a_merge_key_is_no_way_around(asked: list[Any]) -> None:
    Path(FILE).write_text(
        "contexts:\n  a: &a {trust-annotations: true, image: evil}\n  lab: {<<: *a}\n"
    )
    assert app.run(["doctor"]) == 0
    assert not asked[0][1].trust_annotations
    assert "evil" not in asked[0][1].pod.image


def test_only_this_folder_is_looked_into(
    asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left({"fail-on": "never"})
    (tmp_path / "inside" / FILE).mkdir(parents=True)  # a folder of that name is no file
    monkeypatch.chdir(tmp_path / "inside")
    assert app.run(["doctor"]) == 0
    assert asked[0][1].gate.fail_on == "fail"


def test_a_link_is_not_trusted_more_than_the_folder(asked: list[Any], capsys: Captured) -> None:
    left({"trust-annotations": True}, "elsewhere.yaml")
    Path(FILE).symlink_to("elsewhere.yaml")
    assert app.run(["doctor"]) == 0
    assert not asked[0][1].trust_annotations
    Path(FILE).unlink()
    os.mkfifo(FILE)  # nobody writes into it: not waited for
    assert app.run(["doctor"]) == 0
    Path(FILE).unlink()
    Path(FILE).write_text("[" * 100_000)
    assert app.run(["doctor"]) == 2
    assert "more than 50 levels" in capsys.readouterr().err
