"""Reading the answers of Elasticsearch and OpenSearch: pure, and right for any JSON.

Facts: measured with Elasticsearch 7.1.1 and 8.19.21 and OpenSearch 2.11.1; X-Elastic-Product is
sent from 7.14 on (elasticsearch-py #2076), and not with 401 or 403; OpenSearch says
`version.distribution`. What the official clients do: elasticsearch-py 7.13.4, 7.14.0, 7.17.12,
8.19.3 and 9.1.0 against those three servers, and their sources.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from k8sext.agent.check import Fault, Login
from k8sext.agent.expect import numbers, version_in
from k8sext.agent.wire.http import Response, basic
from k8sext.agent.wire.http_api import mapping, sequence, text_of
from k8sext.model.result import Json
from k8sext.model.words import Reason

TAGLINE = "You Know, for Search"
TAGLINES = (TAGLINE, "The OpenSearch Project: https://opensearch.org/")
NO_MASTER = ("master_not_discovered_exception", "cluster_manager_not_discovered_exception")
CLOSED = "4"
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([kmgtp]?)b", re.IGNORECASE)


def identified(answer: Response) -> dict[str, Json]:
    """What GET / says of the server. Raises Fault where something else answers, or it is unwell."""
    if b"This is not a HTTP port" in answer.body or b"not an HTTP port" in answer.body:
        raise Fault(Reason.WRONG_PROTOCOL, "this is the transport port, not the HTTP port")
    if answer.wants_tls:
        raise Fault(Reason.TLS_REQUIRED, "the server says that this is its HTTPS port")
    unwell = refusal(answer)
    if unwell:
        raise unwell
    data = mapping(answer.json())
    version = mapping(data.get("version"))
    number, flavor = text_of(version.get("number")), text_of(version.get("build_flavor"))
    official = answer.headers.get("x-elastic-product") == "Elasticsearch"
    tagline = data.get("tagline")
    if not (official or tagline in TAGLINES) or not (numbers(number) or official):
        raise _stranger(answer)
    product = text_of(version.get("distribution")) or "elasticsearch"
    if tagline == TAGLINES[1]:
        product = "opensearch"
    uuid = text_of(data.get("cluster_uuid"))
    known: dict[str, Json] = {
        "product": product,
        "version": number,
        "identity": "" if uuid == "_na_" else uuid,  # _na_: no cluster was ever formed
        "cluster_name": text_of(data.get("cluster_name")),
        "build_flavor": flavor,
        "official": official,
    }
    if number:
        known["clients"] = clients_of(product, number, official, flavor)
    return known


def _stranger(answer: Response) -> Fault:
    """HTTP, and not as Elasticsearch speaks it."""
    where = answer.redirect
    if where.startswith("https://"):
        return Fault(Reason.TLS_REQUIRED, f"it redirects to {where}", status=answer.status)
    who = "Kibana" if "kbn-name" in answer.headers else answer.headers.get("server", "")
    parts = (f"({answer.status}", f", {who}" if who else "", f", to {where}" if where else "", ")")
    text = f"HTTP answers {''.join(parts)}, and not as Elasticsearch or OpenSearch do"
    return Fault(Reason.WRONG_PRODUCT, text, status=answer.status)


def refusal(answer: Response) -> Fault | None:
    """What an error of a proxy, or of a server that is not well, means; None for other answers."""
    words, kind = reason_of(answer), error_type(answer)
    code = {"code": str(answer.status)}
    if b"Security not initialized" in answer.body:
        return Fault(Reason.LOADING, "its security plug-in is not initialised yet", **code)
    if answer.gateway:
        text = f"{answer.status} {answer.reason} from {answer.gateway}, a proxy in front of it"
        return Fault(Reason.UNHEALTHY, f"{text}, which does not reach it", **code)
    if kind in NO_MASTER or "/2/no master" in words or "/2/no cluster-manager" in words:
        return Fault(Reason.UNHEALTHY, f"no master is elected ({kind})", **code)
    if "/1/state not recovered" in words:
        return Fault(Reason.LOADING, "its state is not recovered yet", words=words, **code)
    if answer.status == 429:
        return Fault(Reason.UNHEALTHY, f"429, it is overloaded: {words}", **code)
    if answer.status >= 500:
        return Fault(Reason.SERVER_ERROR, f"{answer.status}: {words}", **code)
    return None


def asker(answer: Response) -> str:
    """Who asks for a login, as far as its 401 or 403 shows."""
    scheme = answer.headers.get("www-authenticate", "")
    if "OpenSearch Security" in scheme or "Open Distro Security" in scheme:
        return "OpenSearch"
    if error_type(answer) == "security_exception" or "x-elastic-product" in answer.headers:
        return "Elasticsearch"
    server = answer.headers.get("server", "").split("/")[0]
    return f"a proxy ({server})" if server else "the cluster or a proxy"


def denies(answer: Response) -> bool:
    """Whether a 403 is the cluster's own, and not that of something in front or in its place."""
    own = error_type(answer) in ("security_exception", "index_closed_exception")
    said = reason_of(answer).lower()
    return own or "x-elastic-product" in answer.headers or "no permissions for" in said


