"""The XXL-JOB check against each generation of the admin (the stand-in), as it was measured."""

import urllib.request
from typing import Any

import pytest

from k8sext.model.result import Observation
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Stage, Status
from tests.support.converse import end_of, observe
from tests.support.ports import HOST
from tests.support.xxl_job import Running, standin

TOKEN, WORD = "canary-token", "canary-4711"
LOGIN = {"username": "shop", "password": WORD, "token": TOKEN}
OURS: dict[str, Any] = {"users": {"shop": WORD, "admin": WORD}, "access_token": TOKEN}
RELEASES = ("2.3.0", "2.4.1", "3.0.0", "3.1.1", "3.2.0", "3.3.2", "3.4.2")
URL = "http://198.51.100.9:9999/"


def see(admin: Running, login: dict[str, str] | None = LOGIN, **options: Any) -> Observation:
    plain = TlsSpec(mode=TlsMode.DISABLE)
    seen = observe("xxl_job", "xxl-job", HOST, admin.port, login, tls=plain, **options)
    assert WORD not in repr(seen) and TOKEN not in repr(seen)
    return seen


def ended(seen: Observation) -> tuple[Stage, Reason | None, str] | None:
    stage = end_of(seen)
    return (stage.stage, stage.reason, stage.detail) if stage else None


@pytest.mark.parametrize("version", RELEASES)
def test_a_healthy_admin_of_each_release(version: str) -> None:
    calls = [{"app": "shop-jobs", "address": URL, "scheduler": "10.0.0.1", "age_s": 5}]
    with standin(**OURS, version=version, registered={"shop-jobs": [URL]}, calls=calls) as admin:
        seen = see(admin, expect={"applications": ["shop-jobs"], "version": f"=={version}"})
    assert (seen.status, seen.depth, ended(seen)) == (Status.PASS, Stage.VERIFY, None)
    assert seen.fact("version") == version
    assert seen.fact("context") == ("/" if version.startswith("3.4") else "/xxl-job-admin")
    callbacks: Any = seen.fact("callbacks")
    assert [(e["state"], e["app"]) for e in callbacks["entries"]] == [("up", "shop-jobs")]
    assert (callbacks["expected"], seen.fact("schedulers")) == (["shop-jobs"], ["10.0.0.1"])


@pytest.mark.parametrize("version", RELEASES)
def test_a_wrong_password_at_each_release(version: str) -> None:
    with standin(**OURS, version=version) as admin:
        seen = see(admin, {**LOGIN, "password": "wrong"})
    assert ended(seen) == (Stage.AUTH, Reason.AUTH_REJECTED, "it says: 账号或密码错误")


@pytest.mark.parametrize("version", RELEASES)
def test_a_refused_call_at_each_release(version: str) -> None:
    one = {"app": "shop-jobs", "address": URL, "scheduler": "10.0.0.1", "age_s": 5}
    calls = [{**one, "error": "Connection refused"}, {**one, "age_s": 15}]
    with standin(**OURS, version=version, registered={"shop-jobs": [URL]}, calls=calls) as admin:
        callbacks: Any = see(admin).fact("callbacks")
    (entry,) = callbacks["entries"]
    assert (entry["state"], callbacks["expected"]) == ("down", [])
    assert "Connection refused" in entry["error"]


@pytest.mark.parametrize("version", ["2.4.1", "3.2.0", "3.4.2"])
def test_a_user_without_the_role_of_an_administrator(version: str) -> None:
    with standin(**OURS, version=version, limited=["shop"]) as admin:
        seen = see(admin)
        stage = seen.stage(Stage.VERIFY)
        assert (seen.status, stage.reason if stage else None) == (
            Status.WARN, Reason.PERMISSION_DENIED,
        )  # fmt: skip
        wish = ended(see(admin, expect={"applications": ["x"]}))
    assert wish and wish[:2] == (Stage.VERIFY, Reason.PERMISSION_DENIED)


