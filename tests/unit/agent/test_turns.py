"""Several bridges to one server: its limits are respected, and a rejected login comes once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.agent.run.turns import MANY, Pace, Turns
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.counting_redis import CountingRedis

HERE = "127.0.0.1"


def endpoint(service: str, port: int, host: str = HERE, **more: Any) -> Target:
    base: dict[str, Any] = {
        "id": f"{service}-{host}-{port}", "service": service, "port_key": "redis",
        "protocol": "redis", "route": Route.ENDPOINT, "host": host, "port": port,
        "server": f"{host}:{port}",
    }  # fmt: skip
    return Target(**{**base, **more})


def by_name(service: str, port: int, server: str = "", host: str = "127.0.0.9") -> Target:
    """The virtual address of a bridge, as an address of its own."""
    return endpoint(
        service,
        port,
        host,
        id=f"{service}-name",
        route=Route.NAME,
        server=server or f"{HERE}:{port}",
    )


def passwords(**by_service: str) -> dict[str, dict[str, str]]:
    return {s.replace("_", "-"): {"username": "shop", "password": p} for s, p in by_service.items()}


async def probed(
    targets: Sequence[Target], logins: dict[str, dict[str, str]], **budget: float
) -> dict[str, Observation]:
    chosen: dict[str, Any] = {"stage_s": 5, "probe_s": 20, "run_s": 30, **budget}
    plan = Plan(
        run_id="t", namespace="dev", targets=tuple(targets), modules=("redis",),
        budget=Budget(**chosen),
    )  # fmt: skip
    given = {s: {k: Secret(v) for k, v in values.items()} for s, values in logins.items()}
    seen: list[Observation] = []
    await Runner(plan, load_checks(plan.modules), GivenValues(given), seen.append).run()
    assert len(seen) == len(targets)
    return {o.id: o for o in seen}


def auth_of(seen: Observation) -> Reason | None:
    stage = seen.stage(Stage.AUTH)
    assert stage is not None
    return stage.reason


EIGHT = [f"svc-{n}" for n in range(8)]


def eight(port: int) -> list[Target]:
    """Eight bridges to one server, each by its address and by its name."""
    both = [(endpoint(s, port), by_name(s, port, host=f"127.0.1.{n}")) for n, s in enumerate(EIGHT)]
    return [t for pair in both for t in pair]


@pytest.mark.parametrize("at_accept", [False, True])
@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("lingers_s", [0.0, 0.05])
def test_eight_bridges_do_not_use_up_a_small_server(
    lingers_s: float, limit: int, at_accept: bool
) -> None:
    async def run() -> None:
        async with CountingRedis(
            limit=limit, at_accept=at_accept, lingers_s=lingers_s
        ).serve() as server:
            logins = {s: {"username": "shop", "password": "right"} for s in EIGHT}
            seen = await probed(eight(server.port), logins)
            assert {o.depth for o in seen.values()} == {Stage.VERIFY}
            assert {o.ended_by for o in seen.values()} == {None}

    asyncio.run(run())


def test_bridges_without_a_login_do_not_use_up_a_small_server() -> None:
    async def run() -> None:
        async with CountingRedis(limit=1, at_accept=True).serve() as server:
            seen = await probed(eight(server.port), {})
            assert server.turned_away, "no probe met the limit: the test shows nothing"
            assert {o.ended_by for o in seen.values()} == {None}
            tried = [s for o in seen.values() for s in o.stages if "tries_alone" in s.evidence]
            assert tried
            assert "max number of clients" in str(tried[0].evidence["full_before"])

    asyncio.run(run())


def test_logins_of_one_user_share_a_turn_whatever_secret_they_are_from() -> None:
    async def run() -> None:
        async with CountingRedis().serve() as server:
            logins = {s: {"username": "shop", "password": "right"} for s in EIGHT}
            await probed(eight(server.port), logins)
            assert (server.peak, len(server.logins)) == (1, 16)

    asyncio.run(run())


def test_a_server_that_others_have_filled_is_believed_after_one_try_alone() -> None:
    async def run() -> None:
        async with CountingRedis(limit=0).serve() as server:
            logins = {s: {"username": "shop", "password": "right"} for s in EIGHT}
            seen = await probed(eight(server.port), logins)
            assert {auth_of(o) for o in seen.values()} == {Reason.TOO_MANY_CONNECTIONS}
            assert server.turned_away <= 16 + 3
            said = [o.ended_by.detail for o in seen.values() if o.ended_by]
            assert all("no other connection of ours open" in words for words in said)

    asyncio.run(run())


def test_the_second_bridge_says_where_its_login_was_rejected() -> None:
    """Two Secrets with the same values at the same server: one login, two failures."""

    async def run() -> None:
        async with CountingRedis().serve() as server:
            targets = [endpoint("orders-db", server.port), endpoint("billing-db", server.port)]
            seen = await probed(targets, passwords(orders_db="old", billing_db="old"))
            assert server.logins == [f"rejected {HERE}"]
            rejected = next(o for o in seen.values() if auth_of(o) is Reason.AUTH_REJECTED)
            spared = next(o for o in seen.values() if o is not rejected)
            stage = spared.stage(Stage.AUTH)
            assert stage is not None
            assert (stage.status, stage.reason) == (Status.SKIP, Reason.LOGIN_REJECTED_BEFORE)
            assert stage.evidence["tried_at"] == f"{rejected.service}:{server.port}"
            assert stage.evidence["rejected_as"] == "auth_rejected"
            assert "WRONGPASS" in str(stage.evidence["rejected_with"])
            assert spared.login_ended, "another vantage would try it again"

    asyncio.run(run())


def test_another_password_of_the_same_user_is_another_login() -> None:
    async def run() -> None:
        async with CountingRedis().serve() as server:
            targets = [endpoint("orders-db", server.port), endpoint("billing-db", server.port)]
            seen = await probed(targets, passwords(orders_db="old", billing_db="right"))
            reasons = {o.service: auth_of(o) for o in seen.values()}
            assert reasons["orders-db"] is Reason.AUTH_REJECTED
            assert sorted(server.logins) == [f"ok {HERE}", f"rejected {HERE}"]

    asyncio.run(run())


def test_what_one_server_rejects_is_tried_at_another() -> None:
    """Also where a third bridge leads to both of them."""

    async def run() -> None:
        async with CountingRedis(password="new").serve() as first:
            async with CountingRedis().serve() as second:
                ports = first.port, second.port
                both = [endpoint("both", p, server="dev/both:redis") for p in ports]
                targets = [endpoint("one", ports[0]), endpoint("two", ports[1]), *both]
                logins = passwords(one="right", two="right", both="right")
                seen = await probed(targets, logins)
            assert seen[f"two-{HERE}-{ports[1]}"].depth is Stage.VERIFY
            assert len(first.logins) == 1

    asyncio.run(run())


def test_a_name_is_spared_where_one_address_behind_it_rejected_the_login() -> None:
    async def run() -> None:
        async with CountingRedis(password="new").serve() as server:
            many = "dev/many:redis"
            targets = [
                endpoint("one", server.port),
                endpoint("many", server.port, server=many),
                by_name("many", server.port, server=many),
            ]
            seen = await probed(targets, passwords(one="right", many="right"))
            assert len(server.logins) == 1
            assert auth_of(seen["many-name"]) is Reason.LOGIN_REJECTED_BEFORE

    asyncio.run(run())


def test_a_server_that_never_answers_a_login_costs_its_time_not_once_for_each_probe() -> None:
    async def run() -> None:
        async with CountingRedis(silent_to_auth=True).serve() as server:
            logins = {s: {"username": "shop", "password": "right"} for s in EIGHT}
            seen = await probed(eight(server.port), logins, stage_s=0.2)
            assert {o.ended_by is None for o in seen.values()} == {False}
            assert server.most_kept_waiting > 1

    asyncio.run(run())


def test_addresses_of_one_system_share_a_turn_once_they_have_said_so() -> None:
    async def run() -> Runner:
        async with CountingRedis().serve() as server:
            targets = (endpoint("a", server.port), endpoint("b", server.port, "127.0.0.2"))
            plan = Plan(run_id="t", namespace="dev", targets=targets, modules=("redis",))
            values = {"password": Secret("right")}
            logins = GivenValues({"a": values, "b": values})
            runner = Runner(plan, load_checks(plan.modules), logins, lambda _: None)
            await runner.run()
            return runner

    runner = asyncio.run(run())
    first, second = (runner.order.servers(t, t.host) for t in runner.plan.targets)
    assert first & second


# -- turns and pace themselves ---------------------------------------------------------------------


def test_whoever_wants_to_be_alone_waits_for_all_others_and_keeps_them_out() -> None:
    events: list[str] = []
    turns = Turns(MANY)

    async def one(name: str, weight: int = 1) -> None:
        async with turns.turn(("k",), weight):
            events.append(f"{name} in")
            await asyncio.sleep(0.01)
            events.append(f"{name} out")

    async def run() -> None:
        first = [asyncio.create_task(one("a")), asyncio.create_task(one("b"))]
        await asyncio.sleep(0)
        alone = asyncio.create_task(one("alone", MANY))
        await asyncio.sleep(0.005)
        await asyncio.gather(*first, alone, one("c"))

    asyncio.run(run())
    inside = 0
    for event in events:
        inside += 1 if event.endswith("in") else -1
        assert not (event.startswith("alone") and inside > 1)
    assert len(events) == 8


def test_a_turn_that_is_given_up_keeps_nobody() -> None:
    turns = Turns(1)

    async def hold(seconds: float) -> None:
        async with turns.turn(("k",)):
            await asyncio.sleep(seconds)

    async def run() -> None:
        holder = asyncio.create_task(hold(5))
        await asyncio.sleep(0)
        waiter = asyncio.create_task(hold(0))
        await asyncio.sleep(0)
        waiter.cancel()
        holder.cancel()
        await asyncio.gather(holder, waiter, return_exceptions=True)
        async with asyncio.timeout(1):
            await hold(0)

    asyncio.run(run())
    assert turns.free(("k",))


def test_new_connections_to_one_address_are_paced() -> None:
    async def run() -> tuple[list[float], float]:
        pace = Pace(5)
        waited = await asyncio.gather(*(pace.wait(HERE) for _ in range(12)))
        return sorted(waited), await pace.wait("127.0.0.2")

    waited, other = asyncio.run(run())
    assert waited[:5] == [0] * 5
    assert all(0.9 < w <= 1.01 for w in waited[5:10])
    assert all(1.9 < w <= 2.01 for w in waited[10:])
    assert other == 0
