"""Verdicts on TLS servers of every kind: one table, run under several Pythons.

Needs only the standard library and the agent, so that it can run beside the shipped archive:
`python -I -S tls_table.py ARCHIVE FOLDER` prints the verdicts as JSON. FOLDER: `certificates.make`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

from k8sext.agent.login.credentials import GivenValues
from k8sext.agent.main import load_checks
from k8sext.agent.run.runner import Runner
from k8sext.model.fingerprint import Fingerprint
from k8sext.model.plan import Budget, Plan, Target
from k8sext.model.result import Observation
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode, TlsSpec
from k8sext.model.words import Route, Status

BRIDGE = ("redis-svc", "redis-svc.dev", "redis-svc.dev.svc", "redis-svc.dev.svc.cluster.local")
OUTSIDE = "redis.corp.example"
Plain = Callable[[socket.socket], None]
Setting = Callable[[ssl.SSLContext], None]


@dataclass(frozen=True)
class Case:
    """A server, how it is asked, and what must be said."""

    name: str
    ends: str  # status and reason of the stage that decides, e.g. "fail certificate_expired"
    says: str = ""  # part of its sentence
    certificate: str = "good"
    mode: TlsMode | None = TlsMode.VERIFY_FULL
    ca: str | None = "ca"  # a file of the folder; "" for none asked for, None for a missing Secret
    server_name: str = ""
    pair: tuple[str, str] | None = None  # certificate and key files of the client
    setting: Setting | None = None
    plain: Plain | None = None  # a server without TLS
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stage_s: float = 8.0  # machines are busy; short where the time-out is what is looked at


def wants_client(version: ssl.TLSVersion) -> Setting:
    """A server that wants a client certificate of its CA."""

    def setting(context: ssl.SSLContext) -> None:
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED

    return setting


def old(context: ssl.SSLContext) -> None:
    """TLS 1.0 and nothing newer."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # Python calls it deprecated; servers have it
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1


