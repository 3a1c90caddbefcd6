"""The stand-in for the XXL-JOB admin has the behaviour that was measured with each real release."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.ports import HOST
from tests.support.xxl_job import Running, standin

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
URL = "http://198.51.100.9:9999/"
GROUPS = "/jobgroup/pageList?appname=&title=&start=0&length=10&offset=0&pagesize=10"
LINES = "/joblog/pageList?jobGroup=2&jobId=0&logStatus=-1&filterTime="
SHOP: dict[str, Any] = {"registered": {"shop-jobs": [URL]}}


@dataclass
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(admin: Running, path: str, cookie: str = "", form: dict[str, str] | None = None) -> Answer:
    connection = http.client.HTTPConnection(HOST, admin.port, timeout=10)
    method, body = ("GET", None) if form is None else ("POST", urlencode(form))
    whole = f"{admin.admin.settings.context}{path}"
    connection.request(method, whole, body, {**FORM, "Cookie": cookie})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return Answer(answer.status, text, {k.lower(): v for k, v in answer.getheaders()})


def login(admin: Running, password: str = "123456") -> Answer:
    new = admin.admin.number >= (3, 2)
    form = {"userName": "admin", "password": password}
    return ask(admin, "/auth/doLogin" if new else "/login", form=form)


def cookie(admin: Running) -> str:
    return login(admin).headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    ("version", "context"),
    [("2.3.0", "/xxl-job-admin"), ("3.3.2", "/xxl-job-admin"), ("3.4.2", "")],
)
def test_the_context_path_is_xxl_job_admin_through_3_3_2_and_none_from_3_4(
    version: str, context: str
) -> None:
    with standin(version=version) as admin:
        assert admin.admin.settings.context == context
        page = "/toLogin" if version == "2.3.0" else "/auth/login"
        assert 'name="userName"' in ask(admin, page).text


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.3.0", 200), ("3.0.0", 400), ("3.2.0", 400), ("3.3.2", 200), ("3.4.2", 200)],
)
def test_3_0_to_3_2_answer_400_to_a_list_of_groups_without_appname_and_title(
    version: str, status: int
) -> None:
    with standin(version=version) as admin:
        assert ask(admin, "/jobgroup/pageList", cookie(admin)).status == status
        assert ask(admin, GROUPS, cookie(admin)).status == 200


@pytest.mark.parametrize("version", ["3.2.0", "3.3.2", "3.4.2"])
def test_the_login_since_3_2(version: str) -> None:
    with standin(version=version) as admin:
        good, bad = login(admin), login(admin, "wrong")
        assert (good.status, good.json["code"]) == (200, 200)
        assert good.headers["set-cookie"].startswith("xxl_job_login_token=")
        assert (bad.status, bad.json["code"], bad.json["msg"]) == (200, 500, "账号或密码错误")
        nobody = ask(admin, GROUPS)
        assert (nobody.status, nobody.json["code"]) == (200, 500)
        assert "not login for path:" in nobody.json["msg"]
        page = ask(admin, "/")
        assert page.status == 302 and page.headers["location"].endswith("/auth/login")


@pytest.mark.parametrize("version", ["3.2.0", "3.4.2"])
def test_a_user_has_one_session_and_a_logout_ends_it(version: str) -> None:
    with standin(version=version) as admin:
        first = cookie(admin)
        second = cookie(admin)
        assert "not login" in ask(admin, GROUPS, first).text
        assert "not login" not in ask(admin, GROUPS, second).text
        ask(admin, "/auth/logout", second, form={})
        assert "not login" in ask(admin, GROUPS, second).text


def test_a_user_without_the_role() -> None:
    with standin(version="3.4.2", limited=["admin"]) as admin:
        said = ask(admin, GROUPS, cookie(admin)).json
    assert said["code"] == 500 and "does not have role:ADMIN" in said["msg"]


@pytest.mark.parametrize(("version", "inner"), [("3.2.0", False), ("3.3.2", True), ("3.4.2", True)])
def test_tables_since_3_3(version: str, inner: bool) -> None:
    """`offset`, `pagesize` and rows at data.data; 3.2: `start`, `length` and rows at data."""
    with standin(version=version, **SHOP) as admin:
        one = "&offset=0&pagesize=1&start=0" if inner else "&offset=0&start=0&length=1"
        data = ask(admin, f"/jobgroup/pageList?appname=&title={one}", cookie(admin)).json["data"]
    assert len(data["data"] if inner else data) == 1


@pytest.mark.parametrize(
    ("version", "form"),
    [
        ("3.2.0", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+00:00"),
        ("3.3.2", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z"),
        ("3.4.2", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    ],
)
def test_times(version: str, form: str) -> None:
    with standin(version=version, **SHOP) as admin:
        data = ask(admin, GROUPS, cookie(admin)).json["data"]
    rows = data["data"] if isinstance(data, dict) else data
    assert re.fullmatch(form, rows[0]["updateTime"])


def test_the_version_stands_on_the_first_page_only_since_3_3() -> None:
    with standin(version="3.4.2") as admin:
        mine = cookie(admin)
        assert "Powered by <b>XXL-JOB</b> 3.4.2" in ask(admin, "/", mine).text
        assert "Powered by" not in ask(admin, "/help", mine).text


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ("2.3.0", "connect timed out", "xxl-rpc remoting error(connect timed out), for url : "),
        ("2.4.1", "connect timed out", "xxl-job remoting error(connect timed out), for url : "),
        ("3.3.2", "Connection refused", "Http Request Error (Connection refused). for url : "),
        ("3.4.2", "Connect timed out", "Http Request Error (Connect timed out). for url : "),
    ],
)
def test_the_words_of_a_failed_call(version: str, error: str, words: str) -> None:
    call = {"app": "shop-jobs", "address": URL, "scheduler": "10.0.0.1", "age_s": 5}
    with standin(version=version, calls=[{**call, "error": error}]) as admin:
        data = ask(admin, LINES, cookie(admin)).json["data"]
    (row,) = data["data"] if isinstance(data, dict) else data
    assert f"{words}{URL}run" in row["triggerMsg"]
    assert (row["executorAddress"], row["triggerCode"]) == (URL, 500)
    assert row["triggerMsg"].split("<br>")[1] == "调度机器：10.0.0.1"


def test_a_refused_token_since_3_3() -> None:
    call = {"app": "shop-jobs", "address": URL, "scheduler": "10.0.0.1", "age_s": 5}
    said = "The access token is wrong."
    with standin(version="3.4.2", calls=[{**call, "refused": said}]) as admin:
        (row,) = ask(admin, LINES, cookie(admin)).json["data"]["data"]
    assert f"触发调度：<br>address：{URL}<br>code：500<br>msg：{said}" in row["triggerMsg"]
