"""Who edits what × every route × pod, relay and local × every source of logins: what arrives where.

The runs are real (runner, relay, driver, servers on loopback); only the cluster is objects in
memory. `may` is the model of docs/decisions/0001-consent.md, written down a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from k8sext.agent.login.credentials import HeldSecrets, LoginSource, MountedSecrets
from k8sext.agent.main import load_checks
from k8sext.agent.net.resolver import Config
from k8sext.agent.run.runner import Runner
from k8sext.bridges import external_ips, filed
from k8sext.doctor import look, vouching
from k8sext.doctor.cluster import Cluster
from k8sext.doctor.request import Request
from k8sext.model.bridge import Bridge
from k8sext.model.plan import Budget, Plan
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.provision import desired
from k8sext.provision.spec import BridgeSpec, PortSpec
from k8sext.vantage import handed, relay
from k8sext.vantage.through import Tunnel
from tests.support import consent_world as cw
from tests.support import nameserver
from tests.support.consent_world import ADMIN, EVIL, GOOD, LOGIN, OTHER, SECRET, SERVICE, VIRTUAL
from tests.support.relay_ends import relayed

BUDGET = Budget(stage_s=2, resolve_s=2, probe_s=6, run_s=20)
VANTAGES = ("pod", "relay", "local")
Values = dict[str, str]

# What the Secret says of itself, beside its values.
TERMS: dict[str, Values] = {
    "service": {"k8sext.service": SERVICE},
    "host": {"host": GOOD},
    "service-and-host": {"k8sext.service": f"other-svc {SERVICE}.dev", "host": GOOD},
    "require": {"k8sext.service": SERVICE, "k8sext.tls": "require"},
    "verify-full": {"k8sext.service": SERVICE, "k8sext.tls": "verify-full"},
    "unread": {"k8sext.service": SERVICE, "k8sext.tls": "mandatory"},
}
DEMANDING = ("require", "verify-full", "unread")
FEWER = ("service", "host", "require")
# Where logins come from: those that need a Secret's consent, those that the invoker vouches for.
ASKED, VOUCHED = ("mounted", "cluster"), ("credentials-from", "credentials-from-bare", "f")
HANDED = ("file", "env")
SOURCES = (*ASKED, *VOUCHED, *HANDED)


def secrets(terms: Mapping[str, str], source: str) -> dict[str, Values]:
    """The namespace's Secrets. One that is vouched for says nothing of where it may go."""
    own = dict(terms)
    if source in VOUCHED:
        own.pop("k8sext.service", None)
    values = {"password": LOGIN, "admin-word": ADMIN, **own}
    return {SECRET: values, "other-auth": {"password": OTHER, "k8sext.service": "other-svc"}}