def odd_cipher(context: ssl.SSLContext) -> None:
    """Only a cipher that no client offers: one without encryption."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0")


def picky(context: ssl.SSLContext) -> None:
    """Serves none of the names it is asked for."""
    context.sni_callback = lambda *_: ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def greets(connection: socket.socket) -> None:
    connection.sendall(b"\x4a\0\0\0\x0a5.5.5-10.11.6-MariaDB\0")
    connection.recv(4096)


def speaks_http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def closes(connection: socket.socket) -> None:
    connection.recv(4096)


def resets(connection: socket.socket) -> None:
    connection.recv(16)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def alerts(connection: socket.socket) -> None:
    """What a TLS server says to clear text; bytes left unread make the close a reset."""
    connection.recv(4)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x0a")


def stalls(connection: socket.socket) -> None:
    """The first bytes of a ServerHello, and no more."""
    connection.recv(4096)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
    silent(connection)


REQUIRE = TlsMode.REQUIRE
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WANTED = "fail client_certificate_required"
CASES = (
    Case(
        "good",
        "pass",
        facts={
            "verified": True,
            "chain": 1,
            "matching": [BRIDGE[0]],
            "names": ["redis-svc"],
            "issuer": "test-ca",
            "days_left": 364,
        },
    ),
    Case(
        "expired",
        "fail certificate_expired",
        "12 days ago",
        "expired",
        facts={"verified": False, "names": ["redis-svc"], "days_left": -13},
    ),
    Case("not yet valid", "fail certificate_not_yet_valid", "days from now; the clock", "future"),
    Case(
        "wrong name",
        "fail certificate_name_mismatch",
        "it has other.example, 192.0.2.7",
        "wrong-name",
        facts={"verified": True, "matching": []},
    ),
    Case(
        "outside name",
        "fail certificate_name_mismatch",
        f"{OUTSIDE} would fit",
        "outside",
        facts={"matching": [OUTSIDE]},
    ),
    Case("outside name asked for", "pass", "", "outside", server_name=OUTSIDE),
    Case("wildcard", "pass", "", "wildcard", facts={"matching": [BRIDGE[3]]}),
    Case(
        "wildcard for two labels",
        "fail certificate_name_mismatch",
        "*.svc.cluster.local",
        "wildcard-high",
    ),
    Case("address", "pass", "", "address", server_name="127.0.0.1"),
    Case(
        "another address",
        "fail certificate_name_mismatch",
        "it has 127.0.0.1",
        "address",
        server_name="127.0.0.2",
    ),
    Case(
        "common name only",
        "fail certificate_name_mismatch",
        "common name redis-svc fits",
        "cn-only",
    ),
    Case("self-signed", "fail certificate_untrusted", "self-signed", "self-signed"),
    Case(
        "unknown CA",
        "fail certificate_untrusted",
        "ends at 'other-ca', which is not trusted here",
        "unknown-ca",
    ),
    Case(
        "unknown root in chain",
        "fail certificate_untrusted",
        "leads to the root 'other-ca'",
        "with-root",
        facts={"chain": 2},
    ),
    Case("missing intermediate", "fail certificate_untrusted", "holds back", "no-intermediate"),
    Case("with intermediate", "pass", "", "with-intermediate", facts={"chain": 2}),
    Case(
        "CA is only the intermediate",
        "fail certificate_untrusted",
        "itself issued by a CA",
        "with-intermediate",
        ca="intermediate",
    ),
    Case("ends in 10 days", "warn certificate_expires_soon", "9 days from now", "ending"),
    Case(
        "ends in 10 days, unverified",
        "warn certificate_expires_soon",
        "",
        "ending",
        mode=REQUIRE,
        ca="",
    ),
    Case(
        "expired, unverified",
        "warn certificate_expired",
        "nothing verifies it",
        "expired",
        mode=REQUIRE,
        ca="",
        facts={"verified": False},
    ),
    Case("future, unverified", "warn certificate_not_yet_valid", "", "future", mode=REQUIRE, ca=""),
    Case(
        "self-signed, unverified",
        "pass",
        "",
        "self-signed",
        mode=REQUIRE,
        ca="",
        facts={"verified": False},
    ),
    Case(
        "require with a CA looks at the chain",
        "fail certificate_untrusted",
        "",
        "self-signed",
        mode=REQUIRE,
    ),
    Case("require with a CA overlooks the name", "pass", "", "wrong-name", mode=REQUIRE),
    Case(
        "strict only: CA without key usage",
        "warn certificate_strict_only",
        "without key usage",
        "strict-usage",
        ca="strict-usage-ca",
    ),
    Case(
        "strict only: no key identifiers",
        "warn certificate_strict_only",
        "no authority key identifier",
        "strict-keys",
    ),
    Case("system CAs do not know it", "fail certificate_untrusted", "", ca=""),
    Case("the CA's Secret is missing", "fail certificate_untrusted", "no CA to verify", ca=None),
    Case("the CA is not one", "fail certificate_untrusted", "not a CA certificate", ca="broken"),
    Case("client certificate, 1.2", WANTED, "none is configured", setting=wants_client(V12)),
    Case("client certificate, 1.3", WANTED, "none is configured", setting=wants_client(V13)),
    Case(
        "client certificate given, 1.2",
        "pass",
        pair=("client", "client"),
        setting=wants_client(V12),
        facts={"client_certificate": "presented"},
    ),
    Case(
        "client certificate given, 1.3",
        "pass",
        pair=("client", "client"),
        setting=wants_client(V13),
        facts={"client_certificate": "presented"},
    ),
    Case(
        "client certificate of another CA, 1.2",
        WANTED,
        "its CA is not one",
        pair=("unknown-ca", "unknown-ca"),
        setting=wants_client(V12),
    ),
    Case(
        "client certificate of another CA, 1.3",
        WANTED,
        "its CA is not one",
        pair=("unknown-ca", "unknown-ca"),
        setting=wants_client(V13),
    ),
    Case(
        "client key of another certificate",
        WANTED,
        "tls.key is not the key of tls.crt",
        pair=("client", "good"),
        setting=wants_client(V13),
    ),
    Case(
        "client key is none",
        WANTED,
        "not PEM",
        pair=("client", "broken"),
        setting=wants_client(V12),
    ),
    Case("client key is none and nobody asks", "pass", pair=("client", "broken")),
    Case("TLS 1.0", "fail tls_failed", "TLS versions", setting=old),
    Case("no common cipher", "fail tls_failed", "none of the ciphers", setting=odd_cipher),
    Case("name not served", "fail tls_failed", "does not serve the name redis-svc", setting=picky),
    Case("name that is none", "fail tls_failed", "cannot be asked for", server_name="a..b"),
    Case("greets in clear text", "fail tls_not_offered", "MySQL or MariaDB", plain=greets),
    Case(
        "answers in clear text",
        "fail tls_not_offered",
        "this is HTTP",
        plain=speaks_http,
        facts={"first_bytes": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".hex()},
    ),
    Case("silent", "fail silent", "", plain=silent, stage_s=0.5),
    Case("stalls", "fail timed_out", "stalls", plain=stalls, stage_s=0.5),
    Case("closes", "fail tls_failed", "ends the connection", plain=closes),
    Case("resets", "fail tls_failed", "ends the connection", plain=resets),
    Case(
        "TLS where none is expected",
        "fail tls_required",
        "TLS alert",
        mode=TlsMode.DISABLE,
        ca="",
        plain=alerts,
    ),
)


class Server:
    """Answers any number of connections on loopback, each in its thread; counts broken ones."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.serve = serve
        self.failed = self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(8)
        try:
            self.serve(connection)
        except OSError:
            self.failed += 1
        finally:
            connection.close()

    def close(self) -> None:
        self.listener.close()


