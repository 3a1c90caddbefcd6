"""Redis and Valkey (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/).

Error prefixes are those of redis `src/server.c` and `src/networking.c`: NOAUTH, WRONGPASS, NOPERM,
DENIED, LOADING, MASTERDOWN, MISCONF, `ERR max number of clients reached`.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.agent.guess import wrong_protocol
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

Reply: TypeAlias = "str | int | list[Reply] | RedisError | None"
MAX_DEPTH = 4
MAX_ITEMS = 1024

_ERRORS = (
    ("NOAUTH", Reason.AUTH_REQUIRED),
    ("WRONGPASS", Reason.AUTH_REJECTED),
    ("ERR invalid password", Reason.AUTH_REJECTED),  # before Redis 6
    ("NOPERM", Reason.PERMISSION_DENIED),
    ("DENIED", Reason.PROTECTED_MODE),
    ("LOADING", Reason.LOADING),
    ("MASTERDOWN", Reason.UNHEALTHY),
    ("MISCONF", Reason.UNHEALTHY),
    ("READONLY", Reason.READ_ONLY),
    ("ERR max number of clients", Reason.TOO_MANY_CONNECTIONS),
    # A user name where the server knows none (before Redis 6).
    ("ERR wrong number of arguments for 'auth'", Reason.AUTH_METHOD_UNSUPPORTED),
)
_NO_PASSWORD = ("without any password configured", "but no password is set")  # from 6 on; before


class RedisError(Exception):
    """An error reply, with the server's words."""

    @property
    def words(self) -> str:
        """What the server said, without the leading `-`."""
        return str(self.args[0])

    def fault(self) -> Fault:
        """The error as a stage's end."""
        reason = next((r for start, r in _ERRORS if self.words.startswith(start)), None)
        return Fault(
            reason or Reason.SERVER_ERROR,
            self.words,
            words=self.words,
            code=self.words.split(" ", 1)[0],
        )


def info_fields(text: str) -> dict[str, str]:
    """`INFO` as a mapping: lines `key:value`, sections begin with `#`."""
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, _, value in lines}


