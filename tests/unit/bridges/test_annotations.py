"""Annotations: what can be read is used, what cannot is told in one sentence, nothing raises."""

from typing import Any

import pytest

from k8sext.bridges.annotations import PREFIX, Said, asks, of_no_port, parse
from k8sext.model.bridge import CredentialRef, Port
from k8sext.model.tls import TlsMode, TlsSpec

NAMES = frozenset({"redis", "http", "postgresql"})


def said(**words: str) -> Said:
    return parse(
        {PREFIX + k.replace("__", ".").replace("_", "-"): v for k, v in words.items()}, NAMES
    )


def test_nothing_is_nothing() -> None:
    assert parse({}, NAMES) == Said()
    assert parse({"example.com/protocol": "redis", "k8sext.io": "x"}, NAMES) == Said()


def test_all_of_them() -> None:
    got = said(
        protocol=" Redis ",
        credentials="redis-auth",
        credentials_keys="password=redis-password, username=user,",
        tls="verify-full",
        tls_ca="redis-ca#root.pem",
        tls_server_name="redis.example.com",
        expect='{"role": "master"}',
        ports="6379/redis, 443",
        origin="redis.example.com",
        ignore="KX104, KX203 it is meant so",
    )
    assert got == Said(
        protocol="redis",
        credentials=CredentialRef(
            secret="redis-auth", keys=(("password", "redis-password"), ("username", "user"))
        ),
        tls=TlsSpec(mode=TlsMode("verify-full"), ca_secret="redis-ca", ca_key="root.pem",
                    server_name="redis.example.com"),
        expect={"role": "master"},
        ports=((6379, "redis"), (443, "")),
        origin="redis.example.com",
        ignore=(("KX104", "it is meant so"), ("KX203", "it is meant so")),
    )  # fmt: skip


def test_of_one_port() -> None:
    got = said(
        protocol__web="http",
        credentials__web="web-auth",
        tls__web="disable",
        expect__web='{"status": 200}',
        expect="{}",
    )
    assert got.protocol_by_port == {"web": "http"}
    assert got.credentials_by_port == (("web", CredentialRef(secret="web-auth")),)
    assert got.tls_by_port[0][1].mode is TlsMode("disable")
    assert got.expect_by_port == (("web", {"status": 200}),)
    assert (got.protocol, got.credentials, got.tls, got.problems) == ("", None, None, ())


DEEP = "[" * 8_000
PROBLEMS: list[tuple[dict[str, str], str]] = [
    ({"protokoll": "redis"}, "k8sext.io/protokoll: no such annotation is known"),
    ({"protocol": "rediss"}, "k8sext.io/protocol: 'rediss' is not one of the protocols"),
    ({"protocol__web": "x"}, "k8sext.io/protocol.web: 'x' is not one of"),
    ({"credentials": "a b"}, "k8sext.io/credentials: its value is not the name of a Secret"),
    ({"credentials": "../x"}, "its value is not the name of a Secret"),
    ({"credentials_keys": "a=b"}, "there is no credentials annotation beside it"),
    ({"credentials": "s", "credentials_keys": "password"}, "an item is not WORD=KEY"),
    ({"credentials": "s", "credentials_keys": "=x"}, "an item is not WORD=KEY"),
    ({"tls": "on"}, "k8sext.io/tls: 'on' is not disable, require or verify-full"),
    ({"expect": "{"}, "k8sext.io/expect: its value is not JSON"),
    ({"expect": DEEP}, "k8sext.io/expect: its value is not JSON"),
    ({"expect": "[1]"}, "k8sext.io/expect: its value is not a JSON object"),
    ({"expect__web": "nope"}, "k8sext.io/expect.web: its value is not JSON"),
    ({"ports": "0"}, "'0' is not PORT or PORT/PROTOCOL"),
    ({"ports": "65536"}, "'65536' is not PORT"),
    ({"ports": "８０"}, "is not PORT"),
    ({"ports": "80/gopher"}, "'gopher' is not one of the protocols"),
    ({"protocol": "reddis"}, "did you mean redis?"),
    ({"ports": "80/postgres"}, "did you mean postgresql?"),
    (
        {"expected": "{}"},
        "k8sext.io/expected: no such annotation is known; did you mean k8sext.io/expect?",
    ),
    ({"credential__web": "s"}, "did you mean k8sext.io/credentials.web?"),
    ({"ignore__web": "KX104 x"}, "k8sext.io/ignore.web: k8sext.io/ignore is for the whole Service"),
    ({"ignore": "everything"}, "k8sext.io/ignore: its value is not CODE,… REASON"),
    ({"ignore": "KX104,KX9 x"}, "its value is not CODE,… REASON"),
]


