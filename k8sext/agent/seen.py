"""What a check is given and what it gives back: a login in, facts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from k8sext.model.data import dataclass
from k8sext.model.result import Facts, Json
from k8sext.model.secret import Secret
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

NAMES = ("username", "database", "vhost")


@dataclass(frozen=True, slots=True)
class Login:
    """The values of one credential, by our word for each (`username`, `password`, …).

    `hints` is what may be wrong with them, said without showing them (`credential_hints.py`);
    `hosts` are the hosts (`host` or `host:port`) that the Secret itself says it belongs to;
    `misread` says which clients would read its `uri` otherwise than we do (`misread.py`); `tls` is
    the least that a connection must have before it is sent, `hidden` are the names among its words
    that are not to be shown (`consent.py`).
    """

    values: Mapping[str, Secret]
    hints: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    misread: tuple[str, ...] = ()
    tls: TlsMode | None = None
    hidden: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must be masked; the names in a login are needed to see what is wrong with it."""
        shown = set(NAMES) - set(self.hidden)
        return tuple(v for word, v in self.values.items() if word not in shown)

    def get(self, word: str, default: str = "") -> str:
        """The value in clear; use it in the line that sends it."""
        secret = self.values.get(word)
        return secret.reveal() if secret else default


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Where a server sends its clients: `host:port` each, IPv6 in brackets (see `announced.py`).

    `vital`: a client cannot work without them, so that one that cannot be reached is a failure;
    otherwise a warning. `greet` False: what listens there may speak anything, connecting is enough.
    """

    addresses: tuple[str, ...]
    whom: str = "its clients"  # who is sent there: "cluster clients", "clients that sniff", …
    vital: bool = True
    greet: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An address that a system outside was told to call, and how it fared, as that system says.

    `state`: `up`, it has reached the address itself; `unwell`, it has, and did not get what it
    wants; `down`, it has tried and did not; `unknown`, it does not say. `error` is its own word,
    `age_s` the time since the last sign of life. `callers`, where several processes of that system
    call and fare differently: how each fares, by its address.
    """

    address: str  # host:port, IPv6 in brackets
    app: str = ""
    state: str = "unknown"
    error: str = ""
    age_s: float | None = None
    ours: bool = False  # the probe's own listener (`--reverse`)
    callers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Whom a system outside calls back (see `callbacks.py`): facts, judged with the cluster's.

    `setting` is how an application says under which address it is to be called, `inside` what else
    helps; both end up in a fix. `distinct`: each instance must have an address of its own.
    `expected`: the applications that the bridge expects: of others, what lies elsewhere only warns;
    None where the check does not tell one application from another.
    """

    entries: tuple[Registered, ...]
    caller: str  # "the Sentinel dashboard", "Prometheus"
    setting: str = ""
    inside: str = ""
    distinct: bool = True
    expected: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a step saw. With `warning`, the stage ends as a warning for that reason.

    `announced` and `callbacks` count in the verify step only: the runner looks at those addresses
    afterwards.
    """

    detail: str = ""
    evidence: Facts = field(default_factory=dict[str, Json])
    warning: Reason | None = None
    announced: Announced | None = None
    callbacks: Callbacks | None = None
