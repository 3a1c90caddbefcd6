"""What Redis says: its errors, and where it and a Sentinel send their clients.

Error prefixes are those of redis `src/server.c`, `src/networking.c`, `src/acl.c`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k8sext.agent.check import Fault
from k8sext.model.plan import join_address
from k8sext.model.words import Reason

from .info import Fields, Note, number
from .resp import RedisError, Reply, items

# By the first word of an error.
_ERRORS = {
    "NOAUTH": Reason.AUTH_REQUIRED,
    "WRONGPASS": Reason.AUTH_REJECTED,
    "NOPERM": Reason.PERMISSION_DENIED,
    "DENIED": Reason.PROTECTED_MODE,
    "LOADING": Reason.LOADING,
    "BUSYLOADING": Reason.LOADING,
    "MASTERDOWN": Reason.UNHEALTHY,
    "MISCONF": Reason.UNHEALTHY,
    "CLUSTERDOWN": Reason.UNHEALTHY,
    "NOREPLICAS": Reason.UNHEALTHY,
    "BUSY": Reason.UNHEALTHY,  # a script runs, and nobody else is served
    "READONLY": Reason.READ_ONLY,
    "OOM": Reason.ALARM,
}
# By how an error begins, where its first word says nothing.
_SENTENCES = (
    ("ERR invalid password", Reason.AUTH_REJECTED),  # before Redis 6
    ("ERR max number of clients", Reason.TOO_MANY_CONNECTIONS),
    # A user name where the server knows none (before Redis 6).
    ("ERR wrong number of arguments for 'auth'", Reason.AUTH_METHOD_UNSUPPORTED),
    ("ERR DB index is out of range", Reason.DATABASE_MISSING),
    ("ERR invalid DB index", Reason.DATABASE_MISSING),
    ("ERR SELECT is not allowed in cluster mode", Reason.DATABASE_MISSING),
    ("no upstream host", Reason.UNHEALTHY),  # Envoy's Redis proxy
    ("upstream failure", Reason.UNHEALTHY),
)

# It has no password, and refuses whoever sends one: Redis 6 and later; before.
_NO_PASSWORD = ("without any password configured", "but no password is set")

SLOTS = 16384  # of a cluster
KEPT = (
    "run_id", "master_replid", "master_replid2", "used_memory", "maxmemory", "maxmemory_policy",
    "connected_clients", "maxclients", "connected_slaves", "master_link_status", "denied",
)  # fmt: skip


def fault_of(error: RedisError) -> Fault:
    """An error reply as a stage's end."""
    words, first = error.words, error.words.split(" ", 1)[0]
    by_sentence = next((r for start, r in _SENTENCES if words.startswith(start)), None)
    reason = _ERRORS.get(first) or by_sentence or Reason.SERVER_ERROR
    if error.command == "SELECT" and reason is Reason.SERVER_ERROR:  # "value is not an integer"
        reason = Reason.DATABASE_MISSING
    return Fault(reason, words, words=words, code=first, command=error.command)


# Redis 2.8 to 8, Envoy, Twemproxy's followers, managed services that take commands away.
_NOT_THERE = ("unknown command", "unknown subcommand", "unsupported command", "not supported",
    "not allowed", "is disabled")  # fmt: skip


def not_for_us(error: RedisError) -> bool:
    """Whether the user may not ask that, or the server does not have the command."""
    words = error.words.lower()
    return words.startswith("noperm") or any(part in words for part in _NOT_THERE)


def version_of(fields: Fields) -> str:
    """A version of whatever product: Pika, Kvrocks and others name it in fields of their own."""
    return next((v for key, v in fields.items() if key.endswith("version") and v), "")


def stranger(why: str) -> Fault:
    """What says PONG and is no Redis: a stub of a health check, an echo, another product."""
    return Fault(
        Reason.WRONG_PRODUCT, f"it says PONG, and is neither Redis nor a relative of it: {why}"
    )


def roles(role: str, mode: str) -> tuple[str, ...]:
    """What a server may be called: a standalone one takes writes and belongs to no cluster."""
    alone = ("standalone",) if (role, mode) == ("master", "standalone") else ()
    return (role, mode if mode != "standalone" else "", *alone)


def own_slots(parts: Sequence[str]) -> int:
    """How many slots a line of CLUSTER NODES gives its node: `0-5460`, `7`; not `[7-<-id]`."""
    ranges = (p.partition("-") for p in parts if p and p[0].isdigit())
    pairs = ((a, b or a) for a, _, b in ranges)
    return sum(int(b) - int(a) + 1 for a, b in pairs if a.isdigit() and b.isdigit())


def auth_fault_of(error: RedisError) -> Fault:
    """An error reply to AUTH. A server without a password refuses every client that sends one."""
    fault = fault_of(error)
    if not any(words in error.words for words in _NO_PASSWORD):
        return fault
    text = f"{error.words}; it has no password, set one (requirepass) or take it out of the Secret"
    return Fault(Reason.AUTH_REJECTED, text, **fault.evidence)


def told_by_slots(reply: Reply) -> tuple[str, ...]:
    """The addresses of CLUSTER SLOTS. No host means: the one that the client is connected to."""
    nodes = (items(node) for part in items(reply) for node in items(part)[2:])
    pairs = ((str(n[0]), n[1]) for n in nodes if len(n) > 1 and n[0] and n[0] != "?")
    return tuple(dict.fromkeys(join_address(h, p) for h, p in pairs if isinstance(p, int)))


def watched(master: Mapping[str, Reply]) -> Note | None:
    """What a Sentinel says of a master, where that is not good."""
    name, flags = master.get("name"), str(master.get("flags")).split(",")
    if "o_down" in flags:
        raise Fault(Reason.UNHEALTHY, f"the Sentinels agree that master {name} is down")
    if "s_down" in flags:
        return Reason.DEGRADED, f"this Sentinel does not reach master {name}"
    known, quorum = number(master, "num-other-sentinels") + 1, number(master, "quorum")
    text = f"{known} Sentinels know master {name}, a fail-over needs {quorum}"
    return (Reason.DEGRADED, text) if known < quorum else None
