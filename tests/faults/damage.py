"""Kinds of damage: what an API server, a proxy or the network between can make of an answer."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

JSON = "application/json"
PAGE = b"<html><head><title>Log in</title></head><body>please log in</body></html>"


@dataclass(frozen=True)
class Healthy:
    """What would be answered."""

    status: int
    data: Any

    @property
    def body(self) -> bytes:
        return json.dumps(self.data).encode()

    @property
    def bytes(self) -> bytes:
        return http(self.status, self.body)


Make = Callable[[Healthy], bytes]
Act = Callable[[Any, Healthy, threading.Event], None]


@dataclass(frozen=True)
class Damage:
    """`of` answers with it; `stream` gives what lines of a stream are sent by.

    `after`: what was asked for was done all the same. `final`: it is a verdict, also when it comes
    once. `harmless`: a healthy answer in unusual clothes.
    """

    name: str
    of: Act = lambda *_: None
    line: Callable[[bytes, int], bytes | None] | None = None
    after: bool = True
    final: bool = False
    harmless: bool = False

    def stream(self, made: Any, over: threading.Event) -> Callable[[bytes], None]:
        """Sends lines with the damage done to them; StopIteration where the stream ends."""
        number = 0

        def send(data: bytes) -> None:
            nonlocal number
            if self.line is None:  # of a whole answer: then there is no stream
                self.of(made, Healthy(200, {"kind": "List", "items": []}), over)
                raise StopIteration
            damaged = self.line(data, number) if number else data  # the first is the head
            number += 1
            if damaged is None:
                raise StopIteration
            made.sendall(damaged)

        return send


def http(status: int, body: bytes, *headers: str, kind: str = JSON, length: int = -1) -> bytes:
    said = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Odd"
    size = len(body) if length < 0 else length
    lines = [f"HTTP/1.1 {status} {said}", f"Content-Type: {kind}", *headers,
             f"Content-Length: {size}"]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _sent(name: str, make: Make, **more: Any) -> Damage:
    return Damage(name, of=lambda made, healthy, _over: made.sendall(make(healthy)), **more)


def _refusal(status: int, reason: str, *headers: str, **more: Any) -> Damage:
    said = {"kind": "Status", "status": "Failure", "reason": reason, "code": status,
            "message": f'services is forbidden: User "u" cannot ({reason})'}  # fmt: skip
    body = json.dumps(said).encode()
    name = f"{status} {reason}{' '.join(('', *headers))}"
    return _sent(name, lambda _: http(status, body, *headers), after=False, **more)


def _page(status: int, **more: Any) -> Damage:
    return _sent(f"{status} page", lambda _: http(status, PAGE, kind="text/html"), **more)


def _body(name: str, body: bytes, **more: Any) -> Damage:
    return _sent(name, lambda _: http(200, body), **more)


def _items(name: str, items: Any) -> Damage:
    return _body(f"items: {name}", json.dumps({"kind": "List", "items": items}).encode())


def _item(name: str, **fields: Any) -> Damage:
    """A list whose one item is odd; where an object is asked for, that is none."""
    base = {"metadata": {"name": "web-svc", "namespace": "dev"}, "spec": {}}
    return _items(f"an item with {name}", [{**base, **fields}])


def _reset(made: Any, _healthy: Healthy, _over: threading.Event) -> None:
    import socket
    import struct

    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


def _silent(_made: Any, _healthy: Healthy, over: threading.Event) -> None:
    over.wait(8)


def _drip(made: Any, healthy: Healthy, over: threading.Event) -> None:
    """A byte now and then: no read is ever long."""
    for byte in healthy.bytes[:400]:
        if over.wait(0.03):
            return
        made.sendall(bytes([byte]))


def _continue(made: Any, _healthy: Healthy, over: threading.Event) -> None:
    """Interim answers for ever (RFC 9110, 15.2)."""
    until = time.monotonic() + 8
    while not over.is_set() and time.monotonic() < until:
        made.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        over.wait(0.02)


def _chunked(pieces: bytes) -> Make:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return lambda _: head.encode() + pieces


def _whole_chunk(healthy: Healthy) -> bytes:
    body = healthy.body
    return _chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))(healthy)


def _zipped(healthy: Healthy, cut: int = 0) -> bytes:
    packed = gzip.compress(healthy.body)
    return http(healthy.status, packed[: len(packed) - cut], "Content-Encoding: gzip")


def _http10(healthy: Healthy) -> bytes:
    """An old proxy: no length, the end is the end of the connection."""
    head = f"HTTP/1.0 {healthy.status} OK\r\nContent-Type: {JSON}\r\n\r\n"
    return head.encode() + healthy.body


def _with(data: Any, **more: Any) -> bytes:
    return json.dumps({**data, **more}).encode()


DATE = formatdate(time.time() - 60, usegmt=True)
REFUSALS = (
    _refusal(401, "Unauthorized"), _refusal(403, "Forbidden", final=True),
    _refusal(404, "NotFound", final=True), _refusal(405, "MethodNotAllowed", final=True),
    _refusal(406, "NotAcceptable", final=True), _refusal(408, "Timeout"),
    _refusal(409, "Conflict"), _refusal(410, "Expired"),
    _refusal(413, "RequestEntityTooLarge", final=True), _refusal(422, "Invalid", final=True),
    _refusal(429, "TooManyRequests", "Retry-After: 0"),
    _refusal(429, "TooManyRequests", f"Retry-After: {DATE}"),
    _refusal(429, "TooManyRequests", "Retry-After: soon"), _refusal(429, "TooManyRequests"),
    _refusal(429, "TooManyRequests", "Retry-After: 99999999999", final=True),
    _refusal(500, "InternalError"), _refusal(503, "ServiceUnavailable", "Retry-After: 0"),
    _refusal(504, "Timeout"),
    _page(400), _page(403), _page(404), _page(407), _page(502), _page(503),
    _sent("302", lambda _: http(302, b"", "Location: https://192.0.2.1/login")),
    _sent("304", lambda _: b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    _sent("101", lambda _: b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    _sent("999", lambda _: http(999, b"{}")),
)  # fmt: skip
LOST = (
    Damage("reset", of=_reset), Damage("nothing", of=lambda *_: None),
    Damage("silence", of=_silent), Damage("drip", of=_drip), Damage("100 for ever", of=_continue),
    _sent("half the head", lambda h: h.bytes[:20]), _sent("cut body", lambda h: h.bytes[:-7]),
    _sent("length too long", lambda h: http(200, h.body, length=len(h.body) + 50)),
    _sent("length too short", lambda h: http(200, h.body, length=len(h.body) - 5)),
    _sent("length is no number",
          lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{'items'}"),
    _sent("no HTTP", lambda _: b"SSH-2.0-OpenSSH_9.6\r\n"),
    _sent("a TLS alert", lambda _: b"\x15\x03\x01\x00\x02\x02\x46"),
    _sent("binary", lambda _: bytes(range(256)) * 8),
    _sent("header too long", lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n{}"),
    _sent("too many headers", lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n{}"),
    _sent("chunk without length", _chunked(b"zz\r\n{}\r\n0\r\n\r\n")),
    _sent("chunk cut", _chunked(b'400\r\n{"items"')),
    _sent("chunk negative", _chunked(b"-5\r\n{}\r\n0\r\n\r\n")),
    _sent("gzip garbage", lambda h: http(200, b"no gzip at all", "Content-Encoding: gzip")),
    _sent("gzip cut", lambda h: _zipped(h, cut=9)),
    _sent("unknown encoding", lambda h: http(200, b"\x8b\x02\x80", "Content-Encoding: br")),
)  # fmt: skip
BODIES = (
    _page(200), _body("empty", b""), _body("null", b"null"), _body("array", b"[]"),
    _body("number", b"7"), _body("text", b'"x"'), _body("true", b"true"), _body("nan", b"NaN"),
    _body("huge number", b"9" * 5000), _body("deep", b"[" * 100_000),
    _body("deep object", b'{"a":' * 50_000), _body("not UTF-8", b'{"items": "\xff\xfe"}'),
    _body("UTF-16", '{"items": 7}'.encode("utf-16")), _body("two objects", b"{}{}"),
    _body("cut JSON", b'{"kind": "List", "items": ['), _body("single quotes", b"{'items': []}"),
    _body("a Status", b'{"kind": "Status", "status": "Success"}'),
    _body("another kind", b'{"kind": "SecretList", "items": []}'),
    _body("kind is a number", b'{"kind": 7, "items": [], "metadata": {"name": 7}}'),
    _body("empty object", b"{}"), _body("metadata is a list", b'{"metadata": [1], "items": []}'),
    _body("continue is a number", b'{"metadata": {"continue": 7}, "items": []}'),
)  # fmt: skip
ITEMS = (
    _items("text", "x"), _items("number", 7), _items("object", {}), _items("numbers", [7]),
    _items("nulls", [None]), _items("lists", [[]]), _items("empty objects", [{}]),
    _items("true", True),
    _item("no metadata", metadata=None), _item("metadata that is text", metadata="x"),
    _item("no name", metadata={"namespace": "dev"}),
    _item("a name that is a number", metadata={"name": 7, "namespace": "dev"}),
    _item("no namespace", metadata={"name": "web-svc"}),
    _item("labels that are a list", metadata={"name": "a", "namespace": "dev", "labels": [1]}),
    _item("annotations of numbers",
          metadata={"name": "a", "namespace": "dev", "annotations": {"k8sext.io/protocol": 7}}),
    _item("a spec that is a list", spec=[1]), _item("ports that are text", spec={"ports": "x"}),
    _item("a port that is text", spec={"ports": [{"port": "http"}]}),
    _item("a port that is null", spec={"ports": [None]}),
    _item("a selector of numbers", spec={"selector": {"a": 7}}),
    _item("cluster IPs that are numbers", spec={"clusterIPs": [7]}),
    _item("an external name that is an object", spec={"type": "ExternalName", "externalName": {}}),
    _item("endpoints that are numbers", endpoints=[7], spec=[7]),
    _item("addresses that are numbers", endpoints=[{"addresses": [7]}], spec=[7]),
    _item("subsets that are text", subsets="x", spec=[7]),
)  # fmt: skip
HARMLESS = (
    _sent("chunked", _whole_chunk, harmless=True), _sent("gzip", _zipped, harmless=True),
    _sent("HTTP/1.0", _http10, harmless=True),
    _sent("no content type", lambda h: h.bytes.replace(b"Content-Type: application/json\r\n", b""),
          harmless=True),
    _sent("text/plain", lambda h: http(h.status, h.body, kind="text/plain"), harmless=True),
    _sent("byte order mark", lambda h: http(h.status, b"\xef\xbb\xbf" + h.body), harmless=True),
    _sent("a giant field", lambda h: http(h.status, _with(h.data, later="x" * 3_000_000)),
          harmless=True),
    _sent("half a character", lambda h: http(h.status, _with(h.data, later="\ud800")),
          harmless=True),
    _sent("nulls", lambda h: http(h.status, _with(h.data, later=None, apiVersion=None)),
          harmless=True),
    _sent("one 100 Continue", lambda h: b"HTTP/1.1 100 Continue\r\n\r\n" + h.bytes, harmless=True),
    _sent("warnings", lambda h: h.bytes.replace(
        b"\r\n", b'\r\nWarning: 299 - "x\x1b[2J"\r\nWarning: nonsense\r\n', 1), harmless=True),
)  # fmt: skip


def _lines(name: str, line: Callable[[bytes, int], bytes | None], **more: Any) -> Damage:
    return Damage(name, line=line, **more)


EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
STREAMS = (
    _lines("cut before the first line", lambda _data, _n: None),
    _lines("cut after the first line", lambda data, n: data if n < 2 else None),
    _lines("cut within a line", lambda data, n: data[:-9] if n < 3 else None),
    _lines("garbled line", lambda data, n: b"\x00\xff{{\n" if n == 2 else data),
    _lines("only garbage", lambda _data, _n: b"\xfe\xff garbage\n"),
    _lines("a line is lost", lambda data, n: b"" if n == 2 else data),
    _lines("a line comes twice", lambda data, _n: data + data),
    _lines("empty lines between", lambda data, _n: b"\n" + data),
    _lines("null lines", lambda _data, _n: b"null\n"),
    _lines("numbers", lambda _data, _n: b"7\n"),
    _lines("lists", lambda _data, _n: b"[1]\n"),
    _lines("deep lines", lambda _data, _n: b"[" * 100_000 + b"\n"),
    _lines("a page", lambda _data, _n: PAGE + b"\n"),
    _lines("expired", lambda _data, _n: EXPIRED),
    _lines("objects that are text", lambda _data, _n: b'{"type":"ADDED","object":"x"}\n'),
    _lines("objects without metadata", lambda _data, _n: b'{"type":"ADDED","object":{}}\n'),
    _lines("metadata that is a number",
           lambda _data, _n: b'{"type":"MODIFIED","object":{"metadata":7}}\n'),
    _lines("types that are numbers", lambda _data, _n: b'{"type":7,"object":{}}\n'),
    _lines("numbers that are text", lambda _data, _n: b'{"seq":"x","type":"end","nonce":7}\n'),
    _lines("a giant line", lambda data, n: b"x" * 5_000_000 + b"\n" if n == 1 else data),
    _lines("no line breaks", lambda data, _n: data.strip()),
    _lines("stray lines", lambda data, n: b"OCI runtime says hello\n" + data),
)  # fmt: skip
WHOLE = (*REFUSALS, *LOST, *BODIES)
