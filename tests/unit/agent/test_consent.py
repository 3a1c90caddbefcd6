"""The one function of consent, as a table: what a Secret says, and where a connection leads."""

from __future__ import annotations

from typing import Any

import pytest

from k8sext.agent.check import Login
from k8sext.agent.login import consent
from k8sext.agent.login.credentials import HandedValues, HeldSecrets, Missing
from k8sext.agent.run import announced
from k8sext.model.bridge import CredentialRef, Kind
from k8sext.model.plan import Target, Trail
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Reason, Route
from tests.support import trails

A, B, VIP = "198.51.100.7", "198.51.100.66", trails.CLUSTER_IP
OUTSIDE = "db.corp.example"
CANARY = "canary-4711"
SERVICE, HOST, URI = "k8sext.service", "host", "uri"
ROUTES = {"end": Route.ENDPOINT, "name": Route.NAME, "ip": Route.CLUSTER_IP, "out": Route.ORIGIN}
HEADLESS = {"kind": Kind.HEADLESS, "virtual": (), "behind": (A, B)}
WORDS = {"username": ("user",), "password": ("pass", "redis-password"), "database": ()}


def target(route: str, trail: Trail | None, **more: Any) -> Target:
    host = {"end": A, "name": "db-svc", "ip": VIP, "out": OUTSIDE}[route]
    base: dict[str, Any] = {
        "id": "o1", "service": "db-svc", "port_key": "p", "protocol": "redis",
        "route": ROUTES[route], "host": host, "port": 6379, "trail": trail,
        "credentials": CredentialRef(secret="s"),
    }  # fmt: skip
    return Target(**{**base, **more})


def looked_up(secret: dict[str, str], one: Target) -> Login | Missing:
    values = {k: Secret(v) for k, v in {"password": CANARY, **secret}.items()}
    source = HeldSecrets({"s": values})
    found = source.lookup(source.prepared(one), WORDS)
    assert CANARY not in repr(found)
    return found


YES, NOT, ELSEWHERE = None, Reason.NO_CONSENT, Reason.CONSENT_ELSEWHERE
end, by, alias = trails.to_endpoint, trails.by_service, trails.by_alias
WAYS: list[tuple[str, dict[str, str], str, Trail | None, Reason | None]] = [
    # k8sext.service: endpoints that people wrote
    ("its endpoint", {SERVICE: "db-svc"}, "end", end(A), YES),
    ("with its namespace", {SERVICE: "x, DB-svc.dev"}, "end", end(A), YES),
    ("another namespace", {SERVICE: "db-svc.prod"}, "end", end(A), NOT),
    ("another Service", {SERVICE: "db"}, "end", end(A), NOT),
    ("nothing", {}, "end", end(A), NOT),
    ("a controller's endpoint", {SERVICE: "db-svc"}, "end", end(A, people=False), ELSEWHERE),
    ("a selector", {SERVICE: "db-svc"}, "end", end(A, selector=True), ELSEWHERE),
    ("another peer than planned", {SERVICE: "db-svc"}, "end", end(B), ELSEWHERE),
    ("an unknown peer", {SERVICE: "db-svc"}, "end", end(A, peer=""), NOT),
    ("nothing known", {SERVICE: "db-svc"}, "end", None, NOT),
    # by the name and the cluster IP: all that is behind them
    ("its cluster IP", {SERVICE: "db-svc"}, "ip", by(A), YES),
    ("its name", {SERVICE: "db-svc"}, "name", by(A, B), YES),
    ("a name repointed", {SERVICE: "db-svc"}, "name", by(A, peer=B), ELSEWHERE),
    ("a name repointed at an endpoint", {SERVICE: "db-svc"}, "name", by(A, peer=A), ELSEWHERE),
    ("a controller behind it", {SERVICE: "db-svc"}, "name", by(A, B, people=False), ELSEWHERE),
    ("a headless name", {SERVICE: "db-svc"}, "name", end(B, **HEADLESS), YES),
    ("a headless name repointed", {SERVICE: "db-svc"}, "name",
     end("203.0.113.9", **HEADLESS), ELSEWHERE),
    # host and uri: that address alone
    ("its address", {HOST: A}, "end", end(A), YES),
    ("in another notation", {HOST: f"::ffff:{A}"}, "end", end(A), YES),
    ("one of several", {URI: f"postgresql://u@{B}:1,{A}:2/x"}, "end", end(A), YES),
    ("another address", {HOST: B}, "end", end(A), NOT),
    ("another, for the Service", {HOST: B, SERVICE: "db-svc"}, "end", end(A), ELSEWHERE),
    ("whoever wrote it", {HOST: A}, "end", end(A, people=False, selector=True), YES),
    ("all behind the name", {HOST: f"{A} {B}"}, "name", by(A, B), YES),
    ("one of those behind it", {HOST: A}, "name", by(A, B), NOT),
    ("and the Service's", {HOST: A, SERVICE: "db-svc"}, "name", by(A, B), ELSEWHERE),
    ("nobody behind it", {HOST: A}, "name", by(), NOT),
    ("a cluster IP is no address", {HOST: VIP}, "name", by(B), NOT),
    ("the bridge's own name", {HOST: "db-svc.dev.svc"}, "name", by(A), YES),
    ("its own name, a selector", {URI: "redis://db-svc:1"}, "name", by(A, selector=True),
     ELSEWHERE),
    # outside names
    ("an alias, by Service", {SERVICE: "db-svc"}, "name", alias(OUTSIDE, A), ELSEWHERE),
    ("an alias, by host", {HOST: "DB.corp.example."}, "name", alias(OUTSIDE, A), YES),
    ("an alias, by address", {HOST: A}, "name", alias(OUTSIDE, A), YES),
    ("an alias, elsewhere", {HOST: OUTSIDE}, "name", alias("evil.example", B), ELSEWHERE),
    ("an alias that was changed", {HOST: OUTSIDE}, "name",
     alias(OUTSIDE, B, chain=("evil.example", OUTSIDE)), ELSEWHERE),
    ("an alias that is none now", {HOST: OUTSIDE}, "name", alias(OUTSIDE, B, chain=()), ELSEWHERE),
    ("the name itself", {HOST: OUTSIDE}, "out", alias(OUTSIDE, A, chain=()), YES),
    ("a name of the cluster's", {HOST: "x.dev.svc.cluster.local"}, "name",
     alias("x.dev.svc.cluster.local", VIP), ELSEWHERE),
    ("an outside name for slices", {HOST: OUTSIDE}, "end", end(A), NOT),
    # another Service before the address
    ("an address that another claims", {HOST: A}, "end", end(A, claimed=(A,)), ELSEWHERE),
    ("one of those behind", {SERVICE: "db-svc"}, "name", by(A, B, claimed=(B,)), ELSEWHERE),
    ("another address is claimed", {SERVICE: "db-svc"}, "end", end(A, claimed=(B,)), YES),
    ("claimed, and verified", {SERVICE: "db-svc", "k8sext.tls": "verify-full"}, "end",
     end(A, claimed=(A,)), YES),
    ("an alias to what is claimed", {HOST: OUTSIDE}, "name", alias(OUTSIDE, A, claimed=(A,)),
     ELSEWHERE),
    # the invoker's file
    ("a file's address", {}, "end", end(A, given=(A,)), NOT),
]  # fmt: skip