def authorization(login: Login) -> str:
    """The header's value: API key, bearer token, or user and password."""
    key, token = login.get("api_key"), login.get("token")
    if key:  # Kibana and the API give it encoded; id:key is what many write down
        key = base64.b64encode(key.encode()).decode() if ":" in key else key
        return f"ApiKey {key}"
    if token:
        return f"Bearer {token}"
    return basic(login.get("username", "elastic"), login.get("password"))


def clients_of(product: str, version: str, official: bool, flavor: str) -> dict[str, Json]:
    """What the official client of each major does with this server (elasticsearch-py; the other
    languages check alike).

    7 from 7.14 on: the tagline and, of servers 7.0 to 7.13, build_flavor `default`; of later
    servers the header. 8 and 9: the header with every first answer. 9 sends compatible-with=9,
    to which 8 answers 400; 7.11 and later ignore such a number (elasticsearch #63071).
    """
    number = numbers(version)
    real = product == "elasticsearch"
    if number >= (7, 14):
        seven = official
    else:
        seven = real and (number < (7,) or flavor == "default")
    found: dict[str, Json] = {"7 before 7.14": "does not look at the product"}
    found["7 from 7.14"] = "accepts it" if seven else "refuses it (UnsupportedProductError)"
    found["8"] = found["9"] = "refuses it (UnsupportedProductError)"
    if official:
        found["8"] = "accepts it" if number >= (8,) else "unsupported combination"
        found["9"] = "accepts it" if number >= (9,) else "unsupported combination"
        if (8,) <= number < (9,):
            found["9"] = "refused by it (400, compatible-with=9)"
    return found


def refused_client(client: str, clients: dict[str, Any]) -> str:
    """What keeps an official client of that version out; "" if nothing is known to."""
    number = numbers(client)
    names = [name for name in clients if name.split()[0] == client.split(".")[0]]
    if number[:1] == (7,) and len(number) > 1:
        names = ["7 before 7.14" if number < (7, 14) else "7 from 7.14"]
    said = [text_of(clients.get(name)) for name in names]
    return said[-1] if said and all("refuse" in words for words in said) else ""


def said_of(known: dict[str, Json]) -> str:
    """Product and version, and which official clients have no way in."""
    if not known:
        return ""
    out = [name for name, what in mapping(known.get("clients")).items() if "refuse" in what]
    who = f"{known['product']} {known['version'] or 'of a version that / does not tell'}"
    return f"{who}; no way in for official clients {', '.join(out)}" if out else who


def explained(data: dict[str, Any]) -> str:
    """Why one shard is not assigned, from the allocation explanation; "" where it is not told."""
    if not data.get("index"):
        return ""
    shard = "primary" if data.get("primary") is True else "replica"
    why = text_of(mapping(data.get("unassigned_info")).get("reason"))
    text = f"{shard} of {text_of(data.get('index'))} ({why or 'no reason given'})"
    deciders = [
        text_of(mapping(decider).get("explanation"))
        for node in sequence(data.get("node_allocation_decisions"))
        for decider in sequence(mapping(node).get("deciders"))
    ]
    said = next(filter(None, deciders), "") or text_of(data.get("allocate_explanation"))
    return f"{text}: {said}" if said else text


def lost_primary(rows: Any) -> int:
    """The first primary shard that is not assigned, from `_cat/shards`; 0 where none is."""
    for row in map(mapping, sequence(rows)):
        number = text_of(row.get("shard"))
        lost = row.get("prirep") == "p" and row.get("state") == "UNASSIGNED"
        if lost and number.isascii() and number.isdigit() and len(number) < 6:
            return int(number)
    return 0


