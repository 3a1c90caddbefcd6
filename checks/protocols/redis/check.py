"""Redis, Valkey, KeyDB, Dragonfly: a server, a replica, a cluster node or a Sentinel.

Fields of INFO: https://redis.io/docs/latest/commands/info/. HELLO may be asked by every user (its
flag NO_AUTH exempts it from ACLs), so that version and role are known even where INFO is denied.
What the errors mean is in `answers.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

from k8sext.agent.check import Announced, CheckInfo, Fault, Fingerprint, Key, Login, Seen, WireCheck
from k8sext.agent.expect import version_in
from k8sext.agent.net.guess import wrong_protocol
from k8sext.agent.net.second_look import explain_hang_up
from k8sext.model.plan import join_address
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read
from .info import (
    Fields,
    Note,
    described,
    info_fields,
    master_of,
    number,
    product_of,
    role_of,
    state,
)
from .resp import RedisError, Reply, ReplyReader, command, items, mapping

ROLES = ("master", "replica", "standalone", "cluster", "sentinel")
_NO_WORD = " before it sent a byte, as a proxy does whose server is down"


class Redis(WireCheck):
    """PING, AUTH, HELLO 3, INFO, what the role asks for, QUIT."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="redis",
        summary="Redis, Valkey, KeyDB or Dragonfly: server, replica, cluster node or Sentinel",
        proves="logged in, and the server says its version, role and that it takes commands",
        ports=(6379,),
        fingerprints=(
            Fingerprint(product="Redis", starts="-ERR"),
            Fingerprint(product="Redis", starts="-NOAUTH"),
            Fingerprint(product="Redis", starts="-DENIED"),
        ),
        port_names=("redis", "valkey", "keydb", "dragonfly"),
        service_names=("redis", "valkey", "keydb", "dragonfly"),
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
            "database": ("REDIS_DB", "spring.redis.database", "spring.data.redis.database"),
        },
        expects={
            "role": Key(
                "what the server must be; cluster: clients speak the cluster protocol",
                choices=ROLES,
            ),
            "version": Key("range of the product's own version, e.g. >=6", "version"),
            "database": Key("number of a database that must be there"),
            "maxmemory_policy": Key("e.g. noeviction"),
            "max_lag_s": Key("seconds that a replica may not have heard of its master", "number"),
            "sentinel_master": Key("name of a master that a Sentinel must watch"),
            "identity": Key(
                "run_id, replication id, cluster node id, or the identity of a report; the ids of "
                "a server without persistence change when it restarts",
                "words",
            ),
        },
    )
    verify_needs_login = False
    asked_for_login = False
    speaks_redis = False  # nothing more is sent to a server of another kind, not even QUIT

    async def handshake(self) -> Seen:
        """PING: PONG, or a demand for a login, which only this protocol makes."""
        self.replies = ReplyReader(self.stream)
        reply = await self._first_reply()
        self.speaks_redis = isinstance(reply, RedisError) or reply == "PONG"
        if isinstance(reply, RedisError):
            fault = read.fault_of(reply)
            if fault.reason not in (Reason.AUTH_REQUIRED, Reason.PERMISSION_DENIED):
                raise fault
            self.asked_for_login = True
            return Seen(detail="asks for a login", evidence={"words": reply.words})
        if reply != "PONG":
            raise await wrong_protocol(self.stream, f"PING was answered with {str(reply)[:80]!r}")
        return Seen(detail="PONG")

    async def _first_reply(self) -> Reply:
        try:
            return await self._call("PING", may_fail=True)
        except Fault as fault:
            # Redis' own TLS port resets a client that speaks in clear (measured on 7.0.15).
            if fault.reason in (Reason.RESET, Reason.CLOSED_EARLY) and not self.stream.received:
                fault.detail += _NO_WORD
            raise await explain_hang_up(self.stream, fault, own="Redis") from fault

    async def auth(self, login: Login | None) -> Seen | None:
        """AUTH once; with an empty password as clients do, which send none (redis-py, go-redis)."""
        if login is None:
            if self.asked_for_login:
                raise Fault(Reason.AUTH_REQUIRED, "the server asks for a password")
            return None
        if not login.get("password") and not self.asked_for_login:
            return Seen(detail="no password is configured, and none is asked for")
        user = login.get("username")
        reply = await self._call(
            "AUTH", *([user] if user else []), login.get("password"), may_fail=True
        )
        if isinstance(reply, RedisError):
            raise read.auth_fault_of(reply)
        if reply != "OK":
            raise read.stranger(f"AUTH was answered with {str(reply)[:80]!r}")
        return Seen(
            detail=f"user {user or 'default'}",
            warning=self.password_in_clear,
        )

    async def verify(self) -> Seen:
        """Who it is and how it is; a user without the right to INFO proves less, and says so."""
        hello = await self._hello()
        if self.asked_for_login:
            await self._call("PING", may_fail_with=Reason.PERMISSION_DENIED)  # MISCONF, BUSY, …
        fields = await self._info(hello)
        if not read.version_of(fields):
            await self._is_redis(fields)
        product, version = product_of(fields)
        mode, role = fields.get("redis_mode", "standalone"), role_of(fields)
        evidence: dict[str, Json] = {
            "product": product,
            "version": version,
            "identity": fields.get("master_replid") or fields.get("run_id", ""),
            "role": role,
            "mode": mode,
        }
        if mode == "sentinel":
            return await self._sentinel(evidence)
        evidence |= {key: fields[key] for key in read.KEPT if key in fields}
        self._expected(fields, evidence)
        await self._database()
        await self._enough_replicas(fields, evidence)
        notes = state(fields)
        announced = await self._cluster(evidence, notes) if mode == "cluster" else None
        if mode == "cluster":
            self._one_of_many(evidence, notes)
        if not self._identified(evidence):
            text = "this is another server than the expected one"
            raise Fault(Reason.UNEXPECTED, text, **evidence)
        return self._with_notes(described(fields, mode), notes, evidence, announced)

    async def goodbye(self) -> None:
        """QUIT, and wait for its OK."""
        if self.speaks_redis:
            await self._call("QUIT", may_fail=True)

    def _with_notes(
        self, detail: str, notes: list[Note], evidence: dict[str, Json], announced: Announced | None
    ) -> Seen:
        """The first note gives the reason, all of them the sentence."""
        return Seen(
            detail="; ".join([detail, *(text for _, text in notes)]),
            evidence=evidence,
            warning=notes[0][0] if notes else None,
            announced=announced,
        )

    # -- who is it ------------------------------------------------------------------------------

    async def _hello(self) -> Fields:
        """Version 3 from here on, where the server knows it (Redis 6), and our name."""
        reply = await self._call("HELLO", "3", "SETNAME", "k8sext", may_fail=True)
        if isinstance(reply, RedisError):
            await self._call("CLIENT", "SETNAME", "k8sext", may_fail=True)
            return {}
        said = {key: str(value) for key, value in mapping(reply).items()}
        names = {"version": "redis_version", "mode": "redis_mode", "role": "role"}
        fields = {ours: said[theirs] for theirs, ours in names.items() if theirs in said}
        return {**fields, "server_name": said.get("server", "")}

    async def _info(self, hello: Fields) -> Fields:
        reply = await self._long_answer()
        if not isinstance(reply, RedisError):
            return {**hello, **info_fields(str(reply or ""))}
        answered = ("role", "version") if hello else ()
        unanswered = set(self.target.expect) & set(self.info.expects) - {"database", *answered}
        if unanswered:
            text = f"expect.{min(unanswered)} cannot be compared without INFO: {reply.words}"
            raise Fault(Reason.PERMISSION_DENIED, text, words=reply.words, command="INFO")
        return {**hello, "denied": reply.words}

    async def _long_answer(self) -> Reply:
        """INFO's, of several packets. Where it does not come and PING on a second connection is
        answered meanwhile, the server lives and large answers are lost on the way (MTU).
        """
        import asyncio  # what a check says of itself is read without it

        asking = asyncio.create_task(self._optional("INFO"))
        alive = False
        try:
            await asyncio.wait({asking}, timeout=self.stream.left_s / 2)
            if not asking.done():
                alive = await self._answers_elsewhere()
            return await asking
        except Fault as fault:
            if alive and fault.reason is Reason.TIMED_OUT:
                fault.evidence["large_answer"] = True
                fault.detail = (
                    "PING is answered on another connection, and INFO (a large answer) is not"
                )
            raise
        finally:
            asking.cancel()

    async def _answers_elsewhere(self) -> bool:
        """Whether a second connection gets an answer, to a question without a login."""
        try:
            second = await self.stream.again()
        except Fault:
            return False
        try:
            if self.stream.encrypted:
                await second.start_tls()
            await second.write(command("PING"))
            return (await second.read_some())[:1] in (b"+", b"-")
        except Fault:
            return False
        finally:
            await second.close()

    async def _is_redis(self, fields: Fields) -> None:
        """Where neither HELLO nor INFO names a version, ECHO proves that commands are understood.

        An INFO that is answered and names none is no Redis' (every relative has a field of its
        own for it); one that may not be asked says nothing against the server.
        """
        if not fields.get("denied"):
            raise read.stranger("its answer to INFO names no version")
        word = "k8sext"
        reply = await self._call("ECHO", word, may_fail=True)
        knows_rights = isinstance(reply, RedisError) and reply.words.startswith("NOPERM")
        if reply != word and not knows_rights:
            words = reply.words if isinstance(reply, RedisError) else str(reply)[:80]
            raise read.stranger(f"neither INFO nor ECHO is answered as Redis does ({words})")

    def _expected(self, fields: Fields, evidence: Mapping[str, Json]) -> None:
        expect, role, mode = self.target.expect, evidence["role"], evidence["mode"]
        if fields.get("loading") == "1":
            raise Fault(Reason.LOADING, "the data set is being loaded")
        wanted = str(expect.get("role", ""))
        if wanted and wanted not in read.roles(str(role), str(mode)):
            is_a = f"a replica of {master_of(fields)}" if role == "replica" else f"a {role}"
            if mode != "standalone":
                is_a += f" of a {mode}"
            reason = Reason.READ_ONLY if wanted == "master" else Reason.WRONG_ROLE
            raise Fault(reason, f"this is {is_a}, expected is {wanted}", **evidence)
        self._version(str(evidence["version"]))
        policy = str(expect.get("maxmemory_policy", ""))
        if policy and policy != fields.get("maxmemory_policy"):
            text = f"maxmemory_policy is {fields.get('maxmemory_policy')}, expected is {policy}"
            raise Fault(Reason.UNEXPECTED, text, **evidence)
        lag, quiet = expect.get("max_lag_s"), number(fields, "master_last_io_seconds_ago")
        if isinstance(lag, int | float) and role == "replica":
            if fields.get("master_link_status") != "up" or quiet > lag:
                text = f"the replica has not heard of its master {master_of(fields)} for {quiet} s"
                raise Fault(Reason.LAGGING, text, **evidence)

    def _version(self, version: str) -> None:
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")

    async def _database(self) -> None:
        """The database that is expected, else the one that the login names."""
        named = self.login.get("database") if self.login else ""
        wanted = str(self.target.expect.get("database", named))
        if wanted and wanted != "0":  # where everybody is already: no client selects that one
            await self._call("SELECT", wanted)

    async def _enough_replicas(self, fields: Fields, evidence: dict[str, Json]) -> None:
        """A master that wants more good replicas than it has refuses every write (NOREPLICAS).

        INFO counts the good ones only where some are wanted; how many, CONFIG tells, which few
        users may ask. None at all is too few in any case.
        """
        if "min_slaves_good_slaves" not in fields or evidence["role"] != "master":
            return
        good = number(fields, "min_slaves_good_slaves")
        reply = await self._optional("CONFIG", "GET", "min-*-to-write")
        wanted = max((int(str(n)) for n in mapping(reply).values() if str(n).isdigit()), default=1)
        if good < wanted:
            text = (
                f"writes are refused (NOREPLICAS): {good} replicas follow closely enough, "
                f"min-replicas-to-write asks for {wanted if wanted > 1 else 'at least one'}"
            )
            raise Fault(Reason.READ_ONLY, text, **evidence)

    def _identified(self, evidence: Mapping[str, Json]) -> bool:
        wanted = self.target.expect.get("identity")
        allowed = wanted if isinstance(wanted, list) else [wanted]
        keys = ("identity", "run_id", "master_replid", "master_replid2", "node_id")
        return not wanted or any(evidence.get(key) in allowed for key in keys)

    # -- clusters and Sentinels -----------------------------------------------------------------

    async def _cluster(self, evidence: dict[str, Json], notes: list[Note]) -> Announced | None:
        """State of the cluster as this node sees it, and where it sends its clients."""
        reply = await self._optional("CLUSTER", "INFO")
        if isinstance(reply, RedisError):
            return None
        fields = info_fields(str(reply))
        served = number(fields, "cluster_slots_ok")
        evidence["cluster_state"], evidence["slots_ok"] = fields.get("cluster_state", ""), served
        if fields.get("cluster_state") != "ok":
            text = f"the cluster is down (CLUSTERDOWN): {served} of {read.SLOTS} slots are served"
            raise Fault(Reason.UNHEALTHY, text, **evidence)
        if served < read.SLOTS:
            notes.append((Reason.DEGRADED, f"only {served} of {read.SLOTS} slots are served"))
        nodes = await self._optional("CLUSTER", "NODES")
        if isinstance(nodes, str):
            self._members(nodes, evidence, notes)
        slots = await self._optional("CLUSTER", "SLOTS")
        return Announced(addresses=read.told_by_slots(slots), whom="cluster clients")

    def _members(self, text: str, evidence: dict[str, Json], notes: list[Note]) -> None:
        """CLUSTER NODES: id, address, flags, …; the ids together are the cluster's identity."""
        lines = [line.split(" ") for line in text.splitlines() if line.count(" ") >= 2]
        known = [p for p in lines if "handshake" not in p[2] and "noaddr" not in p[2]]
        ids = " ".join(sorted(p[0] for p in known))
        evidence["identity"] = "cluster-" + hashlib.sha256(ids.encode()).hexdigest()[:16]
        evidence["nodes"] = len(known)
        evidence["node_id"] = next((p[0] for p in known if "myself" in p[2]), "")
        evidence["own_slots"] = sum(read.own_slots(p[8:]) for p in known if "myself" in p[2])
        lost = [p[1].partition("@")[0] for p in known if {"fail", "fail?"} & {*p[2].split(",")}]
        if lost:
            notes.append((Reason.DEGRADED, f"nodes that are down: {', '.join(lost[:8])}"))

    def _one_of_many(self, evidence: Mapping[str, Json], notes: list[Note]) -> None:
        """A node that does not hold every slot sends plain clients away (MOVED) for the rest.

        Right for clients that speak the cluster protocol, which is what role `cluster` says.
        """
        wanted, own = self.target.expect.get("role"), evidence.get("own_slots")
        if wanted == "cluster" or own == read.SLOTS:
            return
        holds = f"which holds {own} of {read.SLOTS} slots" if own is not None else "one of several"
        text = (
            f"this is a node of a Redis Cluster, {holds}: clients that do not speak the cluster "
            "protocol get MOVED for all other keys"
        )
        if wanted:
            raise Fault(Reason.WRONG_ROLE, f"{text}; expected is a {wanted}", **evidence)
        notes.append((Reason.WRONG_ROLE, f"{text}; if yours do speak it, expect role cluster"))

    async def _sentinel(self, evidence: dict[str, Json]) -> Seen:
        """A Sentinel where a server is expected is the wrong door; else: what it watches."""
        reply = await self._call("SENTINEL", "MASTERS", may_fail=True)
        masters = [mapping(m) for m in items(reply)[:32]]
        addresses = [join_address(str(m.get("ip")), number(m, "port")) for m in masters]
        names = [str(m.get("name")) for m in masters]
        where = ", ".join(f"{n} at {a}" for n, a in zip(names, addresses, strict=True))
        evidence["masters"], evidence["role"] = [*addresses], "sentinel"
        evidence["identity"] = f"sentinel of {where}"
        if self.target.expect.get("role") != "sentinel":
            text = (
                "this is a Sentinel, not a Redis server: point the Service at the master "
                f"({where or 'it watches none'}), or expect role sentinel if clients ask it for one"
            )
            raise Fault(Reason.WRONG_ROLE, text, **evidence)
        if isinstance(reply, RedisError):
            raise read.fault_of(reply)
        self._version(str(evidence["version"]))
        wanted = str(self.target.expect.get("sentinel_master", ""))
        if not masters or (wanted and wanted not in names):
            text = f"it watches {where or 'no master'}, expected is {wanted or 'one'}"
            raise Fault(Reason.OBJECT_MISSING, text, **evidence)
        notes = [n for m in masters if (n := read.watched(m))]
        told = Announced(addresses=tuple(addresses), whom="Sentinel's clients")
        return self._with_notes(f"sentinel of {where}", notes, evidence, told)

    # -- commands -------------------------------------------------------------------------------

    async def _optional(self, *words: str) -> Reply:
        """A question that a user may lack the right to, or that a hardened server has renamed
        away (`rename-command`): an error reply then, which limits what is known and fails nothing.
        """
        reply = await self._call(*words, may_fail=True)
        if isinstance(reply, RedisError) and not read.not_for_us(reply):
            raise read.fault_of(reply)
        return reply

    async def _call(
        self, *words: str, may_fail: bool = False, may_fail_with: Reason | None = None
    ) -> Reply:
        """One command and its reply; an error reply that may not be is raised."""
        await self.stream.write(command(*words))
        reply = await self.replies.read()
        if isinstance(reply, RedisError):
            reply.command = words[0]
            fault = read.fault_of(reply)
            if not may_fail and fault.reason is not may_fail_with:
                raise fault
        return reply
