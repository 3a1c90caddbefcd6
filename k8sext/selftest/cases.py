"""The table: what stands behind each bridge of the self-test, and what must be said of it."""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.tls import TlsMode
from k8sext.model.words import Culprit, Stage, Status

from . import speakers as s
from . import speakers_web as w
from .case import SelftestCase, Verdict
from .servers import (
    ESCAPES,
    GARBAGE,
    Talk,
    closes,
    drips,
    floods,
    resets,
    resets_after,
    says,
    silent,
)

GOOD = {"username": s.USER, "password": s.PASSWORD}
WRONG_PASSWORD = "battery-staple-0815"  # noqa: S105 - what a stand-in must refuse
BAD = {"username": s.USER, "password": WRONG_PASSWORD}
CALM: dict[str, object] = {"login": GOOD, "mode": TlsMode.DISABLE}  # no word about a clear login
FULL: dict[str, object] = {"login": GOOD, "mode": TlsMode.VERIFY_FULL}

# -- verdicts ------------------------------------------------------------------------------------


def _fail(code: str, culprit: Culprit) -> Verdict:
    return Verdict(Status.FAIL, code, culprit)


def _warn(code: str, culprit: Culprit, depth: Stage = Stage.VERIFY) -> Verdict:
    return Verdict(Status.WARN, code, culprit, depth)


STATE, CONFIG, TLS, WRONG = (
    Culprit.SERVER_STATE, Culprit.SERVER_CONFIG, Culprit.TLS, Culprit.WRONG_TARGET,
)  # fmt: skip
PASS = Verdict(Status.PASS, depth=Stage.VERIFY)
ACCEPTS = Verdict(Status.PASS, depth=Stage.CONNECT)
SPEAKS = Verdict(Status.PASS, depth=Stage.HANDSHAKE)
REFUSED = _fail("KX301", Culprit.SERVER_HOST)
SILENT, STALLS = _fail("KX313", WRONG), _fail("KX709", Culprit.SERVER_STATE)
RESET, CLOSED = _fail("KX310", CONFIG), _fail("KX311", CONFIG)
OTHER, TOO_MUCH = _fail("KX501", WRONG), _fail("KX505", WRONG)
NO_TLS, WANTS_TLS, TLS_FAILS = _fail("KX401", TLS), _fail("KX402", TLS), _fail("KX403", TLS)
EXPIRED, EARLY, MISNAMED = _fail("KX406", TLS), _fail("KX407", TLS), _fail("KX405", TLS)
UNKNOWN_CA, ENDING, ASKS = _fail("KX404", TLS), _warn("KX408", TLS), _fail("KX410", TLS)
REJECTED = _fail("KX601", Culprit.CREDENTIALS)
WANTS_LOGIN = _warn("KX602", Culprit.CREDENTIALS, Stage.HANDSHAKE)
IN_CLEAR = _warn("KX609", TLS)
NOT_ALLOWED, LOCKED_OUT, PROTECTED = (
    _fail("KX603", CONFIG), _fail("KX604", CONFIG), _fail("KX605", CONFIG),
)  # fmt: skip
READ_ONLY, LOADING, ERROR = _fail("KX705", STATE), _fail("KX706", STATE), _fail("KX711", STATE)

# -- what is said --------------------------------------------------------------------------------

SSH, WEB = b"SSH-2.0-stand-in\r\n", w.http("400 Bad Request")
SAID = f"out of paper {ESCAPES}"
BANNER = f"220 {SAID}\r\n".encode("latin-1", "replace")
ANNOUNCED = 512 << 20  # bytes that some say they will send
HUGE = ANNOUNCED.to_bytes(4, "big")
NOTICE = s.pg(b"N", b"SNOTICE\0Mstand-in\0\0")
HEARTBEAT = b"\x08\0\0" + (1 << 16).to_bytes(4, "big") + bytes(1 << 16) + b"\xce"
HTTP_HUGE = w.http("200 OK", Content_Length=str(ANNOUNCED))
HTTP_BANNER = b"HTTP/1.1 500 " + BANNER + b"Content-Length: 0\r\n\r\n"
HTTP_ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"  # its end is the connection's
NO_DATABASE = s.pg(b"R", bytes(4)) + s.pg_error("3D000", 'database "shop" does not exist')
NO_RULE = s.pg_error("28000", 'no pg_hba.conf entry for host "127.0.0.1", user "shop"')
FULL_OF_MEMORY = {"maxmemory": "100", "used_memory": "100", "maxmemory_policy": "noeviction"}
PRIMARY, STANDBY = {"role": "primary"}, {"role": "standby"}
AWAY = {"unreachable": True}
LOGS = {"exchange": "logs", "queue": "orders"}

