"""What Redis' INFO says of a server: who it is, and what of its state is worth a word.

Fields: https://redis.io/docs/latest/commands/info/; Valkey, KeyDB and Dragonfly have them too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from k8sext.agent.fault import Fault
from k8sext.model.plan import OUR_CONNECTIONS, join_address
from k8sext.model.words import Reason

Fields = Mapping[str, str]
Note = tuple[Reason, str]

NEARLY = 0.9  # of maxmemory or maxclients: worth a warning
QUIET_S = 60  # a replication link that has been silent for longer is worth one
_NUMBER = re.compile(r"-?[0-9]{1,18}")


def info_fields(text: str) -> dict[str, str]:
    """`INFO` as a mapping: lines `key:value`, sections begin with `#`."""
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, _, value in lines}


def product_of(fields: Fields) -> tuple[str, str]:
    """Product and its own version; relatives of Redis give theirs in fields of their own."""
    redis = fields.get("redis_version", "")
    if "dragonfly_version" in fields:
        return "dragonfly", fields["dragonfly_version"].removeprefix("df-").lstrip("v")
    if fields.get("server_name") == "valkey" or "valkey_version" in fields:
        return "valkey", fields.get("valkey_version") or redis
    if "thread_0_clients" in fields or "keydb" in fields.get("executable", ""):
        return "keydb", redis
    return "redis", redis


def role_of(fields: Fields) -> str:
    """master or replica; the words changed with Redis 5, and KeyDB has active replicas."""
    said = fields.get("role", "")
    return {"slave": "replica", "active-replica": "master"}.get(said, said)


def number(fields: Mapping[str, object], key: str) -> int:
    """A field as a number; what is none, or not there, is 0."""
    text = str(fields.get(key, ""))
    return int(text) if _NUMBER.fullmatch(text) else 0


def memory(fields: Fields) -> Note | None:
    """Memory that nothing will be evicted from, and that is nearly or wholly full."""
    limit, policy = number(fields, "maxmemory"), fields.get("maxmemory_policy", "")
    used = number(fields, "used_memory") - number(fields, "mem_not_counted_for_evict")
    if limit <= 0 or policy != "noeviction" or used < NEARLY * limit:
        return None
    percent = f"{100 * used // limit} % of maxmemory is used and nothing is evicted (noeviction)"
    if used < limit:
        return Reason.ALARM, f"{percent}: soon writes are refused"
    raise Fault(Reason.ALARM, f"{percent}: writes are refused (OOM)")


def persistence(fields: Fields) -> list[Note]:
    """Writing to disk that failed."""
    keys = ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
    return [(Reason.DEGRADED, f"{k} is err") for k in keys if fields.get(k) == "err"]


def clients(fields: Fields) -> list[Note]:
    """Connections that are nearly used up, and not by our own probes."""
    limit, now = number(fields, "maxclients"), number(fields, "connected_clients")
    full = 0 < limit and now >= NEARLY * limit and now - OUR_CONNECTIONS >= limit / 2
    return [(Reason.NEARLY_FULL, f"{now} of {limit} clients are connected")] if full else []


def replication(fields: Fields) -> list[Note]:
    """A replica that has lost its master, a master whose replicas lag."""
    if role_of(fields) == "replica":
        master = master_of(fields)
        if fields.get("master_link_status") != "up":
            down = fields.get("master_link_down_since_seconds", "?")
            what = "is being copied" if fields.get("master_sync_in_progress") == "1" else "is down"
            text = f"the link to its master {master} {what} ({down} s): its data are old"
            return [(Reason.LAGGING, text)]
        quiet = number(fields, "master_last_io_seconds_ago")
        text = f"its master {master} has been silent for {quiet} s"
        return [(Reason.LAGGING, text)] if quiet > QUIET_S else []
    bad = [r for r in replicas(fields) if r.get("state") != "online" or number(r, "lag") > QUIET_S]
    said = ", ".join(f"{r.get('ip')}:{r.get('port')} {r.get('state')}" for r in bad[:8])
    return [(Reason.DEGRADED, f"replicas that do not follow: {said}")] if bad else []


def replicas(fields: Fields) -> list[dict[str, str]]:
    """A master's lines `slaveN:ip=…,port=…,state=…,lag=…`."""
    lines = [v for k, v in fields.items() if k[:5] == "slave" and k[5:].isdigit()]
    parts = ([p.partition("=") for p in line.split(",")] for line in lines)
    return [{key: value for key, _, value in line} for line in parts]


def master_of(fields: Fields) -> str:
    """Where a replica copies from."""
    return join_address(fields.get("master_host", "?"), number(fields, "master_port"))


def described(fields: Fields, mode: str) -> str:
    """Role and mode in a few words."""
    role = role_of(fields)
    text = f"{role} of {master_of(fields)}" if fields.get("master_host") else role
    text = f"{mode} node, {text}" if mode != "standalone" else text
    denied = f"INFO may not be asked ({fields.get('denied')}); the server takes commands"
    return f"{text}; {denied}".lstrip("; ") if fields.get("denied") else text


def state(fields: Fields) -> list[Note]:
    """Everything that is not as it should be, the worst first. Raises Fault where it is full."""
    full = memory(fields)
    rest = [*replication(fields), *persistence(fields), *clients(fields)]
    return [full, *rest] if full else rest
