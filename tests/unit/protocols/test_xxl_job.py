"""The XXL-JOB check against the stand-in; the stand-in against the real executor: unit/lab."""

import asyncio
import importlib
import json
import random
import socket
from pathlib import Path
from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import SHORT, against, end_of, left_to_itself, observe, on
from tests.support.ports import HOST
from tests.support.standins import says, serving
from tests.support.xxl_job import Running, eventually, executor, standin

read: Any = importlib.import_module("k8sext.checks.protocols.xxl_job.answers")
MODULE, PROTOCOL = "xxl_job", "xxl-job"
TOKEN, WORD = "canary-token", "canary-4711"
LOGIN = {"username": "shop", "password": WORD, "token": TOKEN}
PLAIN = TlsSpec(mode=TlsMode.DISABLE)
OURS: dict[str, Any] = {"users": {"shop": WORD}, "access_token": TOKEN}


def see(admin: Running, login: dict[str, str] | None = LOGIN, **options: Any) -> Observation:
    options.setdefault("tls", PLAIN)
    seen = observe(MODULE, PROTOCOL, HOST, admin.port, login, **options)
    assert WORD not in repr(seen) and TOKEN not in repr(seen)
    return seen


def ended(seen: Observation) -> tuple[Stage, Reason | None] | None:
    stage = end_of(seen)
    return (stage.stage, stage.reason) if stage else None


def entries(seen: Observation) -> list[dict[str, Any]]:
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None
    facts: Any = stage.evidence.get("callbacks")
    return list(facts["entries"]) if facts else []


def test_a_healthy_admin() -> None:
    with standin(**OURS, registered={"shop-jobs": ["http://127.0.0.1:9/"]}) as admin:
        seen = see(admin, expect={"applications": ["shop-jobs"], "version": ">=2.3,<3"})
    assert (seen.status, seen.depth, ended(seen)) == (Status.PASS, Stage.VERIFY, None)
    assert (seen.fact("product"), seen.fact("version")) == ("xxl-job", "2.3.0")
    assert seen.fact("health") == "UP"
    assert [(e["address"], e["app"]) for e in entries(seen)] == [("127.0.0.1:9", "shop-jobs")]


def test_it_changes_nothing_and_calls_nobody() -> None:
    with standin(**OURS, jobs=[{"app": "shop-jobs"}]) as admin:
        before = (dict(admin.admin.registry), dict(admin.admin.lists), [*admin.admin.logs])
        assert see(admin).status is Status.PASS
        assert (dict(admin.admin.registry), dict(admin.admin.lists), [*admin.admin.logs]) == before
        asked = {a for a in admin.admin.asked if not a.startswith("GET ")}
    assert asked == {"POST /xxl-job-admin/login", "POST /xxl-job-admin/api/k8sext"}


@pytest.mark.parametrize("context", ["", "/xxl-job", "/jobs"])
def test_the_context_path_is_another(context: str) -> None:
    with standin(**OURS, context=context) as admin:
        told = see(admin, expect={"path": context or "/"})
        assert (told.status, ended(told)) == (Status.PASS, None)
        seen = see(admin)
    if context == "/jobs":  # nobody guesses that one
        assert ended(seen) == (Stage.HANDSHAKE, Reason.WRONG_PRODUCT)
    else:
        assert (seen.status, seen.fact("context")) == (Status.PASS, context or "/")


def test_a_context_path_that_is_expected_is_not_another() -> None:
    with standin(**OURS, version="3.4.2") as admin:
        seen = see(admin, expect={"path": "/xxl-job-admin"})
    stage = seen.stage(Stage.HANDSHAKE)
    assert ended(seen) == (Stage.HANDSHAKE, Reason.UNEXPECTED)
    assert stage is not None
    assert "lies under /, and not under /xxl-job-admin" in stage.detail


@pytest.mark.parametrize("details", [False, True])
def test_the_database_is_gone(details: bool) -> None:
    with standin(**OURS, database_up=False, details=details) as admin:
        seen = see(admin)
        assert ended(seen) == (Stage.HANDSHAKE, Reason.UNHEALTHY)
        stage = seen.stage(Stage.HANDSHAKE)
        assert stage is not None and "xxl_job" in stage.detail
        assert ("db DOWN" in stage.detail) is details