HEALTHY: dict[str, Talk] = {
    "postgresql": s.PostgresqlTalk(),
    "mysql": s.MysqlTalk(),
    "redis": s.RedisTalk(),
    "rabbitmq": s.RabbitmqTalk(),
    "elasticsearch": w.elasticsearch(),
    "http": w.web({"/": w.http("200 OK", b"hello")}, login=True),
}
PG, MY, REDIS, AMQP, ES, SITE = HEALTHY.values()
SHORT = {"postgresql": "pg", "rabbitmq": "amqp", "elasticsearch": "es", "xxl-job": "xxl"}


def _case(
    protocol: str, what: str, talk: Talk | None, want: Verdict, **more: object
) -> SelftestCase:
    about: dict[str, object] = {"id": f"{SHORT.get(protocol, protocol)}-{what}", **more}
    about.setdefault("timed", want in (SILENT, STALLS))
    return SelftestCase(protocol=protocol, talk=talk, want=want, **about)  # type: ignore[arg-type]


def _pg(what: str, said: Talk, want: Verdict, **more: object) -> SelftestCase:
    """Said by a PostgreSQL where it would ask for the login."""
    return _case("postgresql", what, s.PostgresqlTalk(instead=said), want, **more)


def _my_error(code: int) -> Talk:
    return says(s.my(s.my_error(code, f"Host '127.0.0.1' {SAID}")))


# -- the table -----------------------------------------------------------------------------------


def _of_every_protocol() -> Iterator[SelftestCase]:
    """What needs no word of the protocol."""
    later = {"mysql": resets_after(0.4), "tcp": resets_after(0.15)}  # tcp listens for 0.3 s
    for name in (*HEALTHY, "https", "tcp"):
        tls, tcp = name == "https", name == "tcp"
        babble = SPEAKS if tcp else NO_TLS if tls else OTHER
        reset, closed = (TLS_FAILS, TLS_FAILS) if tls else (RESET, CLOSED)
        other = WEB if name in ("postgresql", "redis", "https") else SSH
        yield _case(name, "refused", None, REFUSED)
        yield _case(name, "silent", silent, ACCEPTS if tcp else SILENT)
        yield _case(name, "resets", later.get(name, resets), reset, timed=name in later)
        yield _case(name, "closes", closes, closed)
        yield _case(name, "garbage", says(GARBAGE), babble)
        yield _case(name, "greets-otherwise", says(other), babble)


def _logins() -> Iterator[SelftestCase]:
    """Right, wrong and none: of every protocol that has logins."""
    for name, talk in HEALTHY.items():
        yield _case(name, "good", talk, PASS, **CALM)
        yield _case(name, "wrong-password", talk, REJECTED, login=BAD)
        yield _case(name, "no-login", talk, WANTS_LOGIN)
        if name not in ("postgresql", "mysql"):  # those two never send it as it is
            yield _case(name, "login-in-clear", talk, IN_CLEAR, login=GOOD)


def _certificates() -> Iterator[SelftestCase]:
    """Every kind over HTTPS, and a good and a bad one where TLS begins otherwise."""
    for protocol, kind, want in (
        ("https", "good", PASS),
        ("https", "expired", EXPIRED),
        ("https", "not-yet", EARLY),
        ("https", "ending", ENDING),
        ("https", "wrong-name", MISNAMED),
        ("https", "unknown-ca", UNKNOWN_CA),
        ("https", "asks-for-ours", ASKS),
        ("postgresql", "good", PASS),
        ("postgresql", "expired", EXPIRED),
        ("mysql", "good", PASS),
        ("mysql", "wrong-name", MISNAMED),
        ("redis", "good", PASS),
        ("redis", "unknown-ca", UNKNOWN_CA),
        ("rabbitmq", "good", PASS),
        ("rabbitmq", "ending", ENDING),
        ("elasticsearch", "good", PASS),
        ("elasticsearch", "not-yet", EARLY),
    ):
        talk = HEALTHY.get(protocol, SITE)
        wrapped = protocol not in ("postgresql", "mysql")  # those are asked for it
        yield _case(protocol, f"tls-{kind}", talk, want, certificate=kind, wrapped=wrapped, **FULL)