@pytest.mark.parametrize(("words", "problem"), PROBLEMS)
def test_what_cannot_be_read_is_told(words: dict[str, str], problem: str) -> None:
    (told,) = said(**words).problems
    assert problem in told


def test_what_can_be_read_is_used_all_the_same() -> None:
    got = said(protocol="rediss", credentials="s", ports="80/gopher,443/http", ignore="KX104,x y")
    assert got.credentials == CredentialRef(secret="s")
    assert got.ports == ((443, "http"),)
    assert got.ignore == (("KX104", "y"),)
    assert len(got.problems) == 3


def test_a_secrets_value_by_mistake_is_not_repeated() -> None:
    """Somebody writes the login itself where its Secret's name belongs."""
    words: dict[str, Any] = {"credentials": "hunter2 !", "expect": "hunter2 !"}
    assert "hunter2" not in " ".join(said(**words).problems)


def test_what_has_no_effect_and_what_cannot_be_read_are_told_apart() -> None:
    got = said(protokoll="redis", tls="on")
    assert ["protokoll" in text for text in got.unknown] == [True]
    assert ["'on'" in text for text in got.unread] == [True]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"protocol__wbe": "http"}, "the Service has no port wbe (it has web, 443); did you"),
        ({"tls__8443": "disable"}, "k8sext.io/tls.8443: the Service has no port 8443"),
        ({"ports": "5432/postgresql"}, "k8sext.io/ports: the Service has no port 5432"),
        ({"protocol__web": "http"}, ""),
        ({"protocol__80": "http", "tls__443": "disable", "ports": "80/http"}, ""),
    ],
)  # fmt: skip
def test_annotations_for_ports_that_are_not_there(words: dict[str, str], problem: str) -> None:
    ports = tuple(
        Port(name=name, port=number, protocol="http", protocol_source="file")
        for name, number in (("web", 80), ("", 443))
    )
    found = of_no_port(said(**words), ports)
    assert problem in found[0] if problem else found == ()


@pytest.mark.parametrize(
    ("word", "asked"),
    [("protocol", True), ("credentials.web", True), ("expect", True), ("ports", True),
     ("ignore", False), ("origin", False), ("nonsense", False)],
)  # fmt: skip
def test_who_annotates_what_is_to_be_looked_at_asks_for_a_check(word: str, asked: bool) -> None:
    assert asks({PREFIX + word: "x"}) is asked
    assert not asks({f"example.com/{word}": "x"})


# -- values that would hurt other bridges -------------------------------------------------------

