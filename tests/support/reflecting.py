"""Servers that give back what they were sent, in the forms in which software does that."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import struct
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from k8sext.selftest import speakers as s
from k8sext.selftest.servers import Peer, Talk

USER = "shop"
CANARY = 'cän@ry 4711&"<Zz+/\\9%41'  # every character that some encoding changes


def forms(value: str) -> dict[str, str]:
    """By name: the value as somebody may write it. Each tells it to whoever knows the encoding."""
    data = value.encode()
    packed = base64.b64encode(f"{USER}:{value}".encode()).decode()
    escaped = json.dumps(value)[1:-1]
    return {
        "raw": value,
        "upper case": value.upper(),
        "cut": value[: len(value) * 3 // 4],
        "percent": quote(value, safe=""),
        "percent in lower case": re.sub("%..", lambda m: m[0].lower(), quote(value, safe="")),
        "form": quote_plus(value),
        "percent twice": quote(quote(value, safe=""), safe=""),
        "form in a form": quote_plus(quote_plus(value)),
        "html": html.escape(value),
        "html by number": "".join(f"&#{ord(c)};" for c in value),
        "html in hexadecimal": "".join(f"&#x{ord(c):X};" for c in value),
        "html of json": html.escape(escaped),
        "json": escaped,
        "json in json": json.dumps(escaped)[1:-1],
        "javascript": "".join(f"\\u{ord(c):04x}" for c in value),
        "bytes": repr(data)[2:-1],
        "octal": "".join(f"\\{b:03o}" for b in data),
        "latin-1": data.decode("latin-1"),
        "quoted-printable": "".join(f"={b:02X}" for b in data),
        "basic": packed,
        "basic, url-safe": packed.replace("+", "-").replace("/", "_").rstrip("="),
        "base64 after one": base64.b64encode(b"x" + data).decode(),
        "base64 after two": base64.b64encode(b"xy" + data + b"z").decode(),
        "base64 in a path": "/auth/a" + base64.b64encode(data).decode(),
        "base64 twice": base64.b64encode(packed.encode()).decode(),
        "base64 of json": base64.b64encode(json.dumps({"password": value}).encode()).decode(),
        "base64 of UTF-16": base64.b64encode(value.encode("utf-16-le")).decode(),
        "base64, percent": quote(packed, safe=""),
        "hexadecimal": data.hex(),
        "a dump": data.hex(":").upper(),
        "MD5": hashlib.md5(data).hexdigest(),
        "SHA-1 in base64": base64.b64encode(hashlib.sha1(data).digest()).decode(),
        "SHA-256": hashlib.sha256(data).hexdigest().upper(),
        "as MySQL keeps it": hashlib.sha1(hashlib.sha1(data).digest()).hexdigest().upper(),
    }


# -- servers --------------------------------------------------------------------------------------


def talks(protocol: str, said: str) -> Mapping[str, Talk]:
    """By name: servers of a protocol that say something at one place or another."""
    own = {"redis": _redis, "postgresql": _postgresql, "mysql": _mysql, "rabbitmq": _rabbitmq,
           "elk": _rabbitmq, "tcp": _banner, "memcached": _memcached}  # fmt: skip
    make = own.get(protocol)
    if make:
        return make(said)
    return {"refuses": Web(said, after=401), "fails": Web(said, after=500),
            "accepts": Web(said, after=200), "leads away": Web(said, after=302)}  # fmt: skip


class Web:
    """HTTP: asks for a login, and answers all that comes with one by `after`."""

    def __init__(self, said: str, after: int) -> None:
        self.said, self.after = said, after

    async def __call__(self, peer: Peer) -> None:
        while True:
            head = (await peer.until(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            body = await peer.exactly(int(length[1])) if length else b""
            given = b"authorization:" in head or b"cookie:" in head or bool(body)
            await peer.send(self._answer(self.after if given else 401))

    def _answer(self, status: int) -> bytes:
        said = self.said
        keys = ("message", "msg", "error", "version", "name", "status", "database", "title", "path",
                "detail", "reason", "details", "cluster_name", "tagline", "commit")  # fmt: skip
        body = json.dumps({**dict.fromkeys(keys, said), "success": False, "code": 500,
                           "errors": [{"code": "DENIED", "message": said, "detail": said}],
                           "content": said}, ensure_ascii=False)  # fmt: skip
        lines = [
            f"HTTP/1.1 {status} {said}", f'WWW-Authenticate: Basic realm="{said}"',
            f"Location: http://{USER}:{said}@127.0.0.1/login?token={said}", f"Server: {said}",
            f"Set-Cookie: session={quote(said, safe='')}; Path=/", "Content-Type: application/json",
            f"Content-Length: {len(body.encode())}", "", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode() + body.encode()


def _redis(said: str) -> Mapping[str, Talk]:
    async def serve(peer: Peer, accepts: bool) -> None:
        while True:
            command = (await peer.some()).upper()
            if not accepts or b"INFO" not in command:
                good = accepts and (b"AUTH" in command or b"PING" in command)
                await peer.send(b"+OK\r\n" if good else f"-WRONGPASS {said}\r\n".encode())
                continue
            told = f"redis_version:{said}\r\nrole:{said}\r\nmaster_host:{said}\r\n".encode()
            await peer.send(b"$%d\r\n%s\r\n" % (len(told), told))

    async def refuses(peer: Peer) -> None:
        await serve(peer, False)

    async def accepts(peer: Peer) -> None:
        await serve(peer, True)

    return {"refuses": refuses, "accepts": accepts}


def _memcached(said: str) -> Mapping[str, Talk]:
    async def serve(peer: Peer, logged_in: bytes) -> None:
        known = False
        while True:
            request = await peer.some()
            if request.startswith(b"set"):
                known = logged_in == b"STORED"
                await peer.send(logged_in + b"\r\n")
            elif not known:
                await peer.send(b"CLIENT_ERROR unauthenticated\r\n")
            elif request.startswith(b"version"):
                await peer.send(f"VERSION {said}\r\n".encode())
            else:
                await peer.send(f"STAT uptime {said}\r\nEND\r\n".encode())

    async def refuses(peer: Peer) -> None:
        await serve(peer, f"SERVER_ERROR {said}".encode())

    async def accepts(peer: Peer) -> None:
        await serve(peer, b"STORED")

    return {"refuses": refuses, "accepts": accepts}


def _postgresql(said: str) -> Mapping[str, Talk]:
    async def ask(peer: Peer, then: bytes) -> None:
        (length,) = struct.unpack("!I", await peer.exactly(4))
        startup = await peer.exactly(length - 4)
        if startup == struct.pack("!I", 80877103):
            await peer.send(b"N")
            return await ask(peer, then)
        await peer.send(s.pg(b"R", struct.pack("!I", 3)))  # in clear, please
        await peer.some()
        await peer.send(then)
        while await peer.some():
            await peer.send(s.pg_error("XX000", said, said) + s.pg(b"Z", b"I"))

    async def refuses(peer: Peer) -> None:
        await ask(peer, s.pg_error("28P01", f'authentication failed: "{said}"', said))

    async def accepts(peer: Peer) -> None:
        version = s.pg(b"S", f"server_version\0{said}\0".encode())
        begins = s.pg(b"R", bytes(4)) + version + s.pg(b"Z", b"I")
        await ask(peer, begins)

    return {"refuses": refuses, "accepts": accepts}


def _mysql(said: str) -> Mapping[str, Talk]:
    async def refuses(peer: Peer) -> None:
        await s.MysqlTalk(refusal=s.my_error(1045, f"Access denied, said {said}", "28000"))(peer)

    async def fails(peer: Peer) -> None:
        await s.MysqlTalk(refusal=s.my_error(1105, said))(peer)

    return {"refuses": refuses, "fails": fails}


def _rabbitmq(said: str) -> Mapping[str, Talk]:
    text = said.encode()[:200].decode(errors="ignore")
    return {"refuses": s.RabbitmqTalk(refusal=s.amqp_close(403, f"ACCESS_REFUSED {text}")),
            "fails": s.RabbitmqTalk(refusal=s.amqp_close(541, text))}  # fmt: skip


def _banner(said: str) -> Mapping[str, Talk]:
    async def greets(peer: Peer) -> None:
        await peer.send(f"220 {said}\r\n".encode())
        await peer.until_gone()

    return {"greets": greets}
