"""The order in which cases are begun."""

from tests.gym import case
from tests.gym.pending import Pending

CASE = """id: %s
title: t
source: s
servers: %s
bridges: [{name: a, protocol: redis}]
fault: [%s]
expect: {code: KX301, culprit: server-host}
"""


def made(id: str, servers: str = "{}", fault: str = "pause: 0") -> case.Case:
    return case.of_text(CASE % (id, servers, fault))


ONE = made("one", "{db: {role: postgresql}}")
SAME = made("same", "{store: {role: postgresql}}")
OTHER = made("other", "{db: {role: postgresql, fresh: true}}")
CLUSTER = made("cluster", fault="cluster: {stop: coredns}")


def taken(pending: Pending) -> str:
    chosen = pending.take()
    return chosen.id if chosen else "nothing"


def test_a_case_whose_server_is_free_overtakes_one_that_would_wait() -> None:
    pending = Pending([ONE, SAME, OTHER])
    assert [taken(pending) for _ in range(4)] == ["one", "other", "same", "nothing"]


def test_the_order_holds_when_a_server_is_free_again() -> None:
    pending = Pending([ONE, SAME, OTHER])
    assert taken(pending) == "one"
    pending.ended(ONE)
    assert taken(pending) == "same"


def test_what_needs_the_whole_cluster_comes_last() -> None:
    pending = Pending([CLUSTER, ONE])
    assert [taken(pending) for _ in range(2)] == ["one", "cluster"]


def test_after_an_interrupt_no_other_case_is_begun() -> None:
    pending = Pending([ONE, OTHER])
    assert taken(pending) == "one"
    pending.stop()
    assert taken(pending) == "nothing"
