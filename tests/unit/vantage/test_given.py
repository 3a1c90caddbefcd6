"""`--credentials file:PATH`: what such files hold, and what must not come of it."""

import os
from pathlib import Path

import pytest

from k8sext.errors import K8sextError
from k8sext.model.secret import Secret
from k8sext.reading import files
from k8sext.vantage import given, handed

CANARY = "canary-4471"


def shown(tree: given.Tree) -> object:
    return {k: v.reveal() if isinstance(v, Secret) else shown(v) for k, v in tree.items()}


def file(folder: Path, text: str | bytes) -> Path:
    path = folder / "logins"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    return path


def folder(path: Path, **values: bytes) -> Path:
    """One service `redis` with a file for each key."""
    (path / "all" / "redis").mkdir(parents=True)
    (path / "all").chmod(0o700)
    for key, value in values.items():
        (path / "all" / "redis" / key).write_bytes(value)
    return path / "all"


def refused(path: Path) -> str:
    with pytest.raises(K8sextError) as caught:
        handed.logins(f"file:{path}", alone=True)
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert CANARY not in text + repr(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"redis: {CANARY}", "redis is a value, not a mapping"),
        (f"- {CANARY}", "are not of the right form"),
        (f"redis: [{CANARY}]", "redis is a list"),
        (f"redis: {{password: [{CANARY}]}}", "redis.password is a list"),
        ("redis: {password: !!int 5}", "redis.password is neither text nor names"),
        (f"a: {{b: {{c: {{d: {{e: {CANARY}}}}}}}}}", "a.b.c.d is one mapping too deep"),
        (f"redis: {{password: *{CANARY}}}", ":1:19: the credentials cannot be read"),
        (f"redis: {{password: '{CANARY}", "it is not YAML"),
        (f"redis: {{password: \x00{CANARY}}}", "is not allowed"),
        (CANARY.encode() + b"\xff", "it is not text"),
        ("[" * 100_000, "more than 50 levels deep"),
        ("a: &a {b: c}\nb: [" + "*a, " * 40_000 + "]", "grows too large"),
        (f"redis: {{[{CANARY}]: x}}", "it is not YAML"),
        ("#" * (5 << 20), "it is larger than 4 MiB"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_of_the_form(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(file(tmp_path, text))


def test_values_are_sent_as_they_are_written(tmp_path: Path) -> None:
    """0123 was the number 83, `yes` was True and an empty value was None: wrong passwords."""
    text = "redis: {password: 0123, username: yes, database: 1_0}\npg: &x {token: ~}\nmysql: *x\n"
    assert shown(given.tree(file(tmp_path, text))) == {
        "redis": {"password": "0123", "username": "yes", "database": "1_0"},
        "pg": {"token": "~"},
        "mysql": {"token": "~"},
    }


def test_a_folder_as_secrets_are_mounted(tmp_path: Path) -> None:
    """With the kubelet's links, a keystore in binary form, and things that are no files."""
    path = folder(tmp_path, **{"keystore.p12": b"\x00\xff"})
    service = path / "redis"
    (service / "..data").mkdir()
    (service / "..data" / "password").write_text("x")
    (service / "password").symlink_to("..data/password")
    (service / "gone").symlink_to("nowhere")
    os.mkfifo(service / "pipe")
    (path / "README").write_text("of the folder")
    assert shown(given.tree(path)) == {"redis": {"keystore.p12": "\0\ufffd", "password": "x"}}


def test_a_folder_that_is_none_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path, password=b"x" * ((1 << 20) + 1))
    assert "redis/password: it is larger than 1 MiB" in refused(path)
    monkeypatch.setattr(given, "MAX_FILES", 1)
    assert "more than 1 files" in refused(path)


def test_a_pipe_without_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PIPE_S", 0.2)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "nothing was written into this pipe" in refused(tmp_path / "pipe")


def test_what_others_can_read_or_is_not_there(tmp_path: Path) -> None:
    path = file(tmp_path, "redis: {}")
    path.chmod(0o640)
    assert "others than you can read the credentials; chmod go= " in refused(path)
    assert "No such file" in refused(tmp_path / "none")