OTHERS: tuple[SelftestCase, ...] = (
    # TLS where there is none, and none where there is
    _case("postgresql", "no-tls", PG, NO_TLS, mode=TlsMode.REQUIRE, login=GOOD),
    _case("mysql", "no-tls", MY, NO_TLS, mode=TlsMode.REQUIRE, login=GOOD),
    _case("mysql", "insists-on-tls", s.MysqlTalk(refusal=s.my_error(3159, "no")), WANTS_TLS,
          **CALM),
    _case("http", "on-a-tls-port", SITE, WANTS_TLS, certificate="good", wrapped=True),
    _case("elasticsearch", "on-a-tls-port", ES, WANTS_TLS, certificate="good", wrapped=True),
    # more than anybody may send, less than anybody can wait for, and what must not be printed
    _pg("floods", floods(b"", NOTICE, asked=False), TOO_MUCH),
    _pg("announces-512M", floods(b"R" + HUGE, GARBAGE, asked=False), OTHER),
    _pg("drips", drips(s.pg(b"R", bytes(99)), asked=False), STALLS),
    _pg("control-characters", says(s.pg_error("XX000", SAID)), ERROR),
    _case("mysql", "floods", s.MysqlTalk(rows=9999), TOO_MUCH, login=GOOD),
    _case("mysql", "announces-16M", floods(b"\xff\xff\xff\0", GARBAGE, asked=False), OTHER),
    _case("mysql", "drips", drips(s.my_greeting(tls=False), asked=False), STALLS),
    _case("mysql", "control-characters", _my_error(1105), ERROR),
    _case("redis", "floods", floods(b"+", b"A"), TOO_MUCH),
    _case("redis", "announces-512M", floods(b"$%d\r\n" % ANNOUNCED, GARBAGE), TOO_MUCH),
    _case("redis", "drips", drips(b"+" + b"PONG" * 99), STALLS),
    _case("redis", "control-characters", s.RedisTalk(error=f"ERR {SAID}"), ERROR),
    _case("rabbitmq", "floods", floods(b"", HEARTBEAT), TOO_MUCH),
    _case("rabbitmq", "announces-512M", floods(b"\1\0\0" + HUGE, GARBAGE), OTHER),
    _case("rabbitmq", "drips", drips(s.amqp_start()), STALLS),
    _case("rabbitmq", "control-characters", s.RabbitmqTalk(refusal=s.amqp_close(541, SAID)), ERROR,
          login=GOOD),
    _case("elasticsearch", "floods", floods(HTTP_ENDLESS, GARBAGE), TOO_MUCH),
    _case("elasticsearch", "announces-512M", floods(HTTP_HUGE, GARBAGE), TOO_MUCH),
    _case("elasticsearch", "drips", drips(WEB), STALLS),
    _case("elasticsearch", "control-characters",
          says(w.page({"error": {"type": "x", "reason": SAID}}, "500 No"), asked=True), ERROR),
    _case("http", "floods", floods(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), TOO_MUCH),
    _case("http", "announces-512M", floods(HTTP_HUGE, GARBAGE), TOO_MUCH),
    _case("http", "drips", drips(WEB), STALLS),
    _case("http", "control-characters", says(HTTP_BANNER, asked=True), _fail("KX709", STATE)),
    _case("tcp", "floods", floods(GARBAGE, GARBAGE, asked=False), SPEAKS),
    _case("tcp", "control-characters", says(BANNER), SPEAKS),
    # servers that answer, and are not what is needed
    _case("postgresql", "standby", s.PostgresqlTalk(standby=True), READ_ONLY, expect=PRIMARY,
          **CALM),
    _case("postgresql", "is-standby", s.PostgresqlTalk(standby=True), PASS, expect=STANDBY, **CALM),
    _pg("starting", says(s.pg_error("57P03", "it is starting up")), LOADING, **CALM),
    _pg("host-rules", says(NO_RULE), NOT_ALLOWED, **CALM),
    _pg("database-missing", says(NO_DATABASE), _fail("KX701", STATE), **CALM),
    _case("mysql", "replica", s.MysqlTalk(read_only=True), READ_ONLY, expect=PRIMARY, **CALM),
    _case("mysql", "full", _my_error(1040), _fail("KX704", STATE)),
    _case("mysql", "locked-out", _my_error(1129), LOCKED_OUT),
    _case("mysql", "host-rules", _my_error(1130), NOT_ALLOWED),
    _case("redis", "loading", s.RedisTalk(error="LOADING in memory"), LOADING, **CALM),
    _case("redis", "protected", s.RedisTalk(error="DENIED in protected mode"), PROTECTED),
    _case("redis", "full", s.RedisTalk(info=FULL_OF_MEMORY), _fail("KX707", STATE), **CALM),
    _case("redis", "sentinel", s.RedisTalk(info={"redis_mode": "sentinel"}), _fail("KX503", WRONG),
          **CALM),
    _case("rabbitmq", "alarm", s.RabbitmqTalk(blocked="low on disk"), _warn("KX707", STATE),
          **CALM),
    _case("rabbitmq", "vhost-missing", s.RabbitmqTalk(vhost="other"), _fail("KX702", STATE),
          **CALM),
    _case("rabbitmq", "no-consumer", s.RabbitmqTalk(consumers=0), _warn("KX712", CONFIG),
          expect={"queue": "orders"}, **CALM),
    _case("rabbitmq", "queue-missing", AMQP, _fail("KX703", STATE), expect={"queue": "invoices"},
          **CALM),
    _case("elasticsearch", "red", w.elasticsearch("red"), _fail("KX709", STATE), **CALM),
    _case("elasticsearch", "yellow", w.elasticsearch("yellow"), _warn("KX708", STATE), **CALM),
    _case("elasticsearch", "another-product", w.web({"/": w.page({"kind": "other"})}),
          _fail("KX502", WRONG)),
    _case("elasticsearch", "too-old", ES, _fail("KX504", WRONG), expect={"version": ">=9"}, **CALM),
    _case("http", "proxy-without-server", w.web({}, w.http("502 Bad Gateway", b"<html>")),
          _fail("KX709", STATE)),
    _case("http", "unexpected-status", SITE, _fail("KX710", WRONG), expect={"status": 204}, **CALM),
    # systems that call back
    _case("sentinel", "good", w.sentinel(), PASS),
    _case("sentinel", "login-switched-off", w.sentinel("1.8.8-stand-in"),
          _warn("KX745", Culprit.SERVER_CONFIG)),
    _case("sentinel", "another-product", w.web({"/": w.page({"kind": "other"})}),
          _fail("KX502", WRONG)),
    _case("sentinel", "application-missing", w.sentinel(), _fail("KX802", Culprit.CALLBACK),
          expect={"applications": "shop"}),
    _case("xxl-job", "good", w.xxl_job(), PASS, login={"token": s.PASSWORD}, mode=TlsMode.DISABLE),
    _case("xxl-job", "wrong-token", w.xxl_job(), REJECTED, login={"token": WRONG_PASSWORD}),
    _case("xxl-job", "no-token", w.xxl_job(token=""), _warn("KX615", Culprit.CREDENTIALS)),
    _case("xxl-job", "database-gone", w.xxl_job(health="DOWN"), _fail("KX709", STATE)),
    _case("xxl-job", "another-product", w.web({"/": w.page({"kind": "other"})}),
          _fail("KX502", WRONG)),
    _case("xxl-job", "behind-a-login", SITE, _fail("KX710", WRONG)),
    # monitoring
    _case("prometheus", "good", w.prometheus(), PASS),
    _case("prometheus", "not-ready", w.prometheus(ready=False), LOADING),
    _case("prometheus", "target-down", w.prometheus(down=1), _warn("KX740", Culprit.CALLBACK)),
    _case("prometheus", "job-down", w.prometheus(down=2), _fail("KX740", Culprit.CALLBACK),
          expect={"jobs": "node"}),
    _case("prometheus", "another-product", w.alertmanager(), _fail("KX502", WRONG)),
    _case("alertmanager", "good", w.alertmanager(), PASS),
    _case("alertmanager", "nothing-arrives", w.alertmanager(lost=2), _warn("KX743", STATE)),
    _case("alertmanager", "receiver-missing", w.alertmanager(), _fail("KX703", STATE),
          expect={"receivers": "day"}),
    _case("grafana", "good", w.grafana(), PASS, **CALM),
    _case("alertmanager", "another-product", w.prometheus(), _fail("KX502", WRONG)),
    _case("grafana", "another-product", w.prometheus(), _fail("KX502", WRONG)),
    _case("grafana", "database-failing", w.grafana("failing"), _fail("KX709", STATE)),
    _case("grafana", "wrong-password", w.grafana(), REJECTED, login=BAD),
    _case("actuator", "good", w.actuator(), PASS, **CALM),
    _case("actuator", "another-product", w.web({"/": w.page({"kind": "other"})}),
          _fail("KX502", WRONG)),
    _case("actuator", "component-down", w.actuator("DOWN"), _fail("KX709", STATE), **CALM),
    _case("eureka", "good", w.eureka("SHOP"), PASS),
    _case("eureka", "another-product", w.web({"/": w.page({"kind": "other"})}),
          _fail("KX502", WRONG)),
    _case("eureka", "application-missing", w.eureka("SHOP"), _fail("KX802", Culprit.CALLBACK),
          expect={"applications": "pay"}),
    _case("zipkin", "good", w.zipkin(), PASS, **CALM),
    _case("zipkin", "another-product", w.prometheus(), _fail("KX502", WRONG)),
    _case("zipkin", "storage-down", w.zipkin(up=False), _fail("KX709", STATE)),
    _case("zipkin", "kept-in-memory", w.zipkin(), _fail("KX710", WRONG),
          expect={"storage": "elasticsearch"}),
    _case("elk", "good", AMQP, PASS, expect=LOGS, **CALM),
    _case("elk", "another-product", says(SSH), OTHER),
    _case("elk", "nobody-reads", s.RabbitmqTalk(consumers=0), _fail("KX712", CONFIG), expect=LOGS,
          **CALM),
    _case("elk", "queue-missing", AMQP, _fail("KX703", STATE), expect={**LOGS, "queue": "invoices"},
          **CALM),
    _case("elk", "nothing-expected", AMQP, _fail("KX722", Culprit.MANIFEST), **CALM),
    _case("elk", "wrong-password", AMQP, REJECTED, login=BAD),
    # dashboards, configurations, images
    _case("kibana", "good", w.kibana(), PASS),
    _case("kibana", "another-product", ES, _fail("KX502", WRONG), **CALM),
    _case("kibana", "elasticsearch-gone", w.kibana("critical"), _fail("KX709", STATE)),
    _case("kibana", "starting", w.web({}, w.http("503 Later", b"Kibana server is not ready yet")),
          LOADING),
    _case("kibana", "elsewhere", w.kibana(base="/kibana"), _fail("KX710", WRONG),
          expect={"path": "/logs"}),
    _case("apollo", "good", w.apollo(), PASS, expect={"app_id": "shop"}),
    _case("apollo", "another-product", w.web({"/": w.page({"kind": "other"})}),
          _fail("KX502", WRONG)),
    _case("apollo", "database-gone", w.apollo("DOWN"), _fail("KX709", STATE)),
    _case("apollo", "sends-to-the-dead", w.apollo(page_of="http://127.0.0.1:1/"),
          _fail("KX801", Culprit.CALLBACK)),
    _case("registry", "good", w.registry(), PASS, expect={"image": "shop/web:1"}, **CALM),
    _case("registry", "another-product", SITE, _fail("KX502", WRONG)),
    _case("registry", "wrong-password", w.registry(), REJECTED, login=BAD),
    _case("registry", "no-login", w.registry(), WANTS_LOGIN),
    _case("registry", "image-missing", w.registry(), _fail("KX703", STATE),
          expect={"image": "shop/web:2"}, **CALM),
    _case("registry", "sends-to-the-dead", w.registry(realm="http://127.0.0.1:1/token"),
          _fail("KX801", Culprit.CALLBACK), **CALM),
    # what only a bridge can be: unreachable by wish, and more than one address
    _case("redis", "kept-away", None, Verdict(Status.PASS, "KX318", Culprit.PATH), expect=AWAY),
    _case("redis", "not-kept-away", REDIS, _fail("KX317", Culprit.PATH), expect=AWAY, **CALM),
    _case("redis", "one-of-two-dead", REDIS, _fail("KX307", Culprit.SERVER_HOST), two=True, **CALM),
    _case("redis", "one-of-two-silent", REDIS, _fail("KX307", WRONG), two=True, beside=silent,
          timed=True, **CALM),
)  # fmt: skip

CASES: tuple[SelftestCase, ...] = (*_of_every_protocol(), *_logins(), *_certificates(), *OTHERS)