def test_a_health_that_waits_for_the_database_is_no_silence() -> None:
    with socket.create_server((HOST, 0)) as mute, standin(**OURS) as admin:
        settings = {"host": HOST, "port": mute.getsockname()[1]}
        with standin(**OURS, database=settings, pool_wait_s=10) as admin:
            assert admin.admin.database
            admin.admin.database.ever = True
            seen = see(admin, budget=SHORT)
    assert ended(seen) == (Stage.HANDSHAKE, Reason.UNHEALTHY)


def test_the_database_of_a_login_is_gone_where_health_is_not_shown() -> None:
    with standin(**OURS, database_up=False, health=False) as admin:
        seen = see(admin)
    assert ended(seen) == (Stage.AUTH, Reason.UNHEALTHY)
    assert seen.fact("health") == "not to be seen (404 Not Found)"


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"token": "other"}, Reason.AUTH_REJECTED, "token is wrong"),
        ({"token": "other\n"}, Reason.AUTH_REJECTED, "was not sent"),
        ({"password": "other"}, Reason.AUTH_REJECTED, "账号或密码错误"),
        ({"username": "nobody"}, Reason.AUTH_REJECTED, "账号或密码错误"),
        ({"password": ""}, Reason.AUTH_REJECTED, "账号或密码为空"),
    ],
)
def test_refused_logins(change: dict[str, str], reason: Reason, words: str) -> None:
    with standin(**OURS) as admin:
        seen = see(admin, {**LOGIN, **change})
    stage = seen.stage(Stage.AUTH)
    assert ended(seen) == (Stage.AUTH, reason)
    assert stage is not None and words in stage.detail


def test_without_a_login() -> None:
    with standin(**OURS) as admin:
        seen = see(admin, None)
        assert ended(seen) == (Stage.AUTH, Reason.AUTH_REQUIRED)
        token_only = see(admin, {"token": TOKEN})
        stage = token_only.stage(Stage.VERIFY)
        assert (token_only.status, ended(token_only)) == (Status.PASS, None)
        assert stage is not None and "not seen without a login" in stage.detail
        wish = see(admin, {"token": TOKEN}, expect={"applications": "x"})
        assert ended(wish) == (Stage.VERIFY, Reason.AUTH_REQUIRED)


@pytest.mark.parametrize(
    ("settings", "login", "words"),
    [
        ({}, {"username": "admin", "password": "123456"}, "password that it ships with"),
        ({}, None, "asks for no access token"),
        (
            {"access_token": "default_token", "users": {"shop": WORD}},
            {"username": "shop", "password": WORD, "token": "default_token"},
            "the one that it ships with",
        ),
    ],
)
def test_what_it_ships_with(
    settings: dict[str, Any], login: dict[str, str] | None, words: str
) -> None:
    with standin(**settings) as admin:
        seen = see(admin, login)
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None
    assert (seen.status, stage.reason) == (Status.WARN, Reason.DEFAULT_LOGIN)
    assert words in stage.detail


@pytest.mark.parametrize(
    ("expect", "reason", "words"),
    [
        ({"applications": ["nowhere"]}, Reason.NOT_REGISTERED, "there is no job group nowhere"),
        ({"applications": ["empty-jobs"]}, Reason.NOT_REGISTERED, "no registered executors"),
        (
            {"applications": ["shop-jobs"], "executors": 3},
            Reason.NOT_REGISTERED,
            "has 2 registered executors, expected are 3",
        ),
        ({"executors": 3}, Reason.UNEXPECTED, "needs expect.applications"),
        ({"version": ">=2.4"}, Reason.UNSUPPORTED_VERSION, "version 2.3.0"),
    ],
)
def test_expectations(expect: dict[str, Any], reason: Reason, words: str) -> None:
    two = ["http://198.18.0.5:9999/", "http://198.18.1.5:9999/"]
    with standin(**OURS, groups=["empty-jobs"], registered={"shop-jobs": two}) as admin:
        seen = see(admin, expect=expect)
    stage = seen.stage(Stage.VERIFY)
    assert ended(seen) == (Stage.VERIFY, reason)
    assert stage is not None and words in stage.detail


def test_a_user_without_the_right_to_see_executors() -> None:
    limited: dict[str, Any] = {**OURS, "limited": ["shop"], "version": "2.4.0"}
    with standin(**limited) as admin:
        seen = see(admin)
        stage = seen.stage(Stage.VERIFY)
        assert stage is not None and stage.reason is Reason.PERMISSION_DENIED
        assert seen.status is Status.WARN
        wish = see(admin, expect={"applications": "x"})
        assert ended(wish) == (Stage.VERIFY, Reason.PERMISSION_DENIED)