@pytest.mark.parametrize(("secret", "route", "trail", "why"), [w[1:] for w in WAYS],
                         ids=[w[0] for w in WAYS])  # fmt: skip
def test_where_a_login_may_go(
    secret: dict[str, str], route: str, trail: Trail | None, why: Reason | None
) -> None:
    if trail and trail.given:
        vouched = CredentialRef(secret="s", vouched=True)
        assert isinstance(looked_up(secret, target(route, trail, credentials=vouched)), Login)
        led = trails.to_endpoint(B, given=trail.given)
        assert isinstance(looked_up(secret, target(route, led, credentials=vouched)), Missing)
        return
    found = looked_up(secret, target(route, trail))
    if why is None:
        assert isinstance(found, Login), found
        assert found.get("password") == CANARY
    else:
        assert isinstance(found, Missing)
        assert found.reason is why


@pytest.mark.parametrize(
    ("named", "trail", "sent"),
    [
        ("db-svc", end(A), True),
        ("db-svc.dev", end(A), True),
        ("db-svc.evil", end(A), False),
        ("db-svc", alias(OUTSIDE, A), False),
        (OUTSIDE, alias(OUTSIDE, A), True),
        (OUTSIDE, alias("evil.example", B), False),
        (A, end(A), True),
        (A, end(B), False),
    ],
)
def test_what_the_invoker_vouches_for(named: str, trail: Trail, sent: bool) -> None:
    route = "end" if trail.kind is Kind.SELECTORLESS else "name"
    ref = CredentialRef(secret="s", named=(named,))
    assert isinstance(looked_up({}, target(route, trail, credentials=ref)), Login) is sent


KEYS: list[tuple[str, str, bool, bool]] = [
    # annotation, k8sext.keys, allowed, shown
    ("password=redis-password", "", True, True),
    ("username=user", "", True, True),
    ("password=admin-word", "", False, True),
    ("password=admin-word", "admin-word", True, True),
    ("password=admin-word", "x, password=admin-word", True, True),
    ("password=admin-word", "username=admin-word", False, True),
    ("username=admin-word", "", False, True),
    ("username=password", "", False, True),
    ("username=redis-password", "", False, True),
    ("username=admin-word", "admin-word", True, False),
    ("username=admin-word", "username=admin-word", True, True),
    ("nonsense=admin-word", "", True, True),
]


