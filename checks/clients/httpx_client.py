"""HTTP services by httpx; its trace extension shows connect, TLS and the first answer apart."""

from __future__ import annotations

from typing import Any, ClassVar

from k8sext import __version__
from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes, network_fault
from k8sext.model.plan import join_address
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Stage

BODY = 64 << 10  # as much of a body as is looked at


class HttpxClient(ClientProbe):
    """One GET; a second one with the login where the first is answered with 401."""

    info: ClassVar[ClientInfo] = ClientInfo(
        driver="httpx", package="httpx", protocols=("http", "https")
    )

    def look(self, dial: Dial, notes: Notes) -> None:
        """No proxy and no .netrc of this machine: they would answer for the bridge."""
        import httpx

        context = dial.context()
        scheme = "https" if context else "http"
        url = f"{scheme}://{join_address(dial.host, dial.port)}{dial.expect.get('path') or '/'}"
        transport = httpx.HTTPTransport(verify=context or False, retries=0, trust_env=False)
        # As for http://NAME:PORT/, whatever is dialled for the name.
        usual = dial.port == (443 if context else 80)
        name = dial.server_name if usual else join_address(dial.server_name, dial.port)
        headers = {"Host": name, "User-Agent": f"k8sext/{__version__}"}
        with httpx.Client(
            transport=transport, timeout=dial.seconds, trust_env=False, headers=headers
        ) as client:
            if context is None:
                notes.skipped(Stage.TLS, Reason.NOT_APPLICABLE)
            status, words = self._get(client, url, dial, notes, None)
            status, words = self._log_in(client, url, dial, notes, status, words)
            _judge(dial, status, words, notes)

    def _log_in(
        self, client: Any, url: str, dial: Dial, notes: Notes, status: int, words: str
    ) -> tuple[int, str]:
        if status != 401 or dial.expect.get("status") == 401:
            notes.skipped(Stage.AUTH, Reason.NOT_APPLICABLE)
            return status, words
        if dial.login is None:
            raise Fault(Reason.AUTH_REQUIRED, "401: the service asks for a login")
        login = (dial.get("username"), dial.get("password"))
        status, words = self._get(client, url, dial, notes, login)
        if status == 401:
            raise Fault(Reason.AUTH_REJECTED, f"401 {words}", code="401")
        notes.passed(Stage.AUTH, detail="login accepted")
        return status, words

    def _get(
        self, client: Any, url: str, dial: Dial, notes: Notes, login: tuple[str, str] | None
    ) -> tuple[int, str]:
        """Status and reason; at most BODY bytes of the body are read."""
        seen = _Trace(notes)
        extensions = {"trace": seen.event, "sni_hostname": dial.server_name}
        with client.stream("GET", url, auth=login, extensions=extensions) as answer:
            body = b""
            for part in answer.iter_raw():
                body += part
                if len(body) > BODY:
                    break
        if answer.status_code == 400 and b"HTTPS port" in body:
            raise Fault(Reason.TLS_REQUIRED, "the server says that this is its HTTPS port")
        if login is None:
            text = f"{answer.status_code} {answer.reason_phrase}"
            notes.passed(Stage.HANDSHAKE, detail=text, status=answer.status_code)
        return answer.status_code, answer.reason_phrase

    def fault_for(self, error: Exception) -> Fault | None:
        """What lies below; else by class."""
        import httpx

        if not isinstance(error, httpx.HTTPError):
            return network_fault(error)
        words = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return Fault(Reason.TIMED_OUT, f"{type(error).__name__}: {words}", words=words)
        if isinstance(error, httpx.RemoteProtocolError):
            silent = "without sending" in words or "incomplete" in words
            return Fault(Reason.CLOSED_EARLY if silent else Reason.WRONG_PROTOCOL, words)
        return network_fault(error) or Fault(Reason.SERVER_ERROR, words, words=words)


class _Trace:
    """httpcore's events: what was opened, and how far it got."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    def event(self, name: str, _info: Any) -> None:
        """One event, `connection.connect_tcp.complete` and the like."""
        if name == "connection.connect_tcp.complete":
            self.notes.passed(Stage.CONNECT)
        elif name == "connection.start_tls.complete":
            self.notes.passed(Stage.TLS)


def _judge(dial: Dial, status: int, words: str, notes: Notes) -> None:
    """As the wire check does: the expected status, or anything below 500."""
    wanted = dial.expect.get("status")
    if isinstance(wanted, int) and wanted:
        if status != wanted:
            raise Fault(Reason.UNEXPECTED, f"status {status}, expected is {wanted}")
    elif status >= 500:
        raise Fault(Reason.UNHEALTHY, f"{status} {words}", code=str(status))
    tls = "" if dial.tls is TlsMode.DISABLE else " over TLS"
    notes.passed(Stage.VERIFY, detail=f"answers {status}{tls}")