def test_the_real_executor_is_up_once_it_was_called(tmp_path: Path) -> None:
    job = {"app": "msa-ext-job", "route": "FAILOVER"}
    with (
        standin(**OURS, jobs=[job], monitor_s=0.2) as admin,
        executor(admin.url, tmp_path, access_token=TOKEN) as port,
    ):
        assert eventually(lambda: admin.admin.lists["msa-ext-job"])
        found = entries(see(admin))
        assert [(e["address"], e["state"]) for e in found] == [(f"{HOST}:{port}", "unknown")]
        admin.admin.trigger(admin.admin.jobs[0])
        assert [e["state"] for e in entries(see(admin))] == ["up"]


@pytest.mark.parametrize("route", ["ROUND", "FAILOVER"])
def test_an_executor_that_is_not_reached_is_down_in_the_admins_own_words(route: str) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    dead = {"shop-jobs": [f"http://{HOST}:{port}/"]}
    job = {"app": "shop-jobs", "route": route}
    with standin(**OURS, registered=dead, jobs=[job]) as admin:
        admin.admin.trigger(admin.admin.jobs[0])
        (entry,) = entries(see(admin))
    assert (entry["state"], entry["reached"]) == ("down", False)
    assert "Connection refused" in entry["error"]


GIVEN_UP = "k8sext-test"
LENDS: dict[str, Any] = {"active": True, "reverse_app": GIVEN_UP}


@pytest.mark.parametrize("version", ["2.3.0", "3.2.0", "3.4.2"])
def test_the_admin_calls_the_probe_back_and_forgets_it(version: str) -> None:
    with standin(**OURS, version=version, jobs=[{"app": GIVEN_UP, "route": "FAILOVER"}]) as admin:
        seen = see(admin, **LENDS)
        stage = seen.stage(Stage.VERIFY)
        assert (seen.status, ended(seen)) == (Status.PASS, None)
        (entry,) = (e for e in entries(seen) if e["app"] == GIVEN_UP)
        assert (entry["state"], entry["ours"]) == ("up", True)
        assert stage is not None
        reverse: Any = stage.evidence["reverse"]
        assert reverse["address"] == entry["address"] and reverse["called_from"]
        assert eventually(lambda: not admin.admin.registry)
        posts = [a.rpartition("/")[2] for a in admin.admin.asked if "/api/r" in a]
        assert posts == ["registry", "registryRemove"]


def test_an_admin_that_does_not_get_through_to_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener is an address of a pod that is down, in the admin's own words."""

    def walled(address: str, what: str, *_: Any) -> dict[str, Any]:
        said = f"xxl-rpc remoting error(connect timed out), for url : {address}{what}"
        return {"code": 500, "msg": said}

    monkeypatch.setattr("tests.lab.standins.xxl_job_admin.admin.call", walled)
    monkeypatch.setattr("k8sext.checks.protocols.xxl_job.reverse.CALLED_S", 0.3)
    with standin(**OURS, jobs=[{"app": GIVEN_UP}]) as admin:
        (entry,) = (e for e in entries(see(admin, **LENDS)) if e["app"] == GIVEN_UP)
        assert (entry["state"], entry["ours"]) == ("down", True)
        assert "connect timed out" in entry["error"] and "reached" not in entry
        assert eventually(lambda: not admin.admin.registry)


@pytest.mark.parametrize(
    ("settings", "reason", "words"),
    [
        ({}, Reason.OBJECT_MISSING, "there is no job group"),
        ({"groups": [GIVEN_UP]}, Reason.UNEXPECTED, "no job that could be run"),
        ({"jobs": [{"app": GIVEN_UP}] * 2}, Reason.UNEXPECTED, "2 jobs"),
        ({"jobs": [{"app": GIVEN_UP, "every_s": 60}]}, Reason.UNEXPECTED, "must be stopped"),
        ({"jobs": [{"app": GIVEN_UP, "retries": 1}]}, Reason.UNEXPECTED, "tried again"),
        (
            {"jobs": [{"app": GIVEN_UP}], "registered": {GIVEN_UP: ["http://198.18.0.5:9999/"]}},
            Reason.UNEXPECTED,
            "it has executors (http://198.18.0.5:9999/)",
        ),
    ],
)
def test_an_application_in_use_is_left_alone(
    settings: dict[str, Any], reason: Reason, words: str
) -> None:
    with standin(**OURS, **settings) as admin:
        seen = see(admin, **LENDS)
        stage = seen.stage(Stage.VERIFY)
        assert ended(seen) == (Stage.VERIFY, reason)
        assert stage is not None and words in stage.detail
        asked = {a for a in admin.admin.asked if a.startswith("POST")}
        assert asked == {"POST /xxl-job-admin/login", "POST /xxl-job-admin/api/k8sext"}
        assert not admin.admin.logs


