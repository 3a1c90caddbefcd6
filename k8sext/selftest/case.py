"""What a case of the self-test is: a bridge to stand-ins, and what must be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from k8sext.model.data import dataclass
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Stage, Status

from .servers import Talk


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a bridge: its status and, where there is one, the only diagnosis.

    `depth` is how far it was proved, where that is nothing to complain of.
    """

    status: Status
    code: str = ""
    culprit: str = ""
    depth: Stage | None = None

    def __str__(self) -> str:
        return " ".join(str(w) for w in (self.status, self.code, self.culprit, self._to) if w)

    @property
    def _to(self) -> str:
        return f"to {self.depth}" if self.depth else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestCase:
    """One bridge. `talk` None: nobody listens. `certificate` is a name in `CERTIFICATES`.

    With `wrapped`, TLS begins with the first byte; otherwise the stand-in is asked for it. With
    `two` the bridge has a second address, where `beside` talks. `timed`: its end is a matter of
    time, a deadline's or the stand-in's own.
    """

    id: str
    protocol: str
    talk: Talk | None
    want: Verdict
    login: Mapping[str, str] = field(default_factory=dict[str, str])
    certificate: str = ""
    wrapped: bool = False
    mode: TlsMode | None = None
    expect: Mapping[str, Json] = field(default_factory=dict[str, Json])
    two: bool = False
    beside: Talk | None = None
    timed: bool = False


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """A server's: valid from and to days from now, for a name, by the CA that is trusted or by
    another. With `asks` the server wants one of the client, too.
    """

    begins: float = -1
    ends: float = 365
    name: str = "*.selftest.svc"
    trusted: bool = True
    asks: bool = False


CERTIFICATES = {
    "good": ServedCertificate(),
    "expired": ServedCertificate(-100, -12.5),
    "not-yet": ServedCertificate(5.5),
    "ending": ServedCertificate(ends=10.5),
    "wrong-name": ServedCertificate(name="other.example"),
    "unknown-ca": ServedCertificate(trusted=False),
    "asks-for-ours": ServedCertificate(asks=True),
}