LONG = "a" * 253
HOSTILE: list[tuple[str, str, str]] = [
    *(("tls-ca", value, "its value is not SECRET#KEY") for value in (
        "x/y#k", "../x#k", "x..y#k", "X#k", "x#", "x#a/b", "x#..", "x#.", "x#..data", "#k", "x y#k",
        "x:y#k", "x,y#k", "-x#k", "x-#k", ".x#k", f"{LONG}a#k", f"x#{LONG}a", "x#k#k", "x\x00#k",
        "x\n#k", "ｘ#k",
    )),
    *(("credentials", value, "is not the name of a Secret") for value in (
        "x/y", "x..y", "X", ".x", "x.", "-x", f"{LONG}a", "x:y", "$(id)", "x\x1b[2J",
    )),
    *(("tls-server-name", value, "is not a host name") for value in (
        "a b", "a..b", ".a", "-a.example", "a" * 64, "a/b", "a:443", "https://a", "*.a", "1.2.3",
        "0x7f.1", "2130706433", "[::1]", "a\n.b", "a$(id)", ".".join(["a" * 60] * 5), "a\u202eb c",
    )),
    *(("origin", value, "is not a host name") for value in ("a b", "a;b", "$(id).example", "..")),
    *(("ingress", value, "is not HOST or HOST/PATH") for value in (
        "a b", "/path", "a;b/path", "a/p q", "a/?x", "*.*.a",
    )),
    *(("ports", value, "is not PORT or PORT/PROTOCOL") for value in (
        "9" * 5000, "-1", "+80", "80.0", "0x50", "080000",
    )),
    ("ports", ",".join(map(str, range(1, 1500))), "more than 100 ports"),
    *(("expect", value, "is not JSON") for value in (
        '{"a": NaN}', '{"a": Infinity}', '{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}",
    )),
    ("expect", '{"a": ' + "[" * 30 + "]" * 30 + "}", "is not a JSON object"),
    *((word, "x" * 200_000, "longer than 8192 characters") for word in (
        "protocol", "credentials", "tls", "tls-ca", "tls-server-name", "expect", "origin", "ignore",
    )),
    ("protocol", "x\x1b[2J" * 100, "is not one of the protocols"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_value_costs_its_annotation(number: int) -> None:
    word, value, told = HOSTILE[number]
    got = parse({PREFIX + word: value, PREFIX + "protocol.web": "http"}, NAMES)
    (problem,) = got.unread
    assert told in problem
    assert len(problem) < 250
    assert problem.isprintable()
    assert got.protocol_by_port == {"web": "http"}
    assert not (got.tls and (got.tls.ca_secret or got.tls.server_name))
    assert (got.credentials, got.origin, got.ingress, got.ports, got.expect) == (
        None, "", "", (), {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "reads"),
    [("a/b", False), ("..data", False), (".", False), (LONG + "a", False), ("a b", False),
     ("$(id)", False), (LONG, True), ("spring.datasource.password", True), (".x", True),
     ("POSTGRES_PASSWORD", True), ("_-.", True)],
)  # fmt: skip
def test_keys_of_secrets(key: str, reads: bool) -> None:
    got = said(credentials="s", credentials_keys=f"password={key}")
    assert got.credentials is not None
    assert got.credentials.keys == ((("password", key),) if reads else ())
    assert len(got.unread) == (not reads)


HEALTHY: list[tuple[str, str]] = [
    *(("tls-ca", value) for value in (
        f"{LONG}#{LONG}", "a.b-c.d#tls.crt", "0#ca_bundle.pem", "x#.pem", "x#-", "my-ca",
    )),
    *(("credentials", value) for value in (LONG, "a.b.c", "0", "a--b", "x" * 100 + ".y")),
    *(("tls-server-name", value) for value in (
        "db.example.com", "db.example.com.", "DB", "198.51.100.9", "2001:db8::1", "fe80::1%eth0",
        "xn--bcher-kva.example", "bücher.example", "_sql._tcp.example", "my_db", "a" * 63, "1a",
        "3.pool.ntp.org", ".".join(["a" * 62] * 4),
    )),
    *(("origin", value) for value in ("redis.corp.example", "a_b.example.", "bücher.example")),
    *(("ingress", value) for value in ("kibana.example.com", "*.example.com", "a.b/kibana/x")),
    ("ports", ",".join(map(str, range(1, 101)))),
    ("ports", "05432"),
    ("expect", '{"queues": ' + "[[[[[1]]]]]" + ', "é": "\\ud83d\\ude00", "version": ">=1e3"}'),
    ("expect", '{"indices": "' + "x" * 8000 + '"}'),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HEALTHY)))
def test_a_healthy_value_is_read(number: int) -> None:
    word, value = HEALTHY[number]
    got = parse({PREFIX + word: value}, NAMES)
    assert got.unread == ()
    assert got != Said()
