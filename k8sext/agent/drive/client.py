"""What a client probe is: the driver that applications use, once, with its retries off.

A file under `checks/clients/` defines one subclass of `ClientProbe`. Its `look` runs in a thread of
its own, because drivers keep no deadlines; what it notes on the way is all the watchdog has when
the thread does not come back. Drivers are imported inside `look`, never with the file.
"""

from __future__ import annotations

import importlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import field
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

from k8sext.agent.check import Login
from k8sext.agent.fault import Fault, fault_of
from k8sext.model.data import dataclass
from k8sext.model.plan import is_address
from k8sext.model.result import Facts, Json, StageResult
from k8sext.model.scrub import shown
from k8sext.model.tls import TlsMode
from k8sext.model.words import STAGES, Reason, Stage, Status

if TYPE_CHECKING:
    from k8sext.agent.tls.client_pair import ClientPair

__all__ = ["ClientInfo", "ClientProbe", "Dial", "Fault", "NamedContext", "Notes", "network_fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """A driver: the module that is imported, the package that brings it, what it speaks.

    `failed_tls_counts`: the server counts handshakes that a client breaks off, against its host.
    `presents`: it takes a client certificate from memory. `chain_alone`: it can verify a chain
    without a name.
    """

    driver: str
    package: str
    protocols: tuple[str, ...]
    failed_tls_counts: bool = False
    presents: bool = True
    chain_alone: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Where a driver connects, under which name, as whom.

    `host` is what is dialled, a name or an address; `server_name` is what TLS and HTTP call the
    server: they differ wherever something (a relay, a file of addresses) stands for the name.
    `tls` is settled: no driver is left to try one way and then the other.
    """

    host: str
    port: int
    server_name: str
    protocol: str
    tls: TlsMode = TlsMode.DISABLE
    verified: bool = False  # whether the chain of certificates is
    named: bool = False  # whether the certificate must be for `server_name` as well
    ca: str | None = None
    pair: ClientPair | None = None
    login: Login | None = None
    expect: Facts = field(default_factory=dict[str, Json])
    seconds: float = 3.0  # what the driver is told to give one step
    reach: frozenset[str] | None = None  # where the login may go; None: it is seen to elsewhere

    @property
    def reached(self) -> TlsMode:
        """How well what it sends is protected: no driver that is told to encrypt goes on in clear,
        and none that is told to verify goes on unverified.
        """
        full = self.verified and self.named
        return TlsMode.VERIFY_FULL if full and self.tls is not TlsMode.DISABLE else self.tls

    def get(self, word: str, default: str = "") -> str:
        """A value of the login in clear; use it in the line that hands it over."""
        return self.login.get(word, default) if self.login else default

    def context(self) -> NamedContext | None:
        """A TLS context that insists on `server_name`; None where TLS is not wanted."""
        if self.tls is TlsMode.DISABLE:
            return None
        context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = self.server_name
        context.check_hostname = self.named
        if not self.verified:
            context.verify_mode = ssl.CERT_NONE
        elif self.ca:
            context.load_verify_locations(cadata=self.ca)
        else:
            context.load_default_certs()
        if self.pair:
            self.pair.load(context)
        context.sealed = True
        return context


class NamedContext(ssl.SSLContext):
    """Asks for one name, whatever address a driver has dialled, and knows whether it was used."""

    server_name = ""
    used = False
    sealed = False

    def load_verify_locations(self, *args: Any, **options: Any) -> None:
        """As SSLContext does, until it is sealed: urllib3 adds certifi's roots to any context."""
        if not self.sealed:
            super().load_verify_locations(*args, **options)

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As SSLContext does, for `server_name`."""
        self.used = True
        return super().wrap_socket(sock, *args, **{**options, "server_hostname": self.server_name})


# What the server has said itself, so that connecting and the first exchange had worked.
_SAID = frozenset({
    Reason.AUTH_REQUIRED, Reason.AUTH_REJECTED, Reason.AUTH_METHOD_UNSUPPORTED,
    Reason.ACCOUNT_LOCKED,
    Reason.LOOPBACK_ONLY_USER, Reason.PERMISSION_DENIED, Reason.PASSWORD_EXPIRED,
    Reason.DATABASE_MISSING, Reason.VHOST_MISSING,
})  # fmt: skip
# What follows from an answer, so that connecting had worked.
_ANSWERED = frozenset({
    Reason.WRONG_PROTOCOL, Reason.WRONG_PRODUCT, Reason.UNSUPPORTED_VERSION, Reason.SERVER_ERROR,
    Reason.UNHEALTHY, Reason.TOO_MANY_CONNECTIONS, Reason.LOADING, Reason.HOST_NOT_ALLOWED,
    Reason.LOCKED_OUT, Reason.PROTECTED_MODE, Reason.TLS_REQUIRED, Reason.CLOSED_EARLY,
})  # fmt: skip
_TLS = frozenset(r for r in Reason if r.value.startswith(("tls_", "certificate_", "client_cert")))
_NAMES = frozenset(r for r in Reason if r.value.startswith(("name_", "dns_")))
_CONNECT = frozenset({Reason.REFUSED, Reason.NO_ROUTE, Reason.NOT_PERMITTED})
_STAGES = (
    (Stage.RESOLVE, _NAMES),
    (Stage.CONNECT, _CONNECT),
    (Stage.TLS, _TLS - _ANSWERED),
    (Stage.HANDSHAKE, _ANSWERED),
    (Stage.AUTH, _SAID),
)


class Notes:
    """What one driver has proved so far: written by its thread, read by the watchdog."""

    def __init__(self, secrets: Login | None = None) -> None:
        self._secrets = secrets.secrets if secrets else ()
        self._lock = threading.Lock()
        self._done: dict[Stage, StageResult] = {}
        self._mark = time.monotonic()
        self._closed = False

    def passed(self, *stages: Stage, detail: str = "", **evidence: Json) -> None:
        """Stages that were passed, by one call of the driver: it stands with the last of them."""
        for stage in stages[:-1]:
            self._add(stage, Status.PASS, None, "", {}, timed=False)
        self._add(stages[-1], Status.PASS, None, detail, evidence)

    def skipped(self, stage: Stage, reason: Reason, detail: str = "") -> None:
        """A stage that was not run, or that the driver does not show."""
        self._add(stage, Status.SKIP, reason, detail, {}, timed=False)

    def failed(self, fault: Fault) -> None:
        """How it ended; the stage follows from the reason and from what was passed before."""
        ours = fault.reason in (Reason.INTERNAL_ERROR, Reason.OUT_OF_TIME)
        stage = self._stage_of(fault.reason)
        if fault.reason in _SAID or fault.reason in _ANSWERED:
            self._passed_unseen(stage)
        status = Status.INCONCLUSIVE if ours else Status.FAIL
        self._add(stage, status, fault.reason, fault.detail, fault.evidence)

    def unfinished(self, seconds: float) -> None:
        """The watchdog's word: the driver did not come back. Nothing is noted after it."""
        text = f"the driver did not come back within {seconds:.1f} s"
        stage = self._stage_of(Reason.TIMED_OUT)
        self._add(stage, Status.INCONCLUSIVE, Reason.TIMED_OUT, text, {})
        self.close()

    def close(self) -> None:
        """Take no more notes: a thread that was given up must not change a report."""
        with self._lock:
            self._closed = True

    def results(self) -> tuple[StageResult, ...]:
        """One result a stage. What the driver hides before its last word does not apply."""
        with self._lock:
            done = dict(self._done)
        last = max((STAGES.index(s) for s in done), default=-1)
        for number, stage in enumerate(STAGES):
            reason = Reason.NOT_APPLICABLE if number < last else Reason.NOT_REACHED
            done.setdefault(stage, StageResult(stage=stage, status=Status.SKIP, reason=reason))
        return tuple(done[stage] for stage in STAGES)

    def _stage_of(self, reason: Reason) -> Stage:
        wanted = next((stage for stage, reasons in _STAGES if reason in reasons), None)
        if wanted and wanted not in self._done:
            return wanted
        last = max((STAGES.index(s) for s in self._done), default=0)
        following = STAGES[min(last + 1, len(STAGES) - 1)]
        # A driver that has shown its connection and failed without TLS in play failed after it.
        return Stage.HANDSHAKE if following is Stage.TLS else following

    def _passed_unseen(self, stage: Stage) -> None:
        for before in (Stage.CONNECT, Stage.HANDSHAKE):
            if before not in self._done and STAGES.index(before) < STAGES.index(stage):
                self._add(before, Status.PASS, None, "", {}, timed=False)

    def _add(
        self,
        stage: Stage,
        status: Status,
        reason: Reason | None,
        detail: str,
        evidence: Mapping[str, Json],
        timed: bool = True,
    ) -> None:
        now = time.monotonic()
        result = StageResult(
            stage=stage,
            status=status,
            reason=reason,
            duration_s=round(now - self._mark, 6) if timed else 0.0,
            detail=self._clean(detail),
            evidence={k: self._clean_fact(v) for k, v in evidence.items()},
        )
        with self._lock:
            if not self._closed:
                self._done[stage] = result
        if timed:
            self._mark = now

    def _clean_fact(self, value: Json) -> Json:
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, list):
            return [self._clean_fact(v) for v in value]
        if isinstance(value, dict):
            return {self._clean(k): self._clean_fact(v) for k, v in value.items()}
        return value

    def _clean(self, text: str) -> str:
        return shown(text, self._secrets)


