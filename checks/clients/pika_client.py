"""RabbitMQ by pika's BlockingConnection.

The phase shows in the exception's class only; the broker's number and words are in its text.
"""

from __future__ import annotations

import contextlib
import logging
import re
from typing import Any, ClassVar

from k8sext import __version__
from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes, network_fault
from k8sext.model.words import Reason, Stage

_CLOSE = re.compile(r"\((\d{3})\)\s*(?:'([^']*)'|\"([^\"]*)\"|(.*))")


class PikaClient(ClientProbe):
    """BlockingConnection, a channel, close."""

    info: ClassVar[ClientInfo] = ClientInfo(driver="pika", package="pika", protocols=("rabbitmq",))

    def look(self, dial: Dial, notes: Notes) -> None:
        """One attempt at one address."""
        import pika

        logging.getLogger("pika").setLevel(logging.CRITICAL + 1)  # it logs what it raises
        context = dial.context()
        parameters = pika.ConnectionParameters(
            host=dial.host,
            port=dial.port,
            virtual_host=dial.get("vhost") or "/",
            credentials=pika.PlainCredentials(
                dial.get("username", "guest"), dial.get("password"), erase_on_connect=True
            ),
            connection_attempts=1,
            retry_delay=0,
            socket_timeout=dial.seconds,
            stack_timeout=dial.seconds,
            blocked_connection_timeout=dial.seconds,
            ssl_options=pika.SSLOptions(context, dial.server_name) if context else None,
            client_properties={
                "product": "k8sext", "version": __version__, "connection_name": "k8sext client",
            },
        )  # fmt: skip
        connection = pika.BlockingConnection(parameters)
        with contextlib.closing(connection):
            if context is None:
                notes.skipped(Stage.TLS, Reason.NOT_APPLICABLE)
            encrypted = [Stage.TLS] if context else []
            notes.passed(
                Stage.CONNECT, *encrypted, Stage.HANDSHAKE, Stage.AUTH,
                detail=f"vhost {dial.get('vhost') or '/'}",
            )  # fmt: skip
            connection.channel()
            notes.passed(Stage.VERIFY, detail="channel opened")

    def fault_for(self, error: Exception) -> Fault | None:
        """The broker's own close, wherever pika keeps it, else what lies below."""
        import pika.exceptions as errors

        # Those of its connection workflow have no class in common with the rest.
        if not type(error).__module__.startswith("pika."):
            return network_fault(error)
        words = _words(error)
        closed = _CLOSE.search(words)
        if closed:
            said = next(g for g in closed.groups()[1:] if g is not None)
            return _closed(int(closed[1]), said)
        below = network_fault(error)
        if below:
            return below
        if isinstance(error, errors.IncompatibleProtocolError | errors.ProtocolSyntaxError):
            return Fault(Reason.WRONG_PROTOCOL, words, words=words)
        if "imeout" in words:
            return Fault(Reason.TIMED_OUT, words, words=words)
        return Fault(Reason.CLOSED_EARLY, words, words=words)


def _words(error: Any) -> str:
    """pika nests errors in `args`; many have no text of their own."""
    nested = [getattr(a, "exception", a) for a in error.args if not isinstance(a, str | int)]
    parts = [str(error) or repr(error), *(repr(n) for n in nested)]
    return "; ".join(dict.fromkeys(p for p in parts if p))


def _closed(code: int, words: str) -> Fault:
    """connection.close: 403 at the login, 530 for the virtual host, else an error of the broker."""
    lower = words.lower()
    reason = Reason.SERVER_ERROR
    if "loopback" in lower or "localhost" in lower:
        reason = Reason.LOOPBACK_ONLY_USER
    elif code == 403:
        reason = Reason.PERMISSION_DENIED if "access to " in lower else Reason.AUTH_REJECTED
    elif code == 530 and "not found" in lower:
        reason = Reason.VHOST_MISSING
    elif code == 530:
        full = "limit" in lower
        reason = Reason.TOO_MANY_CONNECTIONS if full else Reason.PERMISSION_DENIED
    return Fault(reason, words, words=words, code=str(code))
