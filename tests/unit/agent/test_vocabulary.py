"""A password that is an ordinary word: our own sentences stay readable, and nothing leaks."""

import asyncio
import random

import pytest

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.login.credentials import Missing
from k8sext.agent.main import load_checks
from k8sext.agent.run.stages import StageLog, converse
from k8sext.agent.run.vocabulary import mask_own, own_words
from k8sext.model.plan import Budget, Target
from k8sext.model.result import Facts, StageResult
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route, Stage
from tests.support.converse import fed

load_checks(("sentinel", "postgresql", "redis"))  # their words are among ours


def masked(text: str, *passwords: str, words: str = "", names: tuple[str, ...] = ()) -> str:
    return mask_own(text, [Secret(p) for p in passwords], words, names)


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("sentinel", "sentinel-dashboard is known, and sentinel of main at 198.51.100.21:26379"),
        ("dash", "the dashboard answers"),
        ("redis", "a redis replica of master redis"),
        ("answers", "the server answers with an error"),
        ("5432", "connected to 198.51.100.21:5432"),
        ("100", "connected to 198.51.100.21"),
        ("db8", "connected to [2001:db8::7]:5432"),
    ],
)
def test_our_own_words_and_addresses_stay(password: str, text: str) -> None:
    assert masked(text, password) == text


@pytest.mark.parametrize(
    ("password", "text", "shown"),
    [
        ("sentinel", "it refuses password='sentinel'", "it refuses password='***'"),
        ("sentinel", "password=sentinel is wrong", "password=*** is wrong"),
        ("sentinel", 'the page says "no sentinel here"', 'the page says "no *** here"'),
        ("k4n4r1", "the server says k4n4r1", "the server says ***"),
        ("tulipomania", "the server says tulipomania", "the server says ***"),
        ("tulip", "the server says tulipomania", "the server says ***omania"),
        ("5432", "it was given 5432", "it was given ***"),
        ("1234", "password:1234 is wrong", "password:*** is wrong"),
        ("redis1", "redis1 of redis12", "*** of ***2"),
    ],
)
def test_a_secret_is_masked_where_it_can_stand(password: str, text: str, shown: str) -> None:
    assert masked(text, password) == shown


def test_where_the_server_is_quoted_every_occurrence_goes() -> None:
    words = "sentinel is no sentinel-dashboard"
    text = f"the sentinel refuses: {words}"
    assert masked(text, "sentinel", words=words) == "the sentinel refuses: *** is no ***-dashboard"


def test_names_of_the_target_stay() -> None:
    assert masked("tulip-db:5432 answers", "tulip", names=("tulip-db",)) == "tulip-db:5432 answers"
    assert masked("tulip answers", "tulip", names=("tulip",)) == "*** answers"


def test_an_odd_password_is_masked_wherever_it_stands() -> None:
    """All that has a letter and a digit or a sign in it, between whatever stands around it."""
    dice = random.Random(3)
    for _ in range(2000):
        value = "".join(dice.choice("abcXYZ019-_.!@") for _ in range(dice.randrange(5, 12)))
        if value.isalpha() or not any(c.isalpha() for c in value):
            continue
        around = "".join(dice.choice(" aZ0.:'\"=") for _ in range(8))
        assert value not in masked(f"{around}{value}{around}", value)


def test_the_vocabulary_is_that_of_the_agent() -> None:
    assert {"sentinel", "dashboard", "postgresql", "replica", "password"} <= own_words()
    assert "tulipomania" not in own_words()


def probed(password: str, detail: str, **evidence: str) -> StageResult:
    class Says(WireCheck):
        info = CheckInfo(name="toy", summary="", proves="")

        async def tls(self) -> Seen | None:
            return None

        async def handshake(self) -> Seen | None:
            facts: Facts = evidence
            raise Fault(Reason.UNEXPECTED, detail, **facts)

    async def talk() -> StageLog:
        target = Target(
            id="o1", service="shop-db", port_key="p", protocol="toy", route=Route.NAME,
            host="shop-db", port=1,
        )  # fmt: skip
        login = Login({"password": Secret(password)})
        log = StageLog(target, Budget(), asyncio.get_running_loop().time(), login.secrets)
        await converse(log, Says(target, fed(b"")), login, Missing(Reason.NO_CREDENTIALS, ""))
        return log

    return asyncio.run(talk()).done[Stage.HANDSHAKE]


def test_a_stage_keeps_its_evidence_and_shows_no_word_of_the_server_that_is_the_password() -> None:
    words = "bad password sentinel"
    seen = probed(
        "sentinel", f"a sentinel says: {words}", words=words, product="sentinel-dashboard"
    )
    assert seen.detail == "a sentinel says: bad password ***"
    assert seen.evidence == {"words": "bad password ***", "product": "sentinel-dashboard"}
