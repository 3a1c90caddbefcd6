"""What an API server never says, and what every one may say."""

import json
import time
from typing import Any

import pytest

from k8sext.errors import K8sextError
from k8sext.kube import lists, shapes
from k8sext.kube.answers import Misread
from k8sext.kube.calls import ApiCall
from k8sext.kube.fields import KINDS
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import Session
from tests.support.api_server import ApiServer, Reply, Request

META = {"name": "a", "namespace": "dev"}
PATHS = {
    plural: f"/{'apis/x/' if plural == 'cronjobs' else 'api/'}v1/namespaces/dev/{plural}"
    for plural in KINDS
    if plural not in ("nodes", "namespaces", "ingressclasses", "events", "selfsubjectaccessreviews")
}
WRONG: tuple[Any, ...] = (7, "x", [1], {"a": 1}, True, 1.5, [[]], [None], "")


@pytest.fixture
def session(server: ApiServer) -> Session:
    return Session(Access(server=server.url, ca_pem=server.pki.text("ca.crt")))


def refusal(path: str, data: Any) -> str:
    try:
        shapes.check(ApiCall("GET", path, {}), data)
    except shapes.Misshapen as error:
        return str(error)
    return ""


@pytest.mark.parametrize("plural", PATHS)
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_item_that_is_none(plural: str, wrong: Any) -> None:
    said = refusal(PATHS[plural], {"items": [{"metadata": META}, wrong]})
    assert said.startswith("items.1"), said


@pytest.mark.parametrize("plural", PATHS)
def test_nulls_are_as_good_as_absent_and_unknown_fields_are_nobodys_business(plural: str) -> None:
    empty = dict.fromkeys(KINDS[plural].fields)
    item = {**empty, "metadata": {**META, "labels": None, "later": 1}, "later": [1]}
    kind = f"{KINDS[plural].name}List"
    assert refusal(PATHS[plural], {"kind": kind, "metadata": None, "items": [item]}) == ""
    assert refusal(PATHS[plural], {"kind": kind, "items": None}) == ""


SERVICE = {"metadata": META, "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}}
SPOILT: tuple[tuple[Any, str], ...] = (
    ({"items": [{**SERVICE, "metadata": None}]}, "items.0.metadata is missing"),
    ({"items": [{**SERVICE, "metadata": {"name": "a"}}]}, "items.0.metadata.namespace is missing"),
    ({"items": [{**SERVICE, "metadata": {**META, "name": 1}}]},
     "items.0.metadata.name is not text"),
    ({"items": [{**SERVICE, "spec": {"ports": [{"port": "1"}]}}]},
     "items.0.spec.ports.0.port is not a number"),
    ({"items": [{**SERVICE, "spec": {"ports": [{"port": True}]}}]},
     "items.0.spec.ports.0.port is not a number"),
    ({"items": [{**SERVICE, "spec": {"ports": [{}]}}]}, "items.0.spec.ports.0.port is missing"),
    ({"items": [{**SERVICE, "spec": {"selector": {"a": 1}}}]},
     "items.0.spec.selector.a is not text"),
    ({"items": {}}, "items is not a list"),
    ({"metadata": 1, "items": []}, "metadata is not an object"),
    ({}, "the answer is no list"),
    ({"kind": "PodList", "items": []}, "the answer is PodList, not ServiceList"),
    ({"kind": "Status", "items": []}, "the answer is Status, not ServiceList"),
    ({"kind": 1, "items": []}, "the answer is of kind int, not ServiceList"),
)  # fmt: skip


@pytest.mark.parametrize(("data", "said"), SPOILT, ids=[s for _, s in SPOILT])
def test_where_it_is_wrong_is_said(data: Any, said: str) -> None:
    assert refusal("/api/v1/services", data) == said


def test_what_is_wrong_once_costs_nothing_and_what_stays_wrong_is_one_sentence(
    server: ApiServer, session: Session
) -> None:
    wrong, right = Reply(200, {"items": [7]}), Reply(200, {"items": [SERVICE]})
    server.replies = [wrong, right]
    assert lists.listed(session, "/api/v1/services") == (SERVICE,)
    server.replies = [wrong]
    with pytest.raises(Misread, match=r"items\.0 is not an object"):
        lists.listed(session, "/api/v1/services")


def test_half_a_character_reaches_no_report(server: ApiServer, session: Session) -> None:
    meta = b'{"name": "a", "namespace": "d\\ud800", "labels": {"\\udfff": "x"}}'
    server.replies = [Reply(200, b'{"items": [{"metadata": ' + meta + b"}]}")]
    (item,) = lists.listed(session, "/api/v1/services")
    json.dumps(item, ensure_ascii=False).encode()
    whole = b'{"items": [{"metadata": {"name": "\\ud83d\\ude00", "namespace": "d"}}]}'
    server.replies = [Reply(200, whole)]
    assert lists.listed(session, "/api/v1/services")[0]["metadata"]["name"] == "\U0001f600"


# -- lists that never end -----------------------------------------------------------------------


def page(token: str, items: Any = ()) -> Reply:
    return Reply(200, {"metadata": {"continue": token}, "items": list(items)})


def test_the_same_page_again_and_again(server: ApiServer, session: Session) -> None:
    server.replies = [page("t")]
    with pytest.raises(K8sextError, match="does not end"):
        lists.listed(session, "/api/v1/services")
    assert len(server.requests) == 2


def test_ever_new_pages(
    server: ApiServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGES_AT_MOST", 7)
    server.answers = lambda r: page(str(len(server.requests)))
    with pytest.raises(K8sextError, match="7 pages with 0 items"):
        lists.listed(session, "/api/v1/services")
    assert len(server.requests) == 7


def test_ever_more_items(
    server: ApiServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ITEMS_AT_MOST", 5)
    server.answers = lambda r: page(str(len(server.requests)), [SERVICE] * 3)
    with pytest.raises(K8sextError, match="2 pages with 6 items"):
        lists.listed(session, "/api/v1/services")


def test_ever_more_time(
    server: ApiServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LIST_S", 0.2)

    def slow(_request: Request) -> Reply:
        time.sleep(0.06)
        return page(str(len(server.requests)))

    server.answers = slow
    with pytest.raises(K8sextError, match="has not ended after"):
        lists.listed(session, "/api/v1/services")
    assert len(server.requests) < 9
