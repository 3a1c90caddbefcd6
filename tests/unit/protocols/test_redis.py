import asyncio
import random

import pytest

from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import against, end_of, left_to_itself, on

INFO = b"redis_version:7.2.1\r\nredis_mode:standalone\r\nrole:master\r\nrun_id:abc\r\n"


def scripted(replies: dict[bytes, bytes]) -> object:
    """A stand-in for a server: answers commands by their first word."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            count = int((await reader.readuntil(b"\r\n"))[1:])
            words = []
            for _ in range(count):
                size = int((await reader.readuntil(b"\r\n"))[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            writer.write(replies.get(words[0], b"+OK\r\n"))

    return handle


def see(replies: dict[bytes, bytes], **options: object) -> tuple[Stage | None, Reason | None]:
    seen = against(scripted(replies), "redis", "redis", **options)  # type: ignore[arg-type]
    ended = end_of(seen)
    return seen.depth, ended.reason if ended else None


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


HEALTHY = {b"PING": b"+PONG\r\n", b"INFO": bulk(INFO)}


def test_a_healthy_server_without_a_login() -> None:
    assert see(HEALTHY) == (Stage.VERIFY, None)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"-DENIED Redis is running in protected mode\r\n", Reason.PROTECTED_MODE),
        (b"-ERR max number of clients reached\r\n", Reason.TOO_MANY_CONNECTIONS),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Reason.LOADING),
        (b"-MASTERDOWN Link with MASTER is down\r\n", Reason.UNHEALTHY),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", Reason.UNHEALTHY),
        (b"-BUSY Redis is busy running a script\r\n", Reason.UNHEALTHY),
        (b"-CLUSTERDOWN The cluster is down\r\n", Reason.UNHEALTHY),
        (b"-no upstream host\r\n", Reason.UNHEALTHY),
        (b"-READONLY You can't write against a read only replica.\r\n", Reason.READ_ONLY),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", Reason.ALARM),
        (b"-SOMETHING new\r\n", Reason.SERVER_ERROR),
        (b"\x15\x03\x01\x00\x02\x02\x46", Reason.TLS_REQUIRED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.WRONG_PROTOCOL),
        (b"+HELLO\r\n", Reason.WRONG_PROTOCOL),
    ],
)
def test_what_ping_can_be_answered_with(reply: bytes, reason: Reason) -> None:
    assert see({b"PING": reply})[1] is reason


def test_a_rejected_login() -> None:
    replies = {b"PING": b"-NOAUTH Authentication required.\r\n", b"AUTH": b"-WRONGPASS no\r\n"}
    assert see(replies, login={"password": "x"}) == (Stage.HANDSHAKE, Reason.AUTH_REJECTED)


def test_a_login_that_is_asked_for_and_not_configured() -> None:
    replies = {b"PING": b"-NOAUTH Authentication required.\r\n"}
    assert see(replies)[1] is Reason.AUTH_REQUIRED


def test_a_sentinel_is_no_server() -> None:
    info = INFO.replace(b"standalone", b"sentinel")
    assert see({**HEALTHY, b"INFO": bulk(info)})[1] is Reason.WRONG_ROLE


def test_expectations() -> None:
    assert see(HEALTHY, expect={"role": "replica"})[1] is Reason.WRONG_ROLE
    assert see(HEALTHY, expect={"version": ">=8"})[1] is Reason.UNSUPPORTED_VERSION
    assert see(HEALTHY, expect={"role": "master", "version": ">=7,<8"})[1] is None


def test_the_password_in_clear_is_a_warning_and_shown_nowhere() -> None:
    seen = against(
        scripted(HEALTHY),  # type: ignore[arg-type]
        "redis",
        "redis",
        login={"password": "canary-4711"},
    )
    auth = seen.stage(Stage.AUTH)
    assert auth is not None
    assert (auth.status, auth.reason) == (Status.WARN, Reason.PASSWORD_IN_CLEAR)
    assert "canary-4711" not in repr(seen)


def test_a_giant_is_not_believed() -> None:
    assert see({b"PING": b"$536870912\r\n"})[1] is Reason.TOO_MUCH


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            b"-ERR AUTH <password> called without any password configured for the default user",
            Reason.AUTH_REJECTED,
        ),
        (b"-ERR Client sent AUTH, but no password is set", Reason.AUTH_REJECTED),  # before Redis 6
        (b"-ERR wrong number of arguments for 'auth' command", Reason.AUTH_METHOD_UNSUPPORTED),
        (b"-ERR invalid password", Reason.AUTH_REJECTED),
    ],
)
def test_what_auth_can_be_answered_with(words: bytes, reason: Reason | None) -> None:
    replies = {**HEALTHY, b"AUTH": words + b"\r\n"}
    assert see(replies, login={"username": "shop", "password": "x"})[1] is reason


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"J\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00", "MySQL"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"AMQP\x00\x00\x09\x01", "AMQP"),
    ],
)
def test_another_server_is_named_and_sent_nothing_more(answer: bytes, word: str) -> None:
    sent: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        while data := await reader.read(4096):
            sent.append(data)

    ended = against(handle, "redis", "redis").ended_by
    assert ended is not None
    assert ended.reason is Reason.WRONG_PROTOCOL
    assert word in ended.detail
    assert ended.evidence["first_bytes"] == answer.hex()
    assert b"".join(sent) == b"*1\r\n$4\r\nPING\r\n"


HELLO3 = (
    b"%4\r\n+server\r\n+redis\r\n+version\r\n+7.2.1\r\n+mode\r\n+standalone\r\n+role\r\n+master\r\n"
)


@pytest.mark.parametrize("hello", [HELLO3, b"-ERR unknown command 'HELLO'\r\n", b"-NOPROTO no\r\n"])
@pytest.mark.parametrize("info", [bulk(INFO), b"=%d\r\ntxt:%s\r\n" % (len(INFO) + 4, INFO)])
def test_both_versions_of_the_protocol(hello: bytes, info: bytes) -> None:
    assert see({**HEALTHY, b"HELLO": hello, b"INFO": info}) == (Stage.VERIFY, None)


@pytest.mark.parametrize(
    ("more", "product", "version"),
    [
        (b"", "redis", "7.2.1"),
        (b"server_name:valkey\r\nvalkey_version:8.0.1\r\n", "valkey", "8.0.1"),
        (b"thread_0_clients:1\r\nexecutable:/data/keydb-server\r\n", "keydb", "7.2.1"),
        (b"dragonfly_version:df-v1.40.1\r\n", "dragonfly", "1.40.1"),
    ],
)
def test_relatives_of_redis_are_named(more: bytes, product: str, version: str) -> None:
    replies = {**HEALTHY, b"INFO": bulk(INFO + more)}
    seen = against(scripted(replies), "redis", "redis")  # type: ignore[arg-type]
    assert (seen.fact("product"), seen.fact("version")) == (product, version)


def test_no_control_character_of_the_server_survives() -> None:
    nasty = "\x1b]0;x\x07\u202e\x00".encode()
    replies = {
        b"PING": b"+PONG\r\n",
        b"INFO": bulk(INFO.replace(b"abc", nasty) + b"maxmemory_policy:" + nasty + b"\r\n"),
    }
    seen = against(scripted(replies), "redis", "redis")  # type: ignore[arg-type]
    texts = [str(seen.fact("run_id")), str(seen.fact("maxmemory_policy"))]
    assert all("u202e" in text and text.isprintable() for text in texts)
    refused = against(scripted({b"PING": b"-ERR " + nasty + b"\r\n"}), "redis", "redis")  # type: ignore[arg-type]
    assert refused.ended_by is not None
    assert refused.ended_by.detail.isprintable()
    assert str(refused.ended_by.evidence["words"]).isprintable()


CLUSTER = {
    **HEALTHY,
    b"INFO": bulk(INFO.replace(b"standalone", b"cluster")),
    b"CLUSTER": b"-NOPERM this user has no permissions to run the 'cluster' command\r\n",
}


def test_a_cluster_whose_state_may_not_be_asked_for() -> None:
    assert see(CLUSTER) == (Stage.VERIFY, None)


REPLICA = (
    b"redis_version:7.2.1\r\nrole:slave\r\nmaster_host:198.51.100.9\r\nmaster_port:6379\r\n"
    b"master_link_status:up\r\nmaster_last_io_seconds_ago:%d\r\n"
)


@pytest.mark.parametrize(("quiet", "limit", "reason"), [
    (5, None, None), (90, None, Reason.LAGGING), (5, 4, Reason.LAGGING), (5, 6, None),
])  # fmt: skip
def test_a_replica_that_lags(quiet: int, limit: int | None, reason: Reason | None) -> None:
    expect = {} if limit is None else {"max_lag_s": limit}
    replies = {**HEALTHY, b"INFO": bulk(REPLICA % quiet)}
    seen = against(scripted(replies), "redis", "redis", expect=expect)  # type: ignore[arg-type]
    stage = seen.ended_by or seen.stage(Stage.VERIFY)
    assert stage is not None
    assert stage.reason is reason


@pytest.mark.parametrize("number", [b"9" * 5000, b"\xd9\xa3", b"-", b"1e9", b"", b"9" * 30, b"-1"])
def test_numbers_that_are_none_are_no_defect_of_ours(number: bytes) -> None:
    info = INFO + b"maxmemory_policy:noeviction\r\n" + b"".join(
        key + b":" + number + b"\r\n"
        for key in (b"maxmemory", b"used_memory", b"maxclients", b"connected_clients")
    )  # fmt: skip
    assert see({**HEALTHY, b"INFO": bulk(info)}) == (Stage.VERIFY, None)


WORDS = [
    *(b"PONG", b"OK", b"sentinel", b"cluster", b"slave", b"ok", b"127.0.0.1", b"", b"-1", INFO),
    *(b"name", b"ip", b"port", b"id 1.2.3.4:1@2 master,fail - 0 0 1 c\nid2 x@y myself"),
    b"redis_mode:cluster\r\ncluster_state:ok\r\ncluster_slots_ok:9\r\n",
    b"redis_mode:sentinel\r\nslave0:ip,port\r\nslave1:=\r\nmaxmemory:9\r\nused_memory:8",
]


def anything(dice: random.Random, depth: int = 0) -> bytes:
    """A well-formed reply of any type, with the words that the check looks for."""
    kind = dice.choice(b"+:$$$$*%~_#,(-") if depth < 4 else 36
    if kind in b"*%~":
        count = dice.randrange(4)
        many = count * 2 if kind == 37 else count
        inside = b"".join(anything(dice, depth + 1) for _ in range(many))
        return b"%c%d\r\n" % (kind, count) + inside
    fixed = {43: b"+OK\r\n", 58: b":26379\r\n", 95: b"_\r\n", 35: b"#t\r\n", 44: b",inf\r\n",
             40: b"(99\r\n", 45: b"-NOPERM no\r\n"}  # fmt: skip
    return fixed.get(kind) or bulk(dice.choice(WORDS))


def test_well_formed_nonsense_is_no_defect_of_ours() -> None:
    dice = random.Random(4711)

    async def all_of_them() -> None:
        for _ in range(10_000):
            data = b"+PONG\r\n" + b"".join(anything(dice) for _ in range(9))
            expect = {
                "role": dice.choice(["", "sentinel", "cluster"]),
                "max_lag_s": 1,
                "database": 0,
            }
            check = on("redis", "redis", data, expect=expect)
            await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)

    asyncio.run(all_of_them())


def always(reply: bytes) -> object:
    """A stub: one answer to whatever comes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(reply)

    return handle