def page(status: int, text: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(text)}\r\n\r\n".encode() + text


def test_an_executor_with_another_token_answers_badly() -> None:
    """It could register, as that was the admin's token; now it refuses the admin."""
    refuses = page(200, b'{"code":500,"msg":"The access token is wrong."}')
    with serving(says(refuses)) as port:
        mine = {"shop-jobs": [f"http://{HOST}:{port}/"]}
        with standin(**OURS, registered=mine, jobs=[{"app": "shop-jobs"}]) as admin:
            admin.admin.trigger(admin.admin.jobs[0])
            (entry,) = entries(see(admin))
    assert (entry["state"], entry["error"]) == ("unwell", "The access token is wrong.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(200, b"<html>JOB</html>"), Reason.WRONG_PRODUCT),
        (page(404, b""), Reason.WRONG_PRODUCT),
        (page(502, b"<html>", "Server: nginx\r\n"), Reason.UNHEALTHY),
        (page(400, b"The plain HTTP request was sent to HTTPS port"), Reason.TLS_REQUIRED),
        (b"SSH-2.0-OpenSSH\r\n", Reason.WRONG_PROTOCOL),
    ],
)
def test_something_else_answers(answer: bytes, reason: Reason) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    seen = against(handle, MODULE, PROTOCOL, login=LOGIN, tls=PLAIN)
    assert ended(seen) == (Stage.HANDSHAKE, reason)


@pytest.mark.parametrize(
    ("registered", "seen"),
    [
        ("http://198.18.0.5:9999/", "198.18.0.5:9999"),
        ("http://shop.example/xxl", "shop.example:80"),
        ("https://shop.example", "shop.example:443"),
        ("http://[2001:db8::5]:9999", "[2001:db8::5]:9999"),
        ("198.18.0.5:9999", "198.18.0.5:9999"),  # no URL: the admin cannot call it either
        ("http://[::1:x", "http://[::1:x"),
    ],
)
def test_what_an_executor_registers_as_host_and_port(registered: str, seen: str) -> None:
    assert read.where(registered) == seen


def test_any_json_is_no_defect_of_ours() -> None:
    dice = random.Random(4711)
    leaves: list[Any] = [None, True, 1, 1.5, "", "x\x1b", "UP", [], {}, 10**30, "http://[::1]:x/"]
    said = "address：http://a:1/<br>code：500<br>msg：xxl-rpc remoting error(x)"
    leaves += [said, "The access token is wrong.", "not found", 200, ["http://b/", None]]
    keys = ["status", "components", "db", "code", "msg", "data", "id", "appname", "registryList"]
    keys += ["addressList", "triggerMsg", "triggerCode", "addressType", "executorAddress"]

    def anything(depth: int = 0) -> Any:
        if depth > 3 or dice.random() < 0.2:
            return dice.choice(leaves)
        if dice.random() < 0.3:
            return [anything(depth + 1) for _ in range(2)]
        return {dice.choice(keys): anything(depth + 1) for _ in range(4)}

    def one() -> bytes:
        cookie = "Set-Cookie: XXL_JOB_LOGIN_IDENTITY=1\r\n"
        return page(dice.choice((200, 200, 200, 503)), json.dumps(anything()).encode(), cookie)

    def table() -> bytes:
        rows = [anything() for _ in range(3)]
        return page(200, json.dumps({"data": rows, "recordsTotal": 3}).encode())

    good = page(200, b'{"code":200}', "Set-Cookie: XXL_JOB_LOGIN_IDENTITY=1\r\n")
    token = page(200, b'{"msg":"not found"}')
    first = page(200, b'<b>XXL</b>JOB <input name="userName">')
    login = Login({k: Secret(v) for k, v in LOGIN.items()})

    async def all_of_them() -> None:
        for n in range(1_000):
            well = dice.random() < 0.7
            health = page(200, b'{"status":"UP"}') if well else one()
            known = [token, good] if well else [one(), one()]
            rest = [dice.choice((one, table))() for _ in range(10)]
            data = first + health + b"".join([*known, one(), *rest])
            expect = {"applications": ["a"], "executors": 1} if n % 2 else {}
            check = on(MODULE, PROTOCOL, data, expect=expect)
            check.login = login
            await left_to_itself(check, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)

    asyncio.run(all_of_them())
