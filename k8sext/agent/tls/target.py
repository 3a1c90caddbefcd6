"""TLS of one target: as its TlsSpec asks, with evidence from handshakes that fail, too.

OpenSSL judges the chain, within the handshake; names, dates and strictness are judged here, from
the certificates themselves, so that the verdict is the same on every Python and no second
connection is made. What is only needed once TLS begins is imported then: pods compile each module.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from k8sext.agent.fault import Fault, fault_of
from k8sext.agent.net.stream import Note, Stream
from k8sext.model.plan import Target
from k8sext.model.result import Facts, Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Route

LISTEN_S = 0.05

if TYPE_CHECKING:
    from .client_pair import ClientPair
    from .der import Certificate
    from .handshake import TlsContext


class TlsMemory:
    """What a run knows of verifications: a server sees at most one that fails.

    Each failing one ends the connection, and servers count that (MariaDB:
    Aborted_connects_preauth). After the first, further connections to the same place accept any
    certificate and are judged by what is known of the chain that comes.
    """

    def __init__(self) -> None:
        self.chains: dict[str, tuple[Reason, str] | None] = {}  # None: it was verified
        self.places: dict[str, bool] = {}  # whether a verification failed there
        self.locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, places: Sequence[str], deadline: float | None) -> AsyncGenerator[bool]:
        """Within: whether this connection must not fail verification. The first place is its own.

        The first connection to a place goes alone; others wait for its outcome, but never for more
        than half of their own time: a slow server is not to be called dead for our manners.
        """
        lock = self.locks[places[0]]
        held = places[0] not in self.places and await _within_half(lock, deadline)
        try:
            yield any(self.places.get(place) for place in places)
        finally:
            if held:
                lock.release()


async def _within_half(lock: asyncio.Lock, deadline: float | None) -> bool:
    now = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(None if deadline is None else (now + deadline) / 2):
            return await lock.acquire()
    except TimeoutError:
        return False


class TargetTls:
    """Encrypts the stream of one target."""

    def __init__(
        self,
        target: Target,
        ca: str | None,
        mode: TlsMode | None = None,
        pair: ClientPair | None = None,
        memory: TlsMemory | None = None,
    ) -> None:
        self.target, self.ca, self.pair = target, ca, pair
        self.mode = target.tls.mode or mode
        self.memory = memory or TlsMemory()
        self.pair_problem = ""
        self.context: TlsContext | None = None
        self.received_before = 0
        self.reached = TlsMode.REQUIRE

    # -- what is asked for ----------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The names of which one must be in the certificate.

        What the bridge says; else the outside name where it is dialled itself; else any of the
        names that applications use for the bridge.
        """
        if self.target.tls.server_name:
            return (self.target.tls.server_name,)
        outside = (*self.target.outside_names, "")
        bridge = tuple(name for name in self.target.tls_names if name not in outside)
        return (self.target.host,) if self.target.route is Route.ORIGIN or not bridge else bridge

    @property
    def server_name(self) -> str:
        """What is sent as SNI."""
        return self.names[0].removesuffix(".")

    @property
    def wants_chain(self) -> bool:
        """Whether the chain is verified: asked for, or there is a CA to verify it with."""
        return self.mode is TlsMode.VERIFY_FULL or bool(self.ca or self.target.tls.ca_secret)

    @property
    def wants_name(self) -> bool:
        """Whether a name must fit. `require` with a CA is libpq's: the chain alone."""
        return self.wants_chain and self.target.tls.mode is not TlsMode.REQUIRE

    @property
    def _ca_problem(self) -> str:
        spec = self.target.tls
        if spec.ca_secret and self.ca is None:
            return f"there is no CA to verify it with: Secret {spec.ca_secret} has no {spec.ca_key}"
        return ""

    # -- the handshake --------------------------------------------------------------------------

    async def start(self, stream: Stream) -> Facts:
        """Upgrade. Raises Fault with the reason and what the certificate said."""
        self.reached = TlsMode.REQUIRE
        early = await stream.waiting()
        if early:
            why = "the server speaks in clear text before the TLS handshake"
            raise _clear_text(why, early, stream)
        self._check_server_name()
        if not self.wants_chain or self._ca_problem:
            await self._handshake(stream, verify=False)
            return self._judge(stream, verified=False)
        places = self._places(stream)
        # An endpoint is itself; a virtual address may lead to any that failed before.
        leads_to = places[:1] if self.target.route is Route.ENDPOINT else places
        async with self.memory.turn(leads_to, stream.deadline) as quiet:
            try:
                await self._handshake(stream, verify=not quiet)
            except ssl.SSLCertVerificationError as error:
                self.memory.places.update(dict.fromkeys(places, True))
                raise self._unverified(error) from error
            self.memory.places.setdefault(places[0], False)
        if quiet:
            self._recall()
        else:
            self.memory.chains[self._fingerprint()] = None
        return self._judge(stream, verified=True)

    def _check_server_name(self) -> None:
        try:
            usable = self.server_name.encode("idna")
        except UnicodeError:
            usable = b""
        if not usable or usable.startswith(b"."):
            raise Fault(Reason.TLS_FAILED, f"{self.server_name!r} cannot be asked for as a name")

    def forget(self) -> None:
        """The connection is over."""
        if self.context:
            self.context.forget()

    async def _handshake(self, stream: Stream, *, verify: bool) -> None:
        from .handshake import TlsContext

        assert stream.writer is not None
        self.received_before = stream.received
        self.forget()
        try:
            self.context = context = TlsContext.make(self.ca, verify=verify)
        except (ssl.SSLError, ValueError, TypeError) as error:
            spec = self.target.tls
            said = f"{spec.ca_key} of Secret {spec.ca_secret} is not a CA certificate in PEM form"
            raise Fault(Reason.CERTIFICATE_UNTRUSTED, said) from error
        if self.pair:
            self.pair_problem = self.pair.load(context)
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(stream.deadline):
                await stream.writer.start_tls(context, server_hostname=self.server_name)
                await self._listen(stream, asyncio.get_running_loop().time() - began)
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError as error:
            raise self._unanswered(stream) from error
        except OSError as error:
            raise self.fault(error, stream) from error

    async def _listen(self, stream: Stream, took: float) -> None:
        """Time for the alert of a TLS 1.3 server that judges our certificate after the handshake.

        What is sent before it comes would make the server's kernel throw the alert away (RFC 1122
        section 4.2.2.13). The alert takes a round trip, and so did the handshake.
        """
        assert self.context is not None
        if not self.context.asked_for_certificate:
            return
        end = asyncio.get_running_loop().time() + min(max(3 * took, LISTEN_S), 1.0)
        while asyncio.get_running_loop().time() < end and not self.context.let_in:
            if stream.broken:
                raise stream.broken
            await asyncio.sleep(0.005)

    def _unanswered(self, stream: Stream) -> Fault:
        assert self.context is not None
        if self.context.first_bytes or stream.received:
            return Fault(Reason.TIMED_OUT, "the TLS handshake stalls", **self._facts())
        return Fault(Reason.SILENT, "the TLS handshake is not answered")

    # -- what went wrong ------------------------------------------------------------------------

    def fault(self, error: OSError, stream: Stream) -> Fault:
        """The Fault for an error in the handshake, or in the first read after it.

        TLS 1.3 servers judge the client's certificate after the client is through.
        """
        from .handshake import is_tls

        context = self.context
        first = context.first_bytes if context else b""
        if not is_tls(first):
            return _clear_text("the answer to the TLS handshake is not TLS", first, stream)
        word = (error.reason or str(error)) if isinstance(error, ssl.SSLError) else ""
        ours = self._about_our_certificate(word, stream)
        if ours:
            return Fault(
                Reason.CLIENT_CERTIFICATE_REQUIRED, ours, **self._facts(), words=word or "closed"
            )
        if word:
            from .words import alert

            said = alert(word, self.server_name)
            return Fault(Reason.TLS_FAILED, said, **self._facts(), words=word)
        if stream.encrypted:
            return fault_of(error)
        said = "the server ends the connection in the TLS handshake"
        plain = "" if first else ", without a byte: a port without TLS may do that"
        return Fault(Reason.TLS_FAILED, said + plain, **self._facts())

    def _about_our_certificate(self, word: str, stream: Stream) -> str:
        """The sentence, where the connection ended for the client's certificate; else ""."""
        from .words import about_ours

        said = about_ours(word)
        asked = bool(self.context and self.context.asked_for_certificate)
        presented = self.pair is not None and not self.pair_problem
        if said and presented and self.pair:
            names = " and ".join(self.pair.names)
            return f"the server refuses {names} of Secret {self.pair.secret}: {said}"
        if presented or stream.received > self.received_before:
            return ""
        if said.startswith("none") or (asked and (said or "ALERT_HANDSHAKE_FAILURE" in word)):
            return f"the server wants one and {self._why_none()}"
        if asked and not word:
            return f"the server asked for one and ended the connection; {self._why_none()}"
        return ""

    def _why_none(self) -> str:
        if self.pair:
            return f"that of Secret {self.pair.secret} cannot be used: {self.pair_problem}"
        return "none is configured"

    def _unverified(self, error: ssl.SSLCertVerificationError) -> Fault:
        from . import words as tls_words

        said = tls_words.unverified(
            error.verify_code, error.verify_message, self._chain(), self._trusted()
        )
        reason = tls_words.VERIFY.get(error.verify_code, Reason.CERTIFICATE_UNTRUSTED)
        self.memory.chains[self._fingerprint()] = (reason, said)
        return Fault(
            reason,
            said,
            **self._facts(verified=False),
            words=error.verify_message,
            code=str(error.verify_code),
        )

    def _recall(self) -> None:
        """Judge a chain that was accepted unseen by what an earlier connection learnt of it."""
        unknown = (
            Reason.CERTIFICATE_UNTRUSTED,
            "it is another one than on the route where verification failed, and was not verified "
            "again: servers count failing handshakes",
        )
        known = self.memory.chains.get(self._fingerprint(), unknown)
        if known:
            reason, said = known
            facts = self._facts(verified=False)
            raise Fault(reason, said, **facts, words="as on an earlier connection")

    # -- what was seen --------------------------------------------------------------------------

    def _judge(self, stream: Stream, *, verified: bool) -> Facts:
        """Name, dates and strictness of what the handshake accepted. Sets the stream's note."""
        facts = self._facts(verified=verified)
        chain = self._chain()
        if self._ca_problem:
            raise Fault(Reason.CERTIFICATE_UNTRUSTED, self._ca_problem, **facts)
        if not chain:
            return facts
        if self.wants_name and not any(self._fits(chain[0], name) for name in self.names):
            said = self._other_names(chain[0])
            raise Fault(Reason.CERTIFICATE_NAME_MISMATCH, said, **facts)
        if verified and self.wants_name:
            self.reached = TlsMode.VERIFY_FULL
        stream.tls_note = self._note(chain[0], verified=verified)
        return facts

    def _note(self, leaf: Certificate, *, verified: bool) -> Note:
        from . import strict
        from . import words as tls_words

        now = time.time()
        said = tls_words.expiry(leaf, now)
        unseen = "" if verified else "; nothing verifies it here"
        if leaf.not_after < now:
            return Note(Reason.CERTIFICATE_EXPIRED, said + unseen)
        if leaf.not_before > now:
            begins = tls_words.stamp(leaf.not_before)
            return Note(Reason.CERTIFICATE_NOT_YET_VALID, f"it begins on {begins}{unseen}")
        if leaf.not_after - now < tls_words.SOON_DAYS * tls_words.DAY:
            return Note(Reason.CERTIFICATE_EXPIRES_SOON, said)
        broken = strict.faults(self._parsed(self.context.verified_chain())) if self.context else []
        if verified and broken:
            return Note(Reason.CERTIFICATE_STRICT_ONLY, "; ".join(broken))
        return Note(None, "")

    def _other_names(self, leaf: Certificate) -> str:
        from .names import only_by_common_name
        from .words import listed

        there = listed([*leaf.names, *leaf.addresses]) or "no names at all"
        others = f" (or {', '.join(self.names[1:])})" if self.names[1:] else ""
        said = f"it has {there}; applications ask for {self.names[0]}{others}"
        matching = [name for name in self.target.tls_names if self._fits(leaf, name)]
        if matching:
            return f"{said}; {matching[0]} would fit"
        if any(only_by_common_name(leaf, name) for name in (*self.names, *self.target.tls_names)):
            return f"{said}; its common name {leaf.common_name} fits, which clients do not look at"
        return said

    @staticmethod
    def _fits(leaf: Certificate, name: str) -> bool:
        from .names import fits

        return fits(leaf, name)

    def _facts(self, *, verified: bool = False) -> dict[str, Json]:
        """What is known of the connection and its certificates; grows as the handshake does."""
        from . import words as tls_words

        facts: dict[str, Json] = {"server_name": self.server_name}
        handle = self.context.handle if self.context else None
        cipher = handle.cipher() if handle else None
        if handle and cipher:
            facts["tls"], facts["cipher"] = handle.version() or cipher[1], cipher[0]
        if self.context and self.context.asked_for_certificate:
            presented = self.pair is not None and not self.pair_problem
            facts["client_certificate"] = "presented" if presented else self._why_none()
        chain = self._chain()
        if not chain:
            return facts
        leaf = chain[0]
        named = dict.fromkeys((*self.names, *self.target.tls_names))
        told: dict[str, Json] = {
            "subject": leaf.subject,
            "issuer": leaf.issuer,
            "serial": f"{leaf.serial:x}",
            "names": [*(*leaf.names, *leaf.addresses)[: tls_words.MAX_NAMES]],
            "matching": [name for name in named if self._fits(leaf, name)],
            "not_before": tls_words.stamp(leaf.not_before),
            "not_after": tls_words.stamp(leaf.not_after),
            "days_left": int((leaf.not_after - time.time()) // tls_words.DAY),
            "chain": len(self.context.chain()) if self.context else 0,
            "verified": verified,
        }
        return facts | told

    def _chain(self) -> list[Certificate]:
        return self._parsed(self.context.chain()) if self.context else []

    @staticmethod
    def _parsed(chain: Sequence[bytes]) -> list[Certificate]:
        """Up to the first that cannot be read: OpenSSL takes more than DER allows."""
        from . import der

        found: list[Certificate] = []
        try:
            found.extend(der.read(data) for data in chain)
        except ValueError:
            pass
        return found

    def _trusted(self) -> str:
        """Who is trusted, where that is a list of one's own and short."""
        if not self.ca or not self.context:
            return ""
        names = [c.subject for c in self._parsed(self.context.get_ca_certs(binary_form=True)[:4])]
        return ", ".join(names) or "no CA at all"

    # -- keys of the memory ---------------------------------------------------------------------

    def _places(self, stream: Stream) -> list[str]:
        """Where this connection leads: its address, and behind a virtual one the whole server."""
        about = hashlib.sha256((self.ca or "").encode()).hexdigest()
        behind = [self.target.server] if self.target.server else []
        return [f"{place} {about}" for place in (stream.peer, *behind)]

    def _fingerprint(self) -> str:
        chain = self.context.chain() if self.context else []
        return hashlib.sha256(b"".join((*chain, (self.ca or "").encode()))).hexdigest()


def _clear_text(why: str, first: bytes, stream: Stream) -> Fault:
    from k8sext.agent.net.guess import with_product

    said = with_product(why, first, stream.fingerprints)
    return Fault(Reason.TLS_NOT_OFFERED, said, first_bytes=first.hex())