@pytest.mark.parametrize(
    ("stub", "login"),
    [
        (always(b"+PONG\r\n"), {"password": "x"}),
        (always(b"+PONG\r\n"), None),
        (scripted({b"PING": b"+PONG\r\n"}), None),  # +OK to all the rest
        (scripted({b"PING": b"+PONG\r\n"}), {"password": "x"}),
        (scripted({b"PING": b"+PONG\r\n", b"INFO": b"$0\r\n\r\n"}), None),
        (scripted({b"PING": b"+PONG\r\n", b"INFO": bulk(b"role:master\r\n")}), None),
        (scripted({b"PING": b"+PONG\r\n", b"INFO": b"-ERR unknown command 'INFO'\r\n"}), None),
    ],
)
def test_what_says_pong_and_stores_nothing_is_another_product(
    stub: object, login: dict[str, str] | None
) -> None:
    seen = against(stub, "redis", "redis", login=login)  # type: ignore[arg-type]
    ended = end_of(seen)
    assert ended is not None
    assert ended.reason is Reason.WRONG_PRODUCT


OLD_AND_HARDENED = {
    b"PING": b"+PONG\r\n",
    b"HELLO": b"-ERR unknown command 'HELLO'\r\n",
    b"INFO": b"-ERR unknown command 'INFO'\r\n",
    b"ECHO": bulk(b"k8sext"),
}


