"""What a wire check is: a description, and up to five steps over one connection.

A check file under `checks/protocols/` defines one subclass of `WireCheck`. The stage runner
(`stages.py`) resolves and connects, then calls the steps in `order`; a step returns what it saw or
raises `Fault`. No step opens, closes or times a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from k8sext.model.data import dataclass
from k8sext.model.fingerprint import Fingerprint
from k8sext.model.plan import Target
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

from .expect import Key
from .fault import Fault
from .seen import Announced, Callbacks, Login, Registered, Seen

if TYPE_CHECKING:  # what a check says of itself is read without asyncio (`k8sext list`)
    from k8sext.agent.net.stream import Stream

__all__ = [
    "Announced", "Callbacks", "CheckInfo", "Checks", "Fault", "Fingerprint", "Key", "Login",
    "Registered", "Seen", "WireCheck",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInfo:
    """What a user can know of a check without running it (`k8sext checks`).

    `port_names` and `service_names` are words that infer the protocol (whole words between dashes
    and dots), `app_protocols` are values of `appProtocol`. `credential_keys` are our words, each
    with the aliases under which Secrets in the wild hold it. `expects` declares the keys of
    `k8sext.io/expect` (expect.py): a check finds in `target.expect` only what fits them.
    """

    name: str
    summary: str
    proves: str  # what a passed verify stage means, one line
    ports: tuple[int, ...] = ()
    port_names: tuple[str, ...] = ()
    service_names: tuple[str, ...] = ()
    app_protocols: tuple[str, ...] = ()
    credential_keys: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    stages: tuple[Stage, ...] = tuple(Stage)
    expects: Mapping[str, Key | str] = field(default_factory=dict[str, Key | str])
    active: str = ""  # what --active adds
    server_speaks_first: bool = False
    shipped: tuple[tuple[str, str], ...] = ()  # logins that new installations have: user, password
    fingerprints: tuple[Fingerprint, ...] = ()  # by which other checks recognise the product


class Around(Protocol):
    """What lies beside a check's own target."""

    def elsewhere(
        self, check: WireCheck, address: str, mode: TlsMode
    ) -> AbstractAsyncContextManager[Stream]:
        """See `WireCheck.elsewhere`."""
        ...

    def visit(self, check: WireCheck, key: str) -> AbstractAsyncContextManager[WireCheck]:
        """See `WireCheck.visit`."""
        ...

    async def consents(self, check: WireCheck, name: str) -> bool:
        """See `WireCheck.consents`."""
        ...


class WireCheck:
    """One run of one check over one open connection; state between steps lives on the instance."""

    info: ClassVar[CheckInfo]
    order: ClassVar[tuple[Stage, ...]] = (Stage.TLS, Stage.HANDSHAKE, Stage.AUTH, Stage.VERIFY)
    verify_needs_login: ClassVar[bool] = True
    default_tls: ClassVar[TlsMode] = TlsMode.DISABLE  # where the bridge says nothing
    patience_s: ClassVar[float] = 0.0  # for verify in addition: the server waits for others itself

    def __init__(self, target: Target, stream: Stream) -> None:
        self.target = target
        self.stream = stream
        self.login: Login | None = None  # set before the first step: some protocols begin with it
        self.around: Around | None = None  # set by the runner

    def shipped_login(self, login: Login) -> bool:
        """Whether a login is one that every new installation of the product has."""
        return (login.get("username"), login.get("password")) in self.info.shipped

    @property
    def login_sent(self) -> bool:
        """Whether the server has been sent a login: only then can one lack a right."""
        return self.login is not None

    def visit(self, key: str) -> AbstractAsyncContextManager[WireCheck]:
        """The check of the bridge that `expect` names under `key` (kind `bridge`): connected,
        greeted and logged in; left politely at the end of the block. Raises Fault
        (COMPANION_FAILED) where that bridge does not get so far.
        """
        assert self.around is not None
        return self.around.visit(self, key)

    def elsewhere(self, address: str, mode: TlsMode) -> AbstractAsyncContextManager[Stream]:
        """A connection to another server, `host:port`, that this check's own has named, for one
        question that cannot be asked here; a certificate is verified by the bridge's authority and
        for that host. Raises Fault (ANNOUNCED_UNREACHABLE, CERTIFICATE_…, VANTAGE_UNPROVEN).
        """
        assert self.around is not None
        return self.around.elsewhere(self, address, mode)

    async def consents(self, name: str) -> bool:
        """Whether the check's login may go where a name of its bridge leads: to another connection
        than its own, which `elsewhere` makes.
        """
        assert self.around is not None
        return await self.around.consents(self, name)

    @property
    def tls_mode(self) -> TlsMode:
        """What the bridge asks for, else what the protocol's clients do."""
        return self.target.tls.mode or self.default_tls

    @property
    def password_in_clear(self) -> Reason | None:
        """The warning that a login just sent deserves: it went in clear text, and the bridge does
        not say that this is meant.
        """
        meant = self.target.tls.mode is TlsMode.DISABLE
        return None if self.stream.encrypted or meant else Reason.PASSWORD_IN_CLEAR

    async def tls(self) -> Seen | None:
        """Encrypt; None where TLS is not wanted. Protocols that upgrade in place override this."""
        if self.tls_mode is TlsMode.DISABLE:
            return None
        return Seen(evidence=await self.stream.start_tls())

    async def handshake(self) -> Seen | None:
        """The first exchange that only this protocol answers. None: nothing to do."""
        return None

    async def auth(self, login: Login | None) -> Seen | None:
        """Log in. With `login` None: None if the server asks for nothing, else a Fault
        (AUTH_REQUIRED). At most one attempt; AUTH_REJECTED stops all further logins with it.
        """
        return None

    async def verify(self) -> Seen | None:
        """Ask one thing that proves the service works: version, role, state, expectations."""
        return None

    async def goodbye(self) -> None:
        """Leave as a well-behaved client does. Called whatever happened after connect."""


Checks: TypeAlias = Mapping[str, type[WireCheck]]  # by protocol