def source_of(
    source: str, terms: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> LoginSource:
    held = secrets(terms, source)
    if source == "file":
        own = {k: v for k, v in held[SECRET].items() if k != "k8sext.service"}
        text = "".join(f"    {k}: '{v}'\n" for k, v in own.items())
        (folder / "logins").write_text(f"{cw.NAMESPACE}:\n  {SERVICE}:\n{text}")
        (folder / "logins").chmod(0o600)
        return handed.logins(f"file:{folder / 'logins'}", alone=False)(cw.NAMESPACE)
    if source == "env":
        words = {"password": "PASSWORD", "host": "HOST", "k8sext.tls": "TLS"}
        for key, word in words.items():
            if key in held[SECRET]:
                name = f"K8SEXT_CREDENTIALS_CACHE_SVC_{word}"
                monkeypatch.setenv(name, held[SECRET][key])
        return handed.logins("env", alone=True)(cw.NAMESPACE)
    if source == "cluster":
        return HeldSecrets({n: {k: Secret(v) for k, v in s.items()} for n, s in held.items()})
    for name, values in held.items():
        (folder / name).mkdir()
        for key, value in values.items():
            (folder / name / key).write_text(value)
    return MountedSecrets(folder)


def bridges_of(world: cw.World, source: str, vantage: str) -> tuple[Bridge, ...]:
    found = world.bridges()
    if source != "f":
        return found
    spec = BridgeSpec(
        name=SERVICE,
        namespace=cw.NAMESPACE,
        to=(GOOD,),
        ports=(PortSpec(port=world.port, target_port=world.port, name="redis"),),
        protocol="redis",
        secret=SECRET,
    )
    files = desired.to_bridges([spec])
    over = external_ips.noted(filed.over(found, files), (world.service, *world.others))
    return files if vantage == "local" else over


def plan_of(world: cw.World, source: str, vantage: str, *, trust: bool = False) -> Plan:
    bridges = bridges_of(world, source, vantage)
    given = {"credentials-from": (f"{SECRET}={SERVICE}",), "credentials-from-bare": (SECRET,)}
    vouched = vouching.settled(vouching.parse(given.get(source, ())), bridges)
    request = Request(vantage=vantage, budget=BUDGET, vouched=vouched, trust_annotations=trust)
    trusted = [vouching.trusted(b, request) for b in bridges]
    return look.make_plan(cw.NAMESPACE, trusted, Cluster(), request, "t")


def run(plan: Plan, logins: LoginSource, config: Config) -> None:
    """As the vantage does it; of the relay with its driver."""
    if plan.vantage != "relay":
        seen: list[Observation] = []
        asyncio.run(Runner(plan, load_checks(plan.modules), logins, seen.append, config).run())
        assert seen
        return

    async def through() -> None:
        async with relayed(relay.pod_part(plan), config) as ends:

            async def dial(_pod: str, _port: int) -> Tunnel:
                return await ends.dial()

            watched = relay.Look(plan=plan, logins=logins, dial=dial)
            assert await relay.observe(watched, ends.network, "node1")

    asyncio.run(through())


def may(
    place: str, edit: Callable[[cw.World], None], source: str, terms: str, vantage: str
) -> bool:
    """Whether the login may arrive at a place (of a cluster IP: at what is behind it)."""
    if terms in DEMANDING:
        return False  # the servers here have no TLS
    if edit is cw.an_external_ip and (source, vantage) != ("f", "local"):
        return False  # nobody of this cluster reaches the good server there
    if edit is cw.a_selector and terms == "service" and source != "f":
        return False  # a Service with a selector is another one
    pinned = terms != "service" or source == "f"
    return place == GOOD or (edit in cw.BY_SLICES and not pinned)


def must(edit: Callable[[cw.World], None], source: str, terms: str) -> bool:
    """Whether the good server has to get it: healthy set-ups go on working."""
    stays = (
        cw.nothing, cw.into_an_alias_afterwards, cw.a_selector_for_a_while,
        cw.a_selector_for_a_while_mirrored, cw.clear_text, cw.a_slice,
    )  # fmt: skip
    if terms in DEMANDING:
        return False
    if edit is cw.an_external_ip:
        return False
    return source == "f" or edit in stays or (edit is cw.a_selector and terms != "service")


@pytest.fixture(scope="module")
def port() -> Iterator[cw.Servers]:
    with cw.servers() as here:
        yield here


@pytest.mark.parametrize("vantage", VANTAGES)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("edit", cw.EDITS, ids=lambda e: e.__name__)
def test_nothing_arrives_that_the_model_forbids(
    edit: Callable[[cw.World], None],
    source: str,
    vantage: str,
    port: cw.Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = cw.healthy(port.port)
    edit(world)
    chosen = TERMS if source == "mounted" else FEWER  # the same terms are read by the same code
    for number, (terms, says) in enumerate((name, TERMS[name]) for name in chosen):
        port.got.clear()
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch, nameserver.serve(world.dns) as dns:
            logins = source_of(source, says, folder, patch)
            run(plan_of(world, source, vantage), logins, dns.config())
        here = (terms, {k: bytes(v) for k, v in port.got.items()})
        for place in port.got:
            assert not port.has(place, ADMIN), here
            assert not port.has(place, OTHER), here
        ends = world.behind if port.has(VIRTUAL, LOGIN) else set[str]()
        ends |= {place for place in (GOOD, EVIL) if port.has(place, LOGIN)}
        assert all(may(end, edit, source, terms, vantage) for end in ends), here
        if must(edit, source, terms):
            assert port.has(GOOD, LOGIN), here
        if edit is cw.nothing and vantage != "local" and terms not in DEMANDING:
            assert port.has(VIRTUAL, LOGIN), here  # by name, as applications go


@pytest.mark.parametrize("vantage", VANTAGES)
@pytest.mark.parametrize("source", ["mounted", "file", "credentials-from"])
def test_an_alias_that_the_secret_names(
    source: str,
    vantage: str,
    port: cw.Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An ExternalName works where the owner names its host, and nowhere else."""
    world = cw.healthy(port.port)
    cw.into_an_alias(world)
    world.service["spec"]["externalName"] = world.alias = cw.GOOD_NAME
    afterwards = world.copied()
    afterwards.alias = cw.EVIL_NAME
    elsewhere = afterwards.copied()
    elsewhere.service["spec"]["externalName"] = cw.EVIL_NAME
    for number, (now, arrives) in enumerate(
        ((world, True), (afterwards, vantage == "local"), (elsewhere, False))
    ):
        port.got.clear()
        folder = tmp_path / str(number)
        folder.mkdir()
        says = {} if source == "credentials-from" else {"host": cw.GOOD_NAME}
        with monkeypatch.context() as patch, nameserver.serve(now.dns) as dns:
            logins = source_of(source, says, folder, patch)
            plan = plan_of(now, source, vantage)
            if source == "credentials-from":
                found = vouching.parse([f"{SECRET}={cw.GOOD_NAME}"])
                request = Request(vantage=vantage, budget=BUDGET, vouched=found)
                trusted = [vouching.trusted(b, request) for b in now.bridges()]
                plan = look.make_plan(cw.NAMESPACE, trusted, Cluster(), request, "t")
            run(plan, logins, dns.config())
        assert port.has(GOOD, LOGIN) is arrives
        assert not port.has(EVIL, LOGIN)


def test_who_trusts_annotations_trusts_their_writers(port: cw.Servers, tmp_path: Path) -> None:
    """`--trust-annotations` is what it says; but the owner's demand for TLS still counts."""
    world = cw.healthy(port.port)
    cw.into_an_alias(world)
    for number, (terms, arrives) in enumerate((("service", True), ("require", False))):
        port.got.clear()
        (tmp_path / str(number)).mkdir()
        with nameserver.serve(world.dns) as dns:
            patch = pytest.MonkeyPatch()
            logins = source_of("mounted", TERMS[terms], tmp_path / str(number), patch)
            plan = plan_of(world, "mounted", "pod", trust=True)
            run(plan, logins, dns.config())
        assert port.has(EVIL, LOGIN) is arrives