@pytest.mark.parametrize(
    "replies",
    [
        OLD_AND_HARDENED,  # Redis 5 with rename-command
        {**OLD_AND_HARDENED, b"ECHO": b"-NOPERM no permissions to run the 'echo' command\r\n"},
        {**OLD_AND_HARDENED, b"INFO": b"-ERR unsupported command 'info'\r\n"},  # Envoy
        {**HEALTHY, b"INFO": bulk(b"redis_version:7.2.4\r\nvalkey_version:9.1.0\r\nrole:master")},
        {**HEALTHY, b"INFO": bulk(b"redis_version:7.2.0\r\ndragonfly_version:df-v1.27.1\r\n")},
        {**HEALTHY, b"INFO": bulk(b"executable:/usr/bin/keydb-server\r\nredis_version:6.3.4\r\n")},
        {**HEALTHY, b"INFO": bulk(b"pika_version:3.4.0\r\nrole:master\r\n")},
    ],
)
def test_relatives_and_hardened_servers_pass(replies: dict[bytes, bytes]) -> None:
    assert see(replies) == (Stage.VERIFY, None)


def test_what_is_expected_and_cannot_be_asked_is_no_pass() -> None:
    assert see(OLD_AND_HARDENED, expect={"role": "master"})[1] is Reason.FORBIDDEN


