"""A secret shows itself to `reveal` alone, and is masked wherever a server repeats it."""

import copy
import json
import pickle
import traceback

import pytest

from k8sext.model.mask import mask
from k8sext.model.secret import Secret, printable

CANARY = "canary-4711"


def test_no_way_of_showing_it_shows_it() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        "{0}".format(secret),  # noqa: UP030, UP032 - one more way
        repr([secret]),
    ]
    assert not [s for s in shown if CANARY in s]
    assert secret.reveal() == CANARY
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_copied(copied: object) -> None:
    with pytest.raises(TypeError) as caught:
        copied(Secret(CANARY))  # type: ignore[operator]
    assert CANARY not in str(caught.value)


def test_it_is_no_json() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps({"password": Secret(CANARY)})
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_emptiness_is_all_that_is_known_of_it() -> None:
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)


def test_what_a_server_repeats_is_masked() -> None:
    secrets = [Secret(CANARY), Secret("canary"), Secret("")]
    text = f"no user {CANARY}: canary, CANARY-4711 {CANARY}{CANARY}"
    assert mask(text, secrets) == "no user ***: ***, *** ******"


def test_the_longer_secret_goes_first() -> None:
    """Otherwise what is left of it would tell how it ends."""
    assert mask("password1 password", [Secret("password"), Secret("password1")]) == "*** ***"


def test_a_secret_of_one_letter_masks_no_text() -> None:
    assert mask("a banana", [Secret("a")]) == "a banana"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines\tand", "two  lines and"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("\ud800", "\\ud800"),
        ("\x00\x9b", "\\x00\\x9b"),
        ("Größe 漢", "Größe 漢"),
    ],
)
def test_only_what_can_be_printed(text: str, shown: str) -> None:
    assert printable(text) == shown
    printable(text).encode()


def test_texts_have_an_end() -> None:
    assert len(printable("x" * 10_000)) == 400
    assert printable("x" * 400) == "x" * 400
    assert printable("\x1b" * 10_000, 20).endswith("…")
