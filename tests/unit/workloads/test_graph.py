"""The picture: the same facts the same text, and nothing in a name can break it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from k8sext.model.bridge import Bridge, Endpoint
from k8sext.model.words import Status
from k8sext.model.workload import Workload
from k8sext.workloads import graph
from tests.support.workload_objects import (
    ALIAS,
    RABBIT,
    REDIS,
    bridge,
    container,
    deployment,
    env,
    seen,
)

SHOP = deployment(
    container(*env(R="redis-svc:26379", M="mail.example.com:25", Q="198.51.100.32:5672"))
)
JOB = deployment(container(*env(TEXT="redis-svc")), name="nightly", kind="CronJob")
CHOSEN = (REDIS, RABBIT, ALIAS)

MERMAID = """\
flowchart LR
  subgraph n1["namespace dev"]
    w1["CronJob/nightly"]
    w2["Deployment/shop"]
    b1(["mail-svc<br/>25 tcp"])
    b2(["rabbitmq-svc<br/>5672 tcp"])
    b3(["redis-svc<br/>26379 tcp"])
  end
  subgraph n2["outside"]
    o1[("mail.example.com")]
    o2[("198.51.100.32:5672")]
    o3[("198.51.100.21:26379")]
  end
  w1 -.->|"likely"| b3
  w2 -.->|"passes mail-svc by"| o1
  w2 -.->|"passes rabbitmq-svc by"| o2
  w2 -->|"26379"| b3
  b1 --> o1
  b2 --> o2
  b3 --> o3
"""

DOT = """\
digraph k8sext {
  rankdir=LR;
  node [fontname="sans-serif"];
  subgraph cluster_1 {
    label="namespace dev";
    w1 [shape=box, label="CronJob/nightly"];
    b1 [shape=oval, label="redis-svc\\n26379 tcp", style=filled, fillcolor="#f8d0d0", color="#c62828"];
  }
  subgraph cluster_2 {
    label="outside";
    o1 [shape=cylinder, label="198.51.100.21:26379"];
  }
  w1 -> b1 [label="likely", style=dashed];
  b1 -> o1;
}
"""  # noqa: E501


def drawn(*workloads: Any, bridges: tuple[Bridge, ...] = CHOSEN) -> graph.Drawing:
    return graph.draw(bridges, seen(*workloads, bridges=bridges))


def test_mermaid() -> None:
    assert graph.mermaid(drawn(SHOP, JOB)) == MERMAID


def test_dot_in_colours() -> None:
    users = seen(JOB, bridges=(REDIS,))
    drawing = graph.draw((REDIS,), users, {"dev/redis-svc": Status.FAIL})
    assert graph.dot(drawing) == DOT


def test_the_order_of_objects_changes_nothing() -> None:
    one, other = drawn(SHOP, JOB), drawn(JOB, SHOP, bridges=tuple(reversed(CHOSEN)))
    assert graph.mermaid(one) == graph.mermaid(other)
    assert graph.dot(one) == graph.dot(other)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_colour(status: Status) -> None:
    users = seen(JOB, bridges=(REDIS,))
    drawing = graph.draw((REDIS,), users, {"dev/redis-svc": status, "CronJob/dev/nightly": status})
    text = graph.mermaid(drawing)
    assert f"classDef {status.name.lower()} fill:" in text
    assert f"class b1 {status.name.lower()}" in text
    assert f"class w1 {status.name.lower()}" in text
    assert graph.dot(drawing).count("style=filled") == 2


def test_many_addresses_are_one_place() -> None:
    many = bridge("es-svc", 9200, *(f"198.51.100.{n}" for n in range(10, 30)))
    text = graph.mermaid(drawn(bridges=(many,)))
    assert text.count("[(") == graph.PLACES_AT_MOST
    assert "17 more of dev/es-svc" in text
    past = deployment(container(*env(A="198.51.100.29:9200")))
    assert 'w1 -.->|"passes es-svc by"| o4' in graph.mermaid(drawn(past, bridges=(many,)))


def test_addresses_that_begin_alike_are_told_apart() -> None:
    two = bridge("es-svc", 9200, "198.51.100.2", "198.51.100.21", "2001:db8::2")
    for value, place in (("198.51.100.21:9200", "o2"), ("[2001:db8::2]:9200", "o3")):
        past = deployment(container(*env(A=value)))
        assert f"| {place}\n" in graph.mermaid(drawn(past, bridges=(two,)))


def test_servers_behind_two_bridges_are_drawn_once() -> None:
    other = replace(REDIS, service="cache-svc")
    assert graph.mermaid(drawn(bridges=(REDIS, other))).count("198.51.100.21:26379") == 1


def test_of_several_namespaces_each_has_its_frame() -> None:
    prod = replace(REDIS, namespace="prod")
    text = graph.dot(drawn(JOB, bridges=(REDIS, prod)))
    assert text.count("subgraph cluster_") == 3
    assert text.index('"namespace dev"') < text.index('"namespace prod"') < text.index('"outside"')


def test_an_empty_picture() -> None:
    empty = graph.draw((), ())
    assert graph.mermaid(empty) == "flowchart LR\n"
    assert graph.dot(empty).startswith("digraph")
    without = replace(REDIS, endpoints=(), ports=())
    assert "redis-svc" in graph.mermaid(graph.draw((without,), ()))


HOSTILE = [
    '"]; evil["',
    "a\\",
    'x"|y',
    "end\n  evil --> b1",
    "<script>",
    "#quot;",
    "\x1b[31m",
    "`}%",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_ends_its_label(name: str) -> None:
    """Kubernetes allows none of these; a file of a saved run may hold anything."""
    odd = replace(REDIS, service=name, external_name="", endpoints=(
        Endpoint(address=name, port=1, port_name="p"),))  # fmt: skip
    user = replace(seen(JOB, bridges=(REDIS,))[0], name=name, namespace=name)
    use = replace(user.uses[0], bridge=odd.ref)
    drawing = graph.draw((odd,), (replace(user, uses=(use,)),))
    mermaid, dot = graph.mermaid(drawing), graph.dot(drawing)
    plain = graph.draw((REDIS,), (replace(user, name="x", namespace="dev"),))
    for text, like in ((mermaid, graph.mermaid(plain)), (dot, graph.dot(plain))):
        assert text.replace("\n", "").isprintable()
        assert abs(text.count("\n") - like.count("\n")) <= 3  # one frame more
    labels = re.sub(r'"(?:[^"\\]|\\.)*"', "L", dot)
    assert '"' not in labels
    assert "evil" not in labels
    for label in re.findall(r'"([^"]*)"', mermaid):
        assert re.fullmatch(r"(?:[\w .,:/()#;-]|<br/>)*", label), label
    assert "evil" not in re.sub(r'"[^"]*"', "", mermaid)


def test_workloads_without_a_bridge_are_not_drawn() -> None:
    lonely = Workload(namespace="dev", kind="Deployment", name="lonely")
    assert "lonely" not in graph.mermaid(graph.draw(CHOSEN, (lonely,)))
