"""Any TCP service: who accepts, and what it says by itself."""

from __future__ import annotations

from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Seen, WireCheck
from k8sext.model.words import Reason, Stage

LISTEN_S = 0.3
# Beginnings of what servers say first; MySQL's greeting has its protocol number at byte 4.
_SPEAKERS = ((b"SSH-", "SSH"), (b"220 ", "SMTP or FTP"), (b"INFO {", "NATS"), (b"RFB ", "VNC"))


class PlainTcp(WireCheck):
    """Accepts; listens a moment; sends nothing."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="tcp",
        summary="any TCP service",
        proves="a connection is accepted; the protocol is not checked",
        stages=(Stage.RESOLVE, Stage.CONNECT),
    )
    verify_needs_login = False

    async def handshake(self) -> Seen | None:
        """What the server says by itself within 0.3 s."""
        self.stream.deadline = self.stream.sooner(LISTEN_S)
        try:
            said = await self.stream.read_some(64)
        except Fault as fault:
            if fault.reason is Reason.SILENT:
                return None
            raise
        if not said:
            raise Fault(Reason.CLOSED_EARLY, "the connection was accepted and closed at once")
        who = _speaker(said)
        return Seen(
            detail=f"says {who}" if who else f"says {len(said)} bytes of its own",
            evidence=self.stream.first_bytes_fact(),
        )


def _speaker(said: bytes) -> str:
    if said[4:5] == b"\x0a" and said[3:4] == b"\0":
        return "MySQL (annotate k8sext.io/protocol=mysql: a broken handshake counts against us)"
    return next((name for start, name in _SPEAKERS if said.startswith(start)), "")