class ClientProbe:
    """One run of one driver."""

    info: ClassVar[ClientInfo]

    def name(self) -> str:
        """Driver and version as reports show it; without a version where it is not installed."""
        try:
            return f"{self.info.driver} {metadata.version(self.info.package)}"
        except metadata.PackageNotFoundError:
            return self.info.driver

    def load(self) -> None:
        """Import the driver, before any clock runs. Raises ImportError, or whatever it raises."""
        importlib.import_module(self.info.driver)

    def look(self, dial: Dial, notes: Notes) -> None:
        """Connect, log in, ask one harmless thing, leave. `dial.host` is an address by then.

        Raises Fault or the driver's own errors (see `fault_for`); ImportError without the driver.
        """
        raise NotImplementedError

    def fault_for(self, error: Exception) -> Fault | None:
        """What an error of the driver means; None where it says nothing of its own."""
        return None


# -- errors below the drivers ---------------------------------------------------------------------

# OpenSSL's X509_V_ERR numbers (openssl-verification-options).
_VERIFY = {
    9: Reason.CERTIFICATE_NOT_YET_VALID,
    10: Reason.CERTIFICATE_EXPIRED,
    62: Reason.CERTIFICATE_NAME_MISMATCH,
    64: Reason.CERTIFICATE_NAME_MISMATCH,
}
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAIL")


