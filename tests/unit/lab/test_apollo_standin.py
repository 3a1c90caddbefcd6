"""The stand-in for Apollo's config service has what was measured with the real 1.9.2 and 2.5.2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.standins.apollo import SILENT_S, Apollo
from tests.lab.standins.web import Answer, Request

PLACE = {"address": "192.0.2.9", "port": 8080}
WANTED = json.dumps([{"namespaceName": "application", "notificationId": -1}])


def ask(path: str, options: dict[str, Any] | None = None, **query: str) -> Answer:
    asked = Request("GET", path, query, {}, b"", path)
    return Apollo({**PLACE, **(options or {})})(asked)


def test_a_healthy_one_writes_its_status_as_an_object() -> None:
    answer = ask("/health")
    text = json.dumps(answer.body, separators=(",", ":"))
    assert (answer.status, text) == (
        200, '{"groups":[],"status":{"code":"UP","description":""}}',
    )  # fmt: skip


def test_without_its_database_it_says_500_after_30_seconds_and_still_lists_its_services() -> None:
    gone = {"database": False, "silent_s": 0}
    answer = ask("/health", gone)
    assert (answer.status, answer.body["status"], SILENT_S) == (500, 500, 30)
    assert answer.body["exception"].endswith("CannotCreateTransactionException")
    assert "Could not open JPA EntityManager for transaction" in answer.body["message"]
    assert "JDBCConnectionException" in answer.body["message"]
    assert ask("/services/config", gone).status == 200


def test_asked_for_a_cluster_without_a_release_it_answers_with_that_of_default() -> None:
    answer = ask("/notifications/v2", appId="shop", cluster="other", notifications=WANTED)
    assert answer.body[0]["messages"]["details"] == {"shop+default+application": 42}
    assert ask("/configs/shop/other/application").body["cluster"] == "default"


@pytest.mark.parametrize(("key", "status"), [("", 200), ("secret", 401)])
def test_without_a_key_at_the_server_no_signature_is_compared(key: str, status: int) -> None:
    assert ask("/configs/shop/default/application", {"key": key}).status == status
