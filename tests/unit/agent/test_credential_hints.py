import asyncio
import random
import string
from base64 import b64encode
from pathlib import Path

import pytest

from k8sext.agent.login.credentials import Missing, MountedSecrets, login_of
from k8sext.agent.login.hints import address_hints, encoded, hints
from k8sext.diagnose.case import PlaceFacts
from k8sext.diagnose.judge import judge
from k8sext.model.bridge import CredentialRef
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Stage, Status
from tests.support import seen
from tests.support.converse import against

CANARY = "Kq7-canary-4711"
ALIASES: dict[str, tuple[str, ...]] = {"username": ("user",), "password": ()}
REF = CredentialRef(secret="shop", vouched=True)


def said(**values: str) -> str:
    return " | ".join(hints({word: Secret(value) for word, value in values.items()}))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty"),
        (" \t", "nothing but white space"),
        (f"{CANARY}\n", "ends with a line break"),
        (f"{CANARY}\r\n", "Windows line break"),
        (f"{CANARY}\r", "carriage return"),
        (f" {CANARY}", "begins or ends with white space"),
        (f"\ufeff{CANARY}", "byte order mark"),
        (f'"{CANARY}"', "surrounded by quotes"),
        (f"'{CANARY}'\n", "surrounded by quotes"),
        (b64encode(CANARY.encode()).decode(), "base64"),
        (b64encode(f"{CANARY}\n".encode()).decode(), "base64"),
        ("changeme", "placeholder"),
        ("CHANGE_ME", "placeholder"),
        ("<password>", "placeholder"),
        ("${DB_PASSWORD}", "placeholder"),
        ("{{ .Values.password }}", "placeholder"),
        ("xxxx", "placeholder"),
        ("********", "placeholder"),
        ("your-password-here", "placeholder"),
        (f"password={CANARY}", "the whole line was stored"),
        ("p%40ss", "percent-encoding"),
        ("p\u00e4ss", "outside of ASCII"),
        ("p\ufffdss", "not valid UTF-8"),
        ("pa\x00ss", "control character"),
    ],
)
def test_what_is_odd_about_a_value(value: str, words: str) -> None:
    assert words in said(username="shop", password=value)


@pytest.mark.parametrize("value", [CANARY, "correct horse", "abcdefgh", "p@ss:w/rd#?", "100%", "a"])
def test_of_a_sound_value_nothing_is_said(value: str) -> None:
    assert said(username="shop", password=value) == ""


def test_names() -> None:
    assert "white space inside" in said(username="my shop", password=CANARY)
    assert "no username" in said(password=CANARY)
    assert said(api_key=CANARY) == ""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("amqp://u:p@host:5672/v", ""),
        ("jdbc:postgresql://u:p%40x@host/db", ""),
        ("amqp://u:p@x@host/v", "an @ where none belongs"),
        ("amqp://u:p#x@host/v", "cannot be read|an @ where"),
        ("amqp://u:p/x@host/v", "cannot be read|an @ where"),
        ("amqp://u:p@host:port/v", "cannot be read"),
        ("amqp://u:p@[host/v", "cannot be read"),
        ("host:5672", "no scheme or no host"),
        ("", "no scheme or no host"),
    ],
)
def test_addresses(address: str, words: str) -> None:
    found = " ".join(address_hints("uri", address))
    assert any(w in found for w in words.split("|"))
    assert bool(found) == bool(words)


def test_an_address_without_a_readable_password_is_told_with_the_missing_key() -> None:
    values = {"uri": Secret("amqp://u:p@[host/v")}
    missing = login_of(values, REF, ALIASES)
    assert isinstance(missing, Missing)
    assert "uri cannot be read as an address" in missing.detail


def test_no_part_of_a_value_and_not_its_length_is_ever_said() -> None:
    """Values of all shapes around a random core: no four characters of it in any hint."""
    dice = random.Random(5)
    letters = string.ascii_letters + string.digits
    shapes = (
        "{}",
        "{}\n",
        " {}",
        '"{}"',
        "<{}>",
        "${{{}}}",
        "password={}",
        "{}%40",
        "\ufeff{}\xe4",
    )
    words: set[str] = set()
    for number in range(10_000):
        # A digit in every other place: no word of a sentence is like that.
        core = "".join(
            dice.choice(letters) + str(dice.randrange(10)) for _ in range(6 + number % 9)
        )
        value = dice.choice(shapes).format(core)
        if number % 3 == 0:
            value = b64encode(value.encode()).decode()
        text = said(username=dice.choice(("shop", core)), password=value)
        text += " ".join(address_hints("uri", f"amqp://u:{value}@host/{core}"))
        assert not any(core[at : at + 4] in text for at in range(len(core) - 3)), text
        words |= {said(username="shop", password=value)}
    assert all(character not in "13579" for text in words for character in text)
    assert len(words) < 60  # fixed sentences


def test_random_passwords_are_not_called_base64() -> None:
    dice = random.Random(6)
    letters = string.ascii_letters + string.digits
    made = ["".join(dice.choice(letters) for _ in range(16)) for _ in range(10_000)]
    assert sum(map(encoded, made)) <= 2


async def rejecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:

    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")


def test_a_rejected_login_brings_its_hints_as_evidence() -> None:
    login = {"username": "shop", "password": f"{CANARY}\n"}
    observed = against(rejecting, "http", "http", login=login)
    auth = observed.stage(Stage.AUTH)
    assert auth is not None
    assert auth.reason is Reason.AUTH_REJECTED
    found = auth.evidence["credential_hints"]
    assert isinstance(found, list)
    assert "line break" in str(found[0])
    assert CANARY not in repr(observed)


def test_the_diagnosis_says_them() -> None:
    hint = "the password is empty"
    ended = seen.at(ended=Stage.AUTH, reason=Reason.AUTH_REJECTED, credential_hints=[hint])
    name = seen.by_name(Stage.AUTH, Reason.LOGIN_REJECTED_BEFORE, status=Status.SKIP)
    context = PlaceFacts(namespace="dev", vantage="pod")
    diagnosis = judge([seen.bridge()], [name, ended], [], context).bridges[0].diagnoses[0]
    assert diagnosis.code == "KX601"
    assert hint in diagnosis.why
    assert hint in diagnosis.fix


def test_a_mounted_value_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "username").write_text("shop")
    (tmp_path / "shop" / "password").write_text(f"{CANARY}\n")
    values = MountedSecrets(tmp_path)._values("shop")  # pyright: ignore[reportPrivateUsage]
    login = login_of(values, REF, ALIASES)
    assert not isinstance(login, Missing)
    assert login.get("password") == f"{CANARY}\n"
    assert len(login.hints) == 1