@pytest.mark.parametrize(("annotation", "keys", "allowed", "shown"), KEYS)
def test_which_keys_an_annotation_may_choose(
    annotation: str, keys: str, allowed: bool, shown: bool
) -> None:
    word, _, key = annotation.partition("=")
    held = {"admin-word": "w-1", "redis-password": "w-2", "user": "w-3", SERVICE: "db-svc"}
    ref = CredentialRef(secret="s", keys=((word, key),))
    found = looked_up({**held, "k8sext.keys": keys}, target("end", end(A), credentials=ref))
    assert isinstance(found, Login) is allowed
    if isinstance(found, Missing):
        assert found.reason is Reason.KEY_NOT_ALLOWED
        assert key in found.detail
        return
    hidden = {s.reveal() for s in found.secrets}
    assert (found.get("username") in hidden) is (not shown)


REQUIRE, FULL, OFF = TlsMode.REQUIRE, TlsMode.VERIFY_FULL, TlsMode.DISABLE
Demand = tuple[str, TlsSpec, TlsMode | None, str]
DEMANDS: list[Demand] = [
    # what the Secret says, what the Service asks for, what is made of it (None: refused), the CA
    ("any", TlsSpec(mode=OFF), OFF, ""),
    ("require", TlsSpec(), REQUIRE, ""),
    ("Require ", TlsSpec(mode=REQUIRE), REQUIRE, ""),
    ("require", TlsSpec(mode=FULL, ca_secret="x", ca_key="k"), FULL, "x"),
    ("require", TlsSpec(mode=OFF), None, ""),
    ("verify-full", TlsSpec(), FULL, ""),
    ("verify-full", TlsSpec(mode=REQUIRE), FULL, ""),
    ("verify-full", TlsSpec(mode=OFF), None, ""),
    ("verify-full", TlsSpec(mode=FULL, ca_secret="theirs", ca_key="k"), None, ""),
    ("verify-full", TlsSpec(server_name="evil.example"), None, ""),
    ("verify-full", TlsSpec(server_name="db-svc.dev.svc"), FULL, ""),
    ("verify-full", TlsSpec(server_name=OUTSIDE), FULL, ""),
    ("yes", TlsSpec(mode=FULL), None, ""),
    ("verify", TlsSpec(), None, ""),
]


@pytest.mark.parametrize(("says", "asked", "made", "ca"), DEMANDS)
@pytest.mark.parametrize("own_ca", [False, True])
def test_how_a_connection_has_to_be_protected(
    says: str, asked: TlsSpec, made: TlsMode | None, ca: str, own_ca: bool
) -> None:
    secret = {SERVICE: "db-svc", HOST: OUTSIDE, "k8sext.tls": says}
    if own_ca:
        secret["ca.crt"] = "PEM"
    one = target("end", end(A), tls=asked)
    values = {k: Secret(v) for k, v in {"password": CANARY, **secret}.items()}
    ready = HeldSecrets({"s": values}).prepared(one)
    found = looked_up(secret, one)
    mended = own_ca and asked.ca_secret == "theirs"  # the Secret's own counts in its place
    if made is None and not mended:
        assert isinstance(found, Missing)
        assert found.reason is Reason.TLS_DEMANDED
        assert "yes" not in found.detail.split()
        return
    assert isinstance(found, Login), found
    assert ready.tls.mode is (made or FULL)
    full = says.startswith("verify")
    assert ready.tls.ca_secret == ("s" if own_ca and full else ca)


@pytest.mark.parametrize(
    ("demand", "reached", "kept"),
    [
        (None, OFF, False), (REQUIRE, OFF, True), (REQUIRE, REQUIRE, False),
        (REQUIRE, FULL, False), (FULL, OFF, True), (FULL, REQUIRE, True), (FULL, FULL, False),
    ],
)  # fmt: skip
def test_what_is_held_back_on_a_connection(
    demand: TlsMode | None, reached: TlsMode, kept: bool
) -> None:
    assert bool(consent.short_of(demand, reached)) is kept


def test_a_certificate_is_shown_to_nobody_whom_a_server_tells_of() -> None:
    """Addresses that are announced: the login's values stay here, and the pair does as well."""
    pair = {k: Secret(v) for k, v in {"tls.crt": "c", "tls.key": CANARY, SERVICE: "db-svc"}.items()}
    one = target("end", end(A))
    elsewhere, beside = (announced.target_of(one, f"{ip}:9999") for ip in (B, A))
    for source in (HeldSecrets({"s": pair}), HandedValues({"db-svc": pair})):
        assert source.client_pair(one)
        assert source.client_pair(elsewhere) is None
        assert source.client_pair(beside) is None
        assert source.client_pair(target("end", end(B))) is None
