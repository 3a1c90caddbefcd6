"""Any TCP service: who accepts, and what it says by itself.

Nothing is ever sent, so that nothing is said of servers that wait for their client: that somebody
accepts is all that a pass means. A proxy may accept for a server that is dead.
"""

from __future__ import annotations

from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Seen, WireCheck
from k8sext.agent.net.guess import product
from k8sext.model.fingerprint import Fingerprint
from k8sext.model.result import Json
from k8sext.model.secret import printable
from k8sext.model.words import Reason, Stage

LISTEN_S = 0.3
MYSQL = "annotate k8sext.io/protocol=mysql: a broken handshake counts against this address"


class PlainTcp(WireCheck):
    """Accepts; listens a moment; sends nothing."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="tcp",
        summary="any TCP service",
        proves="a connection is accepted; the protocol is not checked",
        stages=(Stage.RESOLVE, Stage.CONNECT),
        fingerprints=(  # of products without a check of their own
            Fingerprint(product="SSH", starts="SSH-"),
            Fingerprint(product="SMTP or FTP", starts="220 "),
            Fingerprint(product="NATS", starts="INFO {"),
            Fingerprint(product="VNC", starts="RFB "),
            Fingerprint(product="POP3", starts="+OK "),
            Fingerprint(product="IMAP", starts="* OK"),
            Fingerprint(product="rsync", starts="@RSYNCD"),
        ),
    )
    verify_needs_login = False

    async def handshake(self) -> Seen | None:
        """What the server says by itself within 0.3 s; None: it waits for its client."""
        self.stream.deadline = self.stream.sooner(LISTEN_S)
        try:
            said = await self.stream.read_some(64)
        except Fault as fault:
            if fault.reason is Reason.SILENT:
                return None
            raise
        if not said:
            raise Fault(Reason.CLOSED_EARLY, "the connection was accepted and closed at once")
        who = product(said, self.stream.fingerprints)
        evidence: dict[str, Json] = {**self.stream.first_bytes_fact()}
        line = said.splitlines()[0].decode("ascii", "replace") if who else ""
        if line.isprintable() and line.isascii():
            evidence["words"] = printable(line)
        hint = f" ({MYSQL})" if who.startswith("MySQL") else ""
        text = f"says {who}{hint}" if who else f"says {len(said)} bytes that tell no protocol"
        return Seen(detail=text, evidence=evidence)
