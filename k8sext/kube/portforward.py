"""One connection to a port of a pod, through the API server and over a WebSocket.

`…/pods/NAME/portforward?ports=N`, subprotocol `v4.channel.k8s.io` (Kubernetes, pkg/kubelet/
portforward and pkg/apiserver wsstream): the first byte of a message is its channel, 0 for data and
1 for what goes wrong; the first message of each channel is the port, two bytes, little-endian.
The official client's stream takes quadratic time; this one carries as much as kubectl's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from k8sext.errors import K8sextError
from k8sext.model.secret import printable

from .session import Session

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

SUBPROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
OPEN_S = 10.0
CLOSE_S = 1.0
PIECE = 1 << 18
MAX_WORDS = 600
# Its debug lines have headers in them, logins and all; what matters comes as an exception.
_SILENT = logging.Logger("k8sext.websocket", logging.CRITICAL + 1)


class Forward:
    """Bytes to a pod's port and back. One reader and one writer at a time."""

    def __init__(self, socket: ClientConnection, port: int) -> None:
        self._socket, self._port = socket, port
        self._begun: set[int] = set()
        self.words = ""  # what the other side said had gone wrong

    async def send(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionError when the way is gone."""
        from websockets.exceptions import ConnectionClosed

        try:
            for at in range(0, len(data), PIECE):
                await self._socket.send(bytes([DATA]) + data[at : at + PIECE])
        except ConnectionClosed as error:
            raise ConnectionResetError(self._closing_words(error)) from None

    async def receive(self) -> bytes:
        """Some bytes; b"" at the end, of whatever kind: then `words` may tell."""
        from websockets.exceptions import ConnectionClosed

        while True:
            try:
                message = await self._socket.recv()
            except ConnectionClosed as error:
                self._closing_words(error)
                return b""
            data = self._of_channel(message if isinstance(message, bytes) else b"")
            if data:
                return data

    def _of_channel(self, message: bytes) -> bytes:
        """The data in a message; b"" where it is none."""
        channel, data = message[:1], message[1:]
        number = channel[0] if channel else -1
        if number in (DATA, ERROR) and number not in self._begun:
            self._begun.add(number)
            return data[2:] if number == DATA else b""
        if number == ERROR:
            said = self.words + data.decode("utf-8", "replace")
            self.words = printable(said, MAX_WORDS)
        return data if number == DATA else b""

    def _closing_words(self, error: Exception) -> str:
        close = getattr(error, "rcvd", None)
        self.words = self.words or printable(getattr(close, "reason", "") or "it was cut", 200)
        return self.words

    async def close(self) -> None:
        """Close; never raises and never waits long."""
        with contextlib.suppress(Exception):
            await self._socket.close()


async def forward(session: Session, namespace: str, pod: str, port: int) -> Forward:
    """A connection to a port of a pod. Raises K8sextError (ApiError where the server refuses).

    That nothing listens on the port shows only afterwards, as an end with words.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    logins = session.logins
    try:
        return Forward(await _open(session, path, port), port)
    except K8sextError as error:
        again = getattr(error, "status", 0) == 401
        if not again or not await asyncio.to_thread(session.login_again, logins):
            raise
    return Forward(await _open(session, path, port), port)


async def _open(session: Session, path: str, port: int) -> ClientConnection:
    from websockets.asyncio.client import connect

    class Connect(connect):
        """Goes nowhere else: a redirection would take the login along, in clear text perhaps."""

        def process_redirect(self, exc: Exception) -> Exception:
            return exc

    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.typing import Subprotocol

    upgrade = await asyncio.to_thread(session.upgrade, path, ports=port)
    options: dict[str, Any] = {"ssl": upgrade.tls} if upgrade.tls else {}
    if upgrade.tls:
        options["server_hostname"] = upgrade.server_name
    try:
        return await Connect(
            upgrade.url,
            sock=upgrade.socket,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=upgrade.headers,
            user_agent_header=None,
            compression=None,
            max_size=None,
            proxy=None,  # the session has seen to it
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            ping_interval=None,
            logger=_SILENT,
            **options,
        )
    except InvalidStatus as error:
        upgrade.socket.close()
        answer = error.response
        raise session.refusal(answer.status_code, bytes(answer.body or b""), path) from None
    except (OSError, WebSocketException, TimeoutError) as error:
        upgrade.socket.close()
        raise K8sextError(
            "the port-forward cannot be opened",
            where=f"{session.server}{path}",
            why=printable(str(error) or type(error).__name__, 200),
            exit_code=3,
        ) from None
