"""Elasticsearch by the official client.

From 7.14 on it refuses servers that do not name themselves in X-Elastic-Product: older ones and
OpenSearch, however healthy (elasticsearch-py, `UnsupportedProductError`).
"""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import Any, ClassVar

from k8sext.agent.drive.client import ClientInfo, ClientProbe, Dial, Fault, Notes, network_fault
from k8sext.agent.drive.http import urlopen
from k8sext.model.words import Reason, Stage

_LOGGERS = ("elasticsearch", "elastic_transport", "urllib3")
# GET / may be asked by those with the right `monitor` only; builds for tests do not have it (405).
_SAYS_NOTHING = (403, 405)
_STATUS = {403: Reason.PERMISSION_DENIED, 406: Reason.UNSUPPORTED_VERSION}


class ElasticsearchClient(ClientProbe):
    """info() and cluster.health()."""

    info: ClassVar[ClientInfo] = ClientInfo(
        driver="elasticsearch",
        package="elasticsearch",
        protocols=("elasticsearch",),
        chain_alone=False,
    )
    has_login = False

    def look(self, dial: Dial, notes: Notes) -> None:
        """Two requests over one connection, one more where GET / is not answered; no sniffing, no
        retries."""
        import elasticsearch

        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # they log what is raised
        context = dial.context()
        self.has_login = dial.login is not None
        where = {"scheme": "https" if context else "http", "host": dial.host, "port": dial.port}
        options: dict[str, Any] = {"ssl_context": context} if context else {}
        if context and not dial.verified:
            options |= {"verify_certs": False, "ssl_show_warn": False}
        client = elasticsearch.Elasticsearch(
            [where],
            request_timeout=dial.seconds,
            max_retries=0,
            retry_on_timeout=False,
            retry_on_status=(),
            sniff_on_start=False,
            connections_per_node=1,
            node_class=_node_class(),
            **options,
            **_login(dial),
        )
        with contextlib.closing(client):
            number = _version(client)
            if context is None:
                notes.skipped(Stage.TLS, Reason.NOT_APPLICABLE)
            encrypted = [Stage.TLS] if context else []
            notes.passed(Stage.CONNECT, *encrypted, Stage.HANDSHAKE, version=number)
            if dial.login is None:
                notes.skipped(Stage.AUTH, Reason.NOT_APPLICABLE)
            else:
                notes.passed(Stage.AUTH)
            colour = client.cluster.health().get("status")
            if colour == "red":
                raise Fault(Reason.UNHEALTHY, "the cluster is red")
            notes.passed(Stage.VERIFY, detail=f"cluster is {colour}")

    def fault_for(self, error: Exception) -> Fault | None:
        """By class and status; a transport's error by what lies below it."""
        import elastic_transport
        import elasticsearch

        words = str(error)
        if isinstance(error, elasticsearch.UnsupportedProductError):
            return Fault(Reason.UNSUPPORTED_VERSION, words, words=words)
        if isinstance(error, elasticsearch.ApiError):
            return self._status(error.meta.status, words)
        if isinstance(error, elastic_transport.ConnectionTimeout):
            return Fault(Reason.TIMED_OUT, words, words=words)
        if isinstance(error.__cause__, Fault):
            return error.__cause__  # a bound of ours
        if isinstance(error, elastic_transport.SerializationError):
            return Fault(Reason.WRONG_PRODUCT, words, words=words)
        below = network_fault(error)
        if below or not isinstance(error, elastic_transport.TransportError):
            return below
        words = str(error.message)  # its own text is "Connection error" only
        closed = "closed connection without response" in words
        reason = Reason.CLOSED_EARLY if closed else Reason.WRONG_PROTOCOL
        return Fault(reason, words, words=words)

    def _status(self, status: int, words: str) -> Fault:
        if status == 401:
            reason = Reason.AUTH_REJECTED if self.has_login else Reason.AUTH_REQUIRED
        elif status == 400 and "media_type" in words:
            reason = Reason.UNSUPPORTED_VERSION
        else:
            reason = _STATUS.get(status, Reason.SERVER_ERROR)
        return Fault(reason, words, words=words, code=str(status))


def _node_class() -> Any:
    """The client's own way to a server, within bounds."""
    from elastic_transport import Urllib3HttpNode

    class ElasticsearchNode(Urllib3HttpNode):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            pool: Any = self.pool
            pool.urlopen = functools.partial(urlopen, pool.urlopen)

    return ElasticsearchNode


def _version(client: Any) -> str:
    """What GET / says; "" where it says nothing but the health does, which no application misses.

    Raises what the client raises: it looks at the product with the first answer that is a success.
    """
    import elasticsearch

    try:
        found: Any = client.info()
    except elasticsearch.ApiError as error:
        if error.meta.status not in _SAYS_NOTHING:
            raise
        client.cluster.health()
        return ""
    return str(found.get("version", {}).get("number", ""))


def _login(dial: Dial) -> dict[str, Any]:
    if dial.login is None:
        return {}
    key = dial.get("api_key")
    if key:
        return {"api_key": key}
    return {"basic_auth": (dial.get("username", "elastic"), dial.get("password"))}