def test_the_log_of_a_group_may_be_kept_from_a_user() -> None:
    with standin(**OURS, limited=["shop"], registered={"shop-jobs": [URL]}) as admin:
        callbacks: Any = see(admin).fact("callbacks")
    assert [e["state"] for e in callbacks["entries"]] == ["unknown"]


# -- one session for each user, since 3.2 --------------------------------------------------------

PERSON = {"username": "admin", "password": WORD, "token": TOKEN}


def sessions(admin: Running) -> set[str]:
    return {*admin.admin.sessions}


def log_in(admin: Running, name: str) -> None:
    """As a person does, in a browser."""
    data = f"userName={name}&password={WORD}".encode()
    with urllib.request.urlopen(f"{admin.url}/auth/doLogin", data, timeout=10) as answer:
        assert b'"code": 200' in answer.read()


@pytest.mark.parametrize("version", ["3.2.0", "3.3.2", "3.4.2"])
def test_the_session_of_a_person_is_left_alone(version: str) -> None:
    with standin(**OURS, version=version) as admin:
        log_in(admin, "admin")
        (browser,) = sessions(admin)
        seen = see(admin, PERSON)
        assert sessions(admin) == {browser}
        stage = seen.stage(Stage.VERIFY)
        assert stage is not None and "a login as admin would end that" in stage.detail
        assert (seen.status, stage.reason) == (Status.WARN, Reason.SESSION_OF_A_PERSON)
        wish = ended(see(admin, PERSON, expect={"applications": ["shop-jobs"]}))
        assert wish and wish[:2] == (Stage.VERIFY, Reason.SESSION_OF_A_PERSON)
        assert sessions(admin) == {browser}


def test_a_user_that_the_bridge_names_for_us_is_logged_in_and_never_out() -> None:
    with standin(**OURS, version="3.4.2") as admin:
        log_in(admin, "admin")
        (browser,) = sessions(admin)
        assert see(admin).status is Status.PASS
        assert browser in sessions(admin)
        assert not [a for a in admin.admin.asked if "logout" in a]


def test_where_it_is_said_that_admin_may_be_logged_in_it_is() -> None:
    with standin(**OURS, version="3.4.2") as admin:
        seen = see(admin, PERSON, expect={"login_as_admin": True})
    assert (seen.status, seen.fact("version")) == (Status.PASS, "3.4.2")


def test_before_3_2_admin_has_any_number_of_sessions() -> None:
    with standin(**OURS, version="3.1.1") as admin:
        seen = see(admin, PERSON)
    assert (seen.status, seen.fact("version")) == (Status.PASS, "3.1.1")


@pytest.mark.parametrize("times", [1, 5])
def test_a_session_that_another_login_ends_is_begun_anew_a_few_times(times: int) -> None:
    """As the probe of a second admin on the same database does it."""
    with standin(**OURS, version="3.4.2", registered={"shop-jobs": [URL]}) as admin:
        left = [times]
        logged_in = admin.admin.sessions

        class Ended(dict[str, str]):
            def get(self, key: str, default: Any = None) -> Any:
                if key in self and left[0]:
                    left[0] -= 1
                    self.clear()
                return super().get(key, default)

        admin.admin.sessions = Ended(logged_in)
        seen = see(admin, expect={"applications": ["shop-jobs"]})
    if times == 1:
        assert (seen.status, ended(seen)) == (Status.PASS, None)
    else:
        end = ended(seen)
        assert end and end[:2] == (Stage.VERIFY, Reason.SERVER_ERROR)
        assert "others log in as the same user" in end[2]


def test_shipped_logins_are_known_where_they_are_used() -> None:
    shipped = {"username": "admin", "password": "123456"}
    with standin(version="3.4.2", access_token="default_token") as admin:
        login = {**shipped, "token": "default_token"}
        seen = observe(
            "xxl_job", "xxl-job", HOST, admin.port, login, expect={"login_as_admin": True}
        )
    stage = seen.stage(Stage.VERIFY)
    assert stage is not None and stage.reason is Reason.DEFAULT_LOGIN
    assert "password that it ships with" in stage.detail
    assert "the one that it ships with" in stage.detail