def test_the_first_database_is_not_selected() -> None:
    replies = {**HEALTHY, b"SELECT": b"-ERR unknown command 'SELECT'\r\n"}
    assert see(replies, expect={"database": "0"})[1] is None
    assert see(replies, expect={"database": "1"})[1] is Reason.DATABASE_MISSING


@pytest.mark.parametrize(
    ("good", "asked", "reason"),
    [
        (0, b"*2\r\n$21\r\nmin-replicas-to-write\r\n$1\r\n1\r\n", Reason.READ_ONLY),
        (0, b"-NOPERM no permissions to run the 'config|get' command\r\n", Reason.READ_ONLY),
        (1, b"*2\r\n$21\r\nmin-replicas-to-write\r\n$1\r\n2\r\n", Reason.READ_ONLY),
        (1, b"*2\r\n$21\r\nmin-replicas-to-write\r\n$1\r\n1\r\n", None),
        (1, b"-ERR unknown command 'CONFIG'\r\n", None),
    ],
)
def test_a_master_that_misses_the_replicas_it_wants(
    good: int, asked: bytes, reason: Reason | None
) -> None:
    info = INFO + b"min_slaves_good_slaves:%d\r\n" % good
    assert see({**HEALTHY, b"INFO": bulk(info), b"CONFIG": asked})[1] is reason


NODES = (
    b"a 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460 [93-<-b]\n"
    b"b 10.0.0.2:6379@16379 master - 0 0 2 connected 5461-16383\n"
)


@pytest.mark.parametrize(
    ("nodes", "expect", "reason"),
    [
        (NODES, {"role": "cluster"}, None),
        (NODES, {}, Reason.WRONG_ROLE),
        (NODES, {"role": "master"}, Reason.WRONG_ROLE),
        (NODES, {"role": "standalone"}, Reason.WRONG_ROLE),
        (b"a 10.0.0.1:1@2 myself,master - 0 0 1 connected 0-16383\n", {}, None),  # all by itself
        (b"a 10.0.0.1:1@2 myself,master - 0 0 1 connected 0-16383\n", {"role": "master"}, None),
    ],
)
def test_a_node_of_a_cluster_behind_one_name(
    nodes: bytes, expect: dict[str, str], reason: Reason | None
) -> None:
    info = INFO.replace(b"standalone", b"cluster")
    told = bulk(b"cluster_state:ok\r\ncluster_slots_ok:16384\r\n")
    answers = iter([told, bulk(nodes), b"*0\r\n"])
    others = {b"PING": b"+PONG\r\n", b"INFO": bulk(info), b"QUIT": b"+OK\r\n"}

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            count = int((await reader.readuntil(b"\r\n"))[1:])
            words = [await _word(reader) for _ in range(count)]
            known = others.get(words[0], b"-ERR\r\n")
            writer.write(next(answers) if words[0] == b"CLUSTER" else known)

    seen = against(served, "redis", "redis", expect=expect)
    stage = end_of(seen) or seen.stage(Stage.VERIFY)
    assert stage is not None
    assert stage.reason is reason
    plain = expect.get("role") in ("master", "standalone") and reason
    assert stage.status is (Status.FAIL if plain else Status.WARN if reason else Status.PASS)


async def _word(reader: asyncio.StreamReader) -> bytes:
    size = int((await reader.readuntil(b"\r\n"))[1:])
    return (await reader.readexactly(size + 2))[:-2]
