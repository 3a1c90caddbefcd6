"""What Apollo's config service says, and how a client signs: pure.

Facts: apolloconfig/apollo, `apollo-configservice`: `metaservice/controller/ServiceController.java`
(lists of instances), `configservice/controller/ConfigController.java` (404, release key, and the
audit that writes each reader's address down), `NotificationControllerV2.java` (held until there is
something newer), `configservice/filter/ClientAuthenticationFilter.java` with apollo-core's
`Signature.java` (access keys: HMAC-SHA1 over time and path; where the server has none for the
application, nothing is compared). Measured with 1.9.2 and 2.5.2: a healthy `/health` is 200 with
`{"groups":[],"status":{"code":"UP","description":""}}` (Gson); where the database is gone it is
silent for 30 s and then 500 with `exception` and `message`, while `/services/config` answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import mapping, sequence, text_of
from k8sext.agent.wire.spring import status_word, without_secrets
from k8sext.model.data import dataclass
from k8sext.model.plan import join_address

CONFIG_SERVICES = "/services/config"
ADMIN_SERVICES = "/services/admin"
HEALTH = "/health"
MARK = "k8sext"  # as which instance a config is read, with --active
SKEW_S = 60  # what the server's clock may differ from a client's (the default)
_PORTS = {"http": 80, "https": 443}


def services_of(answer: Response) -> list[str] | None:
    """The home pages in a list of instances; None where the answer is no such list."""
    data = answer.json()
    if answer.status != 200 or not isinstance(data, list):
        return None
    pages = [mapping(one).get("homepageUrl") for one in sequence(data)]
    return [p for p in pages if isinstance(p, str)] if all(map(_is_page, pages)) else None


def _is_page(page: Any) -> bool:
    return isinstance(page, str) and bool(page)


def address_of(page: str) -> str:
    """host:port of a home page, as clients dial it; the text itself where it has none."""
    try:
        parts = urlsplit(page)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return page
    return join_address(parts.hostname, port) if parts.hostname and port else page


def at_the_root(page: str) -> bool:
    """Whether a home page has no path: what is asked there can be asked without one."""
    try:
        return urlsplit(page).path in ("", "/")
    except ValueError:
        return True  # no address at all, which is found out soon


def config_path(app: str, cluster: str, namespace: str) -> str:
    """What a client asks for to have a namespace's config, as an instance of our own name."""
    names = "/".join(quote(part, safe="") for part in (app, cluster, namespace))
    return f"/configs/{names}?{urlencode({'ip': MARK})}"


def notification_path(app: str, cluster: str, namespace: str) -> str:
    """What a client asks for to be told of what is newer than nothing."""
    wanted = json.dumps([{"namespaceName": namespace, "notificationId": -1}], separators=(",", ":"))
    query = {"appId": app, "cluster": cluster, "notifications": wanted}
    return f"/notifications/v2?{urlencode(query, quote_via=quote, safe='')}"


@dataclass(frozen=True, slots=True)
class Published:
    """What a server answers to the question of a waiting client: the number of the latest
    publication (-1: none), and the clusters of which it was.
    """

    number: int = -1
    clusters: tuple[str, ...] = ()


def published(answer: Response) -> Published:
    """From `[{"namespaceName": …, "notificationId": 42, "messages": {"details":
    {"APP+CLUSTER+NAMESPACE": 42}}}]`: whoever asks for a cluster is told of `default`, too.
    """
    found = [mapping(one) for one in sequence(answer.json())]
    numbers = [n for one in found if isinstance(n := one.get("notificationId"), int)]
    keys = [k for one in found for k in mapping(mapping(one.get("messages")).get("details"))]
    clusters = (k.split("+")[1] for k in keys if k.count("+") == 2)
    return Published(max(numbers, default=-1), tuple(dict.fromkeys(clusters)))


def same(one: str, other: str) -> bool:
    """Whether two clusters are one: Apollo's databases do not tell upper from lower case."""
    return one.casefold() == other.casefold()


def signed(app: str, key: str, path: str, now_s: float) -> dict[str, str]:
    """The headers of a request signed with an access key; the key itself is not in them."""
    stamp = str(int(now_s * 1000))
    digest = hmac.new(key.encode(), f"{stamp}\n{path}".encode(), hashlib.sha1).digest()
    text = base64.b64encode(digest).decode()
    return {"Authorization": f"Apollo {app}:{text}", "Timestamp": stamp}


def skew_of(answer: Response, now_s: float) -> float | None:
    """By how many seconds the server's clock is ahead; None where it does not tell the time."""
    try:
        there = answer.clock
        return there.timestamp() - now_s if there else None
    except (ValueError, OverflowError):
        return None


def health_word(answer: Response) -> str:
    """What a health page says of the whole; "" where it is no health page. In an error of the
    server's `status` is a number.
    """
    return status_word(mapping(answer.json()).get("status"))


def unwell(answer: Response) -> str:
    """Which components a health page names that are not up, in words, else the words of the error
    that came in its place; "" for neither.
    """
    said = mapping(answer.json())
    parts = mapping(said.get("components")) or mapping(said.get("details"))
    words = {n: status_word(mapping(p).get("status")) for n, p in parts.items()}
    bad = [f"{n} is {word}" for n, word in words.items() if word not in ("", "UP")]
    return ", ".join(bad[:4]) or without_secrets(text_of(said.get("message")))


def listed(pages: Sequence[str]) -> tuple[str, ...]:
    """Addresses to look at, each once, in their order."""
    return tuple(dict.fromkeys(address_of(p)[:120] for p in pages))
