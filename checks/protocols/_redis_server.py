"""What Redis says: its errors, and where it and a Sentinel send their clients.

Error prefixes are those of redis `src/server.c`, `src/networking.c`, `src/acl.c`.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8sext.agent.check import Fault
from k8sext.agent.redis_info import Note, number
from k8sext.agent.resp import RedisError, Reply, items
from k8sext.model.plan import join_address
from k8sext.model.words import Reason

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