class Redis(WireCheck):
    """PING, AUTH, INFO, ROLE, QUIT."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="redis",
        summary="Redis or Valkey server",
        proves="logged in, and the server says its version, role and that it takes commands",
        ports=(6379,),
        port_names=("redis", "valkey"),
        service_names=("redis", "valkey"),
        app_protocols=("redis",),
        credential_keys={
            "username": ("user", "redis-username", "REDIS_USERNAME", "spring.data.redis.username"),
            "password": (
                "redis-password",
                "REDIS_PASSWORD",
                "REDISCLI_AUTH",
                "spring.redis.password",
                "spring.data.redis.password",
                "valkey-password",
            ),
        },
        expects={"role": "master or replica", "version": "range, e.g. >=6"},
    )
    verify_needs_login = False
    asked_for_login = False
    speaks_redis = False  # nothing more is sent to a server of another kind, not even QUIT

    async def handshake(self) -> Seen:
        """PING: PONG, or a demand for a login, which only this protocol makes."""
        reply = await self._call("PING", may_fail=True)
        self.speaks_redis = isinstance(reply, RedisError) or reply == "PONG"
        if isinstance(reply, RedisError):
            fault = reply.fault()
            if fault.reason not in (Reason.AUTH_REQUIRED, Reason.PERMISSION_DENIED):
                raise fault
            self.asked_for_login = True
            return Seen(detail="asks for a login", evidence={"words": reply.words})
        if reply != "PONG":
            raise await self._wrong(f"PING was answered with {reply!r}")
        return Seen(detail="PONG")

    async def auth(self, login: Login | None) -> Seen | None:
        """AUTH once."""
        if login is None:
            if self.asked_for_login:
                raise Fault(Reason.AUTH_REQUIRED, "the server asks for a password")
            return None
        user = login.get("username")
        words = [user] if user else []
        reply = await self._call("AUTH", *words, login.get("password"), may_fail=True)
        detail = f"user {user or 'default'}"
        if isinstance(reply, RedisError):
            if not any(words in reply.words for words in _NO_PASSWORD):
                raise reply.fault()
            detail = "the server has no password: anyone may come in"
        clear = not self.stream.encrypted and self.target.tls.mode is not TlsMode.DISABLE
        return Seen(
            detail=detail,
            warning=Reason.PASSWORD_IN_CLEAR if clear else None,
        )

    async def verify(self) -> Seen:
        """INFO and the expectations; a user without the right to INFO proves less, and says so."""
        await self._call("CLIENT", "SETNAME", "k8sext", may_fail=True)
        reply = await self._call("INFO", may_fail=True)
        if isinstance(reply, RedisError):
            fault = reply.fault()
            if fault.reason is not Reason.PERMISSION_DENIED or self.target.expect:
                raise fault
            return Seen(detail="the user may not ask for INFO; the server takes commands")
        fields = info_fields(str(reply))
        evidence = self._evidence(fields)
        self._expected(fields, str(evidence["role"]), str(evidence["version"]))
        return Seen(detail=f"{evidence['role']}", evidence=evidence)

    async def goodbye(self) -> None:
        """QUIT, and wait for its OK."""
        if self.speaks_redis:
            await self._call("QUIT", may_fail=True)

    def _evidence(self, fields: dict[str, str]) -> dict[str, Json]:
        valkey = fields.get("server_name") == "valkey"
        role = {"slave": "replica"}.get(fields.get("role", ""), fields.get("role", ""))
        return {
            "product": "valkey" if valkey else "redis",
            "version": fields.get("valkey_version" if valkey else "redis_version", ""),
            "identity": fields.get("run_id", ""),
            "role": role,
            "mode": fields.get("redis_mode", "standalone"),
        }

    def _expected(self, fields: dict[str, str], role: str, version: str) -> None:
        wanted = str(self.target.expect.get("role", ""))
        mode = fields.get("redis_mode", "standalone")
        if mode == "sentinel" and wanted != "sentinel":
            raise Fault(Reason.WRONG_ROLE, "this is a Sentinel, not a Redis server", mode=mode)
        if fields.get("loading") == "1":
            raise Fault(Reason.LOADING, "the data set is being loaded")
        if wanted and wanted not in (role, mode):
            reason = Reason.READ_ONLY if wanted == "master" else Reason.WRONG_ROLE
            raise Fault(reason, f"the role is {role}, expected is {wanted}", role=role)
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")

    async def _call(self, *words: str, may_fail: bool = False) -> Reply:
        """One command and its reply; an error reply is returned or raised."""
        parts = [w.encode() for w in words]
        request = b"*%d\r\n" % len(parts)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        await self.stream.write(request)
        reply = await self._reply(0)
        if isinstance(reply, RedisError) and not may_fail:
            raise reply.fault()
        return reply

    async def _reply(self, depth: int) -> Reply:
        """One RESP value. Depth and counts are bounded: a reply is never believed."""
        kind = await self.stream.read_exactly(1)
        if kind not in b"+-:$*":
            raise await self._wrong("the first byte is none of Redis'")
        line = (await self.stream.read_until())[:-2].decode("utf-8", "replace")
        if kind == b"+":
            return line
        if kind == b"-":
            return RedisError(line)
        try:
            number = int(line)
        except ValueError as error:
            raise await self._wrong("a length that is no number") from error
        if kind == b":":
            return number
        if number < 0:
            return None
        return await (self._bulk(number) if kind == b"$" else self._array(number, depth))

    async def _bulk(self, length: int) -> str:
        return (await self.stream.read_exactly(length + 2))[:-2].decode("utf-8", "replace")

    async def _array(self, count: int, depth: int) -> Reply:
        if depth >= MAX_DEPTH or count > MAX_ITEMS:
            raise Fault(Reason.TOO_MUCH, f"an array of {count} items")
        return [await self._reply(depth + 1) for _ in range(count)]

    async def _wrong(self, why: str) -> Fault:
        return await wrong_protocol(self.stream, why)
