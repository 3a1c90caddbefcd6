"""Secrets in every form in which servers give back what they were sent; our own words stay."""

import base64
import json
import random
import string
import time

import pytest

from k8sext import registry
from k8sext.agent.run.vocabulary import mask_own
from k8sext.model.mask import MASK, mask
from k8sext.model.scrub import scrub
from k8sext.model.secret import Secret
from tests.support.reflecting import CANARY, forms

PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQg\n"
    "-----END PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    "value", [CANARY, "geheim-1234", "s3cr", "x" * 40 + "_-7", "Пароль-12", "密码密码"]
)
def test_every_form_is_found(value: str) -> None:
    short = {"upper case", "cut"} if len(value) < 6 else set[str]()  # they would be any word
    for name, form in forms(value).items():
        if name in short:
            continue
        shown = mask(f"it said {form} to us", [Secret(value)])
        assert form not in shown, name
        assert MASK in shown, name
        assert shown.startswith("it said ") and shown.endswith(" to us"), name


def test_any_mix_is_found() -> None:
    """Seeded: passwords of any characters, up to three encodings upon one another."""
    rng = random.Random(4711)
    letters = string.printable[:95] + "äß漢🙂"
    for _ in range(300):
        value = "".join(rng.choice(letters) for _ in range(rng.randrange(6, 30))).strip() or "x" * 6
        form = value
        for _ in range(rng.randrange(1, 4)):
            form = rng.choice(list(_ENCODERS.values()))(form)
        shown = mask(f"a {form} b", [Secret(value)])
        assert form not in shown and value not in shown, (value, form)


_ENCODERS = {
    "percent": lambda t: forms(t)["percent"],
    "json": lambda t: json.dumps(t)[1:-1],
    "html": lambda t: forms(t)["html by number"],
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
}


def test_each_line_of_a_key_is_a_secret() -> None:
    for line in PEM.splitlines()[1:-1]:
        assert line not in mask(f"bad line {line!r} in it", [Secret(PEM)])
    assert PEM.splitlines()[1][:4] not in mask(f"got {PEM!r}", [Secret(PEM)])
    assert mask(f"got {PEM}", [Secret(PEM)]) == "got ***"


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    for value in ("geheim-1234\n", "  geheim-1234", "geheim-1234\r\n"):
        shown = mask("no such: geheim-1234", [Secret(value)])
        assert shown.replace(" ", "") == "nosuch:***"


@pytest.mark.parametrize("cut", range(8, 24))
def test_a_text_that_was_cut_does_not_tell_how_a_secret_begins(cut: int) -> None:
    value = "Zr7kQ0pLx2mVt9wB"  # half of it, and more, is masked; less is not the secret
    shown = mask(f"token {value[:cut]}…", [Secret(value)])
    assert shown == "token ***…"
    assert mask(f"…{value[-cut:]} is bad", [Secret(value)]) == "…*** is bad"


@pytest.mark.parametrize(
    "word", ["postgres", "dashboard", "redis", "master", "index", "admin", "user"]
)
def test_an_ordinary_word_does_not_destroy_what_we_say(word: str) -> None:
    registry.wire_checks()
    said = f"no database {word} here: redis 7.2 is a master, the dashboard says: 302 Found"
    assert mask_own(said, [Secret(word)]) in (said, said.replace(word, MASK, 1))


@pytest.mark.parametrize("value", ["a", "x1", "  b\n"])
def test_one_or_two_characters_are_masked_where_nothing_but_a_value_stands(value: str) -> None:
    bare = value.strip()
    assert (
        mask(f"a banana for {bare}, x1 times", [Secret(value)]) == f"a banana for {bare}, x1 times"
    )
    for around in ("wrong '{}'", 'wrong "{}"', "password={}", "pwd: {}", "http://u:{}@h/"):
        assert bare not in mask(around.format(bare), [Secret(value)]).replace("wrong", "").replace(
            "password", ""
        ), around
    packed = base64.b64encode(f"user:{bare}".encode()).decode()
    assert packed not in mask(f"Basic {packed}", [Secret(value)])


def test_texts_without_a_secret_stay() -> None:
    """What programs say, and secrets of many kinds that are not in it."""
    texts = ("FATAL: no pg_hba.conf entry for host \"198.51.100.9\", user \"shop\"",
             "302 Found to https://sso.example/login?back=%2Fhome&lang=de", "elasticsearch 7.17.29",
             "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
             "AAAAAAAAAAAAAAAAAAAAAAAA \\u0000\\x00 %00 &nbsp; Größe 漢字")  # fmt: skip
    rng = random.Random(1)
    for _ in range(200):
        value = "".join(
            rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randrange(5, 40))
        )
        for text in texts:
            assert mask(text, [Secret(value)]) == text


def test_it_does_not_take_long() -> None:
    """Texts that are made to be decoded again and again, and large ones."""
    nasty = ("%25" * 4000, "\\\\" * 6000, "&amp;" * 3000, "QUFB" * 8000, "41 " * 9000, "=3D" * 9000)
    began = time.process_time()
    for text in nasty:
        mask(text, [Secret("geheim-1234"), Secret("x" * 2000 + "y")])
    assert time.process_time() - began < 15


# -- of others ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("302 to http://ada:pw@h:80/x", "302 to http://***@h:80/x"),
        ("http://ada:p/w?#@h/", "http://***@h/"),
        ("jdbc:mysql://ada@h/db", "jdbc:mysql://***@h/db"),
        ("to /login?access_token=abc&x=1", "to /login?access_token=***&x=1"),
        ("https://b.s3/x?X-Amz-Signature=abc&X-Amz-Credential=def", "https://b.s3/x?X-Amz-Signature=***&X-Amz-Credential=***"),
        ("https://b/x?sv=1&sig=ab%2Bc", "https://b/x?sv=1&sig=***"),
        ("/cb#id_token=abc", "/cb#id_token=***"),
        ("/home;jsessionid=ABC123?x=1", "/home;jsessionid=***?x=1"),
        ("/go?to=http%3A%2F%2Fada%3Apw%40h%2F", "/go?to=http%3A%2F%2F***%40h%2F"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("authorization=Basic YTpi", "authorization=Basic ***"),
        ("Cookie: sid=abcdef", "Cookie: sid=***"),
        ("a eyJhbGciOiJI.eyJzdWIiOiIx.c2ln b", "a *** b"),
    ],
)  # fmt: skip
def test_logins_and_tokens_of_others_are_known_by_their_place(text: str, shown: str) -> None:
    assert scrub(text) == shown
    assert scrub(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://registry.example:5000/team/app@sha256:9f86d0",
        "redis://redis-svc:6379/0", "mail ada@example.com",
        "kubectl annotate service a k8sext.io/tls=disable",
        "k8sext.io/credentials-keys=password=YOUR-KEY", "http://h/x?page=2&size=10&code_style=a",
        "basic authentication is switched off", "the bearer token is missing",
        "http://[2001:db8::1]:80/a@b",
    ],
)  # fmt: skip
def test_what_looks_alike_stays(text: str) -> None:
    assert scrub(text) == text