def redis_over_tls(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """PONG, a version, and OK to everything else."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            while data := stream.recv(4096):
                known = b"$20\r\nredis_version:7.0.15\r\n" if b"INFO" in data else b"+OK\r\n"
                stream.sendall(b"+PONG\r\n" if b"PING" in data else known)

    return serve


def server_context(case: Case, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{case.certificate}.crt", folder / f"{case.certificate}.key")
    if case.setting:
        case.setting(context)
    if context.verify_mode is ssl.CERT_REQUIRED:
        context.load_verify_locations(folder / "ca.crt")
    return context


def target_of(case: Case, port: int, **more: Any) -> Target:
    base: dict[str, Any] = {
        "id": "o1",
        "service": "redis-svc",
        "port_key": "redis",
        "protocol": "redis",
        "route": Route.ENDPOINT,
        "host": "127.0.0.1",
        "port": port,
        "server": f"127.0.0.1:{port}",
        "tls": TlsSpec(
            mode=case.mode,
            server_name=case.server_name,
            ca_secret="" if case.ca == "" else "ca-secret",
            ca_key="ca.crt",
        ),
        "tls_names": (*BRIDGE, OUTSIDE),
        "outside_names": (OUTSIDE,),
    }
    return Target(**{**base, **more})


def logins_of(case: Case, folder: Path) -> GivenValues:
    given: dict[str, dict[str, Secret]] = {}
    if case.ca:
        given["ca-secret"] = {"ca.crt": Secret((folder / f"{case.ca}.crt").read_text())}
    if case.pair:
        crt, key = (folder / f"{case.pair[0]}.crt", folder / f"{case.pair[1]}.key")
        files = {"tls.crt": Secret(crt.read_text()), "tls.key": Secret(key.read_text())}
        given["redis-svc"] = {**files, "password": Secret("canary-4711")}
    return GivenValues(given)


def probe(
    case: Case,
    folder: Path,
    targets: Callable[[int], tuple[Target, ...]] | None = None,
    server: Server | None = None,
) -> list[Observation]:
    """What the agent says of the case's server."""
    serve = case.plain or redis_over_tls(server_context(case, folder))
    own = server or Server(serve)
    budget = Budget(stage_s=case.stage_s, probe_s=30.0, run_s=40.0)
    made = targets(own.port) if targets else (target_of(case, own.port),)
    plan = Plan(
        run_id="t",
        namespace="dev",
        targets=made,
        modules=("redis",),
        budget=budget,
        fingerprints=(
            Fingerprint(product="MySQL or MariaDB", starts="\0\x0a", at=3),
            Fingerprint(product="HTTP", starts="HTTP/"),
        ),
    )
    seen: list[Observation] = []
    runner = Runner(plan, load_checks(plan.modules), logins_of(case, folder), seen.append)
    try:
        asyncio.run(runner.run())
    finally:
        if not server:
            own.close()
    return seen


def verdict(seen: Observation) -> dict[str, Any]:
    """The stage that decides: what ended the probe, else TLS's."""
    stage = seen.ended_by or next(s for s in seen.stages if s.stage == "tls")
    word = f"{stage.status} {stage.reason}" if stage.status is not Status.PASS else "pass"
    facts = {k: v for s in seen.stages for k, v in s.evidence.items()}
    return {"ends": word, "says": stage.detail, "facts": facts}


def verdicts(folder: Path) -> dict[str, Any]:
    """Every case's."""
    with ThreadPoolExecutor(4) as pool:
        seen = pool.map(lambda case: probe(case, folder)[0], CASES)
        return {case.name: verdict(one) for case, one in zip(CASES, seen, strict=True)}


if __name__ == "__main__":
    print(json.dumps({"python": sys.version.split()[0], "cases": verdicts(Path(sys.argv[2]))}))