def stops_writes(block: Any) -> bool:
    """Whether a block of the cluster state holds back writes."""
    return "write" in sequence(mapping(block).get("levels"))


def stopped_indices(indices: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Index name to its blocks that hold back writes: number and description."""
    found: dict[str, dict[str, str]] = {}
    for name, blocks in indices.items():
        stopping = {
            number: text_of(mapping(block).get("description"))
            for number, block in mapping(blocks).items()
            if stops_writes(block) or number == CLOSED
        }
        if stopping:
            found[name] = stopping
    return found


def disk_of(node: Any) -> tuple[str, int, int] | None:
    """Name, size and free bytes of a data node's disks."""
    total = mapping(mapping(mapping(node).get("fs")).get("total"))
    size, free = count_of(total.get("total_in_bytes")), count_of(total.get("available_in_bytes"))
    roles = [text_of(role) for role in sequence(mapping(node).get("roles"))]
    if not size or (roles and not any(role.startswith("data") for role in roles)):
        return None
    return text_of(mapping(node).get("name")), size, free


def used(size: int, free: int) -> float:
    """Share of a disk that is in use."""
    return min(max((size - free) / size, 0.0), 1.0)


def marks_of(settings: dict[str, Any]) -> dict[str, str]:
    """The watermark settings in force, by their names below `disk.`; {} where there are none."""
    found: dict[str, str] = {}
    for source in ("defaults", "persistent", "transient"):
        part = settings.get(source)
        for key in ("cluster", "routing", "allocation", "disk"):
            part = mapping(part).get(key)
        _flatten(mapping(part), "", found, 4)
    return found if found.get("threshold_enabled") == "true" else {}


def _flatten(tree: dict[str, Any], prefix: str, into: dict[str, str], depth: int) -> None:
    for key, value in tree.items():
        if isinstance(value, dict) and depth:
            _flatten(mapping(value), f"{prefix}{key}.", into, depth - 1)
        elif isinstance(value, str):
            into[prefix + key] = value


def passed(marks: dict[str, str], size: int, free: int) -> str:
    """The highest watermark that a disk is over: "flood_stage", "high", "low" or ""."""
    for name in ("flood_stage", "high", "low"):
        mark = marks.get(f"watermark.{name}", "")
        if mark and free < _room(mark, marks.get(f"watermark.{name}.max_headroom", ""), size):
            return name
    return ""


def _room(mark: str, headroom: str, size: int) -> float:
    """Free bytes that a watermark asks for: 90%, 0.9, or an amount such as 500mb."""
    absolute = _bytes(mark)
    if absolute is not None:
        return absolute
    try:
        share = float(mark.removesuffix("%")) / (100 if mark.endswith("%") else 1)
    except ValueError:
        return 0.0
    most = _bytes(headroom)
    room = size * (1 - share)
    return room if most is None else min(room, most)


def _bytes(text: str) -> float | None:
    found = _SIZE.fullmatch(text.strip())
    if not found:
        return None
    return float(found[1]) * 1024.0 ** " kmgtp".index(found[2].lower() or " ")


def published(address: str) -> str:
    """host:port from a publish address, which may be `name/ip:port`: clients take the name."""
    name, slash, rest = address.partition("/")
    return f"{name}:{rest.rpartition(':')[2]}" if slash and name else rest or name


def error_type(answer: Response) -> str:
    """The type of an Elasticsearch error; "" where there is none."""
    return text_of(mapping(mapping(answer.json()).get("error")).get("type"))


def reason_of(answer: Response) -> str:
    """The server's own words for an error."""
    error = mapping(answer.json()).get("error")
    words = text_of(mapping(error).get("reason")) or error_type(answer) or text_of(error)
    return words or answer.reason or "no reason given"


def allowed(answer: Response) -> None:
    """Raises Fault where the cluster wants another user, or any."""
    reasons = {401: Reason.AUTH_REQUIRED, 403: Reason.PERMISSION_DENIED}
    if answer.status in reasons:
        words = f"{answer.status}: {reason_of(answer)}"
        raise Fault(reasons[answer.status], words, code=str(answer.status))


def within(version: str, spec: str) -> bool:
    """Whether the version is in the range. Raises Fault for a range that is none."""
    try:
        return version_in(version, spec)
    except ValueError as error:
        raise Fault(Reason.BAD_EXPECTATION, f"expect.version: {error}") from error


def count_of(value: Any) -> int:
    """The value if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