def network_fault(error: BaseException) -> Fault | None:
    """What TLS or the operating system said below a driver's error; None where neither did."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _tls_fault(cause)
    for cause in causes:
        if isinstance(cause, TimeoutError):
            return Fault(Reason.TIMED_OUT, "no answer in time")
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, socket.gaierror):
            return fault_of(cause)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies under it; some drivers keep causes in attributes of their own."""
    left, seen = [error], set[int]()
    while left and len(seen) < 20:
        here = left.pop(0)
        if id(here) in seen:
            continue
        seen.add(id(here))
        yield here
        kept: list[Any] = [here.__cause__, here.__context__, getattr(here, "reason", None)]
        for name in ("errors", "exceptions", "args"):
            value = getattr(here, name, ())
            kept += value if isinstance(value, tuple | list) else ()
        kept += [getattr(x, "exception", None) for x in kept]  # pika wraps them
        left += [x for x in kept if isinstance(x, BaseException)]


def _tls_fault(error: ssl.SSLError) -> Fault:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY.get(error.verify_code, Reason.CERTIFICATE_UNTRUSTED)
        return Fault(reason, error.verify_message, words=error.verify_message)
    name = error.reason or str(error)
    if name.startswith(_NOT_TLS):
        text = "the answer to the TLS handshake is not TLS"
        return Fault(Reason.TLS_NOT_OFFERED, text, words=name)
    if "CERTIFICATE_REQUIRED" in name:
        return Fault(Reason.CLIENT_CERTIFICATE_REQUIRED, name, words=name)
    return Fault(Reason.TLS_FAILED, name, words=name)


_BY_EAI = {
    socket.EAI_NONAME: Reason.NAME_NOT_FOUND,
    socket.EAI_NODATA: Reason.NAME_NO_ADDRESS,
    socket.EAI_AGAIN: Reason.DNS_SERVER_FAILURE,
}


def resolve(host: str, port: int, notes: Notes) -> str:
    """The first address that libc gives for a name. Raises Fault.

    Asked here and once, so that no driver goes through several addresses with its login.
    """
    if is_address(host):
        notes.skipped(Stage.RESOLVE, Reason.NOT_APPLICABLE)
        return host
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        reason = _BY_EAI.get(error.errno or 0, Reason.DNS_SERVER_FAILURE)
        raise Fault(reason, f"libc: {error.strerror}") from error
    except UnicodeError as error:
        raise Fault(Reason.NAME_NOT_A_NAME, f"{host} is not a name") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    notes.passed(Stage.RESOLVE, addresses=[*addresses])
    return addresses[0]
