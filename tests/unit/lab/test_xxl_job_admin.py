"""The stand-in for the XXL-JOB admin: the real executor library takes it for one."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import HOST
from tests.support.xxl_job import Running, eventually, executor, standin

TOKEN = "canary-token"
JOB = {"app": "msa-ext-job", "route": "FAILOVER"}


def logged_in(admin: Running, name: str = "admin", word: str = "123456") -> str:
    """The cookie of a login."""
    data = f"userName={name}&password={word}".encode()
    with urllib.request.urlopen(f"{admin.url}/login", data, timeout=10) as answer:
        assert json.load(answer)["code"] == 200
        return str(answer.headers["Set-Cookie"]).partition("=")[2].partition(";")[0]


def group(admin: Running, app: str) -> dict[str, Any]:
    """What the page of executors says of an application."""
    table = admin.ask("/jobgroup/pageList", logged_in(admin), appname=app)
    found: dict[str, Any] = table["data"][0]
    return found


@pytest.mark.parametrize("token", ["", TOKEN])
def test_the_real_executor_registers_is_called_back_and_leaves(tmp_path: Path, token: str) -> None:
    with standin(jobs=[JOB], access_token=token, monitor_s=0.2) as admin:
        with executor(admin.url, tmp_path, access_token=token) as port:
            address = f"http://{HOST}:{port}/"
            assert eventually(lambda: group(admin, "msa-ext-job")["registryList"]) == [address]
            admin.ask("/jobinfo/trigger", logged_in(admin), id="1")
            log = eventually(lambda: [g for g in admin.admin.logs if g.handled])
            assert (log[0].address, log[0].code, log[0].handled) == (address, 200, 200)
            assert "job one: called" in (tmp_path / "executor.log").read_text()
        gone = eventually(lambda: group(admin, "msa-ext-job")["registryList"] is None)
        assert gone  # registryRemove, as it ended


def test_a_wrong_token_is_refused_to_the_real_executor(tmp_path: Path) -> None:
    with (
        standin(jobs=[JOB], access_token=TOKEN, monitor_s=0.2) as admin,
        executor(admin.url, tmp_path, access_token="another"),
    ):
        log = tmp_path / "executor.log"
        assert eventually(lambda: "The access token is wrong." in log.read_text())
        assert group(admin, "msa-ext-job")["registryList"] is None


def test_the_api_looks_at_method_token_and_name_in_that_order() -> None:
    with standin(access_token=TOKEN) as admin:
        with urllib.request.urlopen(f"{admin.url}/api/registry", timeout=10) as answer:
            assert "HttpMethod not support" in json.load(answer)["msg"]
        assert admin.api("nothing", {})["msg"] == "The access token is wrong."
        assert "uri-mapping(nothing) not found" in admin.api("nothing", {}, TOKEN)["msg"]
        assert admin.api("registry", {}, TOKEN)["msg"] == "Illegal Argument."


def test_an_executor_that_is_silent_is_forgotten() -> None:
    with standin(groups=["shop-jobs"], monitor_s=0.1, dead_s=0.5) as admin:
        beat = {
            "registryGroup": "EXECUTOR",
            "registryKey": "shop-jobs",
            "registryValue": "http://x/",
        }
        assert admin.api("registry", beat)["code"] == 200
        assert eventually(lambda: group(admin, "shop-jobs")["registryList"]) == ["http://x/"]
        assert eventually(lambda: group(admin, "shop-jobs")["registryList"] is None)


def test_what_an_executor_fails_with_is_in_the_log() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    dead = f"http://{HOST}:{port}/"
    with standin(registered={"shop-jobs": [dead]}, jobs=[{"app": "shop-jobs"}]) as admin:
        cookie = logged_in(admin)
        admin.ask("/jobinfo/trigger", cookie, id="1")
        number = str(group(admin, "shop-jobs")["id"])
        form = {"jobGroup": number, "jobId": "0", "logStatus": "-1"}

        def tried() -> list[dict[str, Any]]:
            found = admin.ask("/joblog/pageList", cookie, **form)["data"]
            return [g for g in found if g["triggerCode"]]

        table = eventually(tried)
        assert (table[0]["triggerCode"], table[0]["executorAddress"]) == (500, dead)
        assert f"Connection refused)), for url : {dead}run" in table[0]["triggerMsg"]


def test_pages_want_a_login_and_the_context_path() -> None:
    class Still(urllib.request.HTTPRedirectHandler):
        def http_error_302(self, *_: Any, **__: Any) -> None:
            return None

    opener = urllib.request.build_opener(Still)
    with standin() as admin:
        for path, status in (("/toLogin", 200), ("/help", 302), ("/nothing", 404)):
            try:
                with opener.open(f"{admin.url}{path}", timeout=10) as answer:
                    got = answer.status
            except urllib.error.HTTPError as error:
                got = error.code
                error.close()
            assert got == status
        with pytest.raises(urllib.error.HTTPError, match="404"):
            opener.open(f"http://{HOST}:{admin.port}/toLogin", timeout=10)


def test_without_its_database_it_is_down_and_takes_no_login() -> None:
    with standin(database_up=False) as admin:
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{admin.url}/actuator/health", timeout=10)
        said = admin.ask("/login", userName="admin", password="123456")
        assert said["code"] == 500 and "Failed to obtain JDBC Connection" in said["msg"]
        assert admin.api("registry", {})["msg"] == "Illegal Argument."  # this needs no database
