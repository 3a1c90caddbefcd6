"""Marked test documents in an Elasticsearch that a check visits: found, and deleted again.

Requests: Elasticsearch 7.1 reference, "URI Search", "Refresh", "Delete API"; the same in 6 to 9 and
in OpenSearch. Only what was found by its mark is deleted, one document at a time, by its id.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from k8sext.agent.check import Fault, WireCheck
from k8sext.model.data import dataclass
from k8sext.model.words import Reason

from .companion import Web
from .http_api import mapping, sequence

MANY = 16  # marked documents at most: a consumer may deliver twice
PAUSE_S = 0.4
_ANY_INDEX = {"allow_no_indices": "true", "ignore_unavailable": "true"}


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a document is."""

    index: str
    id: str
    kind: str = "_doc"  # its type, which Elasticsearch 8 no longer tells

    @property
    def path(self) -> str:
        """Of the request that deletes it."""
        return "/" + "/".join(quote(p, safe="") for p in (self.index, self.kind, self.id))


class Documents:
    """Questions to the Elasticsearch behind a companion bridge."""

    def __init__(self, other: WireCheck) -> None:
        self.web = Web(other, "elasticsearch", "elasticsearch")
        self.where = self.web.where
        self.words = ""  # the last error that was no answer to the question

    async def count(self, index: str) -> int | None:
        """Documents in the indices that match; None where none does. Raises Fault."""
        path = f"/{_name(index)}/_count?{urlencode(_ANY_INDEX)}"
        data = mapping(await self.web.json(path, f"index {index}"))
        if not mapping(data.get("_shards")).get("total"):
            return None
        return _whole(data.get("count"))

    async def blocks(self, index: str) -> list[str]:
        """What keeps all the indices behind a name from taking documents; [] where one takes them
        (old ones are often closed for writes on purpose), or where it may not be asked.
        """
        path = f"/{_name(index)}/_settings/index.uuid,index.blocks.*?flat_settings=true"
        answer = await self.web.send("GET", path)
        told = mapping(answer.json()) if answer.status == 200 else {}
        found: list[str] = []
        for name, about in told.items():
            settings = mapping(mapping(about).get("settings"))
            on = (k for k in _BLOCKS if str(settings.get(k)).lower() == "true")
            first = next(on, "")
            if not first:
                return []
            found.append(f"{name}: {first}")
        return found

    async def find(self, index: str, mark: str, *, refresh: bool = True) -> list[Hit]:
        """Documents with the mark in them, at most MANY; not yet searchable counts as not there.

        An index may analyse text into parts of words, so that a search finds what only resembles
        the mark: what does not hold the mark itself is none of ours.
        """
        where = f"/{_name(index)}"
        if refresh:
            await self.web.send("POST", f"{where}/_refresh?{urlencode(_ANY_INDEX)}")
        asked = {"q": f'"{mark}"', "size": str(MANY), "lenient": "true", "timeout": "1s"}
        answer = await self.web.send("GET", f"{where}/_search?{urlencode(asked | _ANY_INDEX)}")
        if answer.status in (401, 403):
            text = f"{self.where}: its login may not search in {index} ({answer.status})"
            raise Fault(Reason.PERMISSION_DENIED, text, code=str(answer.status))
        if answer.status != 200:  # 503: the index was made just now
            self.words = f"{answer.status} {answer.reason}".strip()
            return []
        hits = sequence(mapping(mapping(answer.json()).get("hits")).get("hits"))
        return [hit for hit in (_hit(h, mark) for h in hits[:MANY]) if hit]

    async def wait_for(self, index: str, mark: str, until: float) -> list[Hit]:
        """As `find`, again and again until something is there or the loop's time is `until`."""
        while True:
            hits = await self.find(index, mark)
            stream = self.web.other.stream
            if hits or stream.now() + PAUSE_S > until:
                return hits
            await stream.pause(PAUSE_S)

    async def remove(self, hits: Sequence[Hit]) -> str:
        """Delete them; "" if all are gone, else what is left and why."""
        left: list[str] = []
        for hit in hits:
            answer = await self.web.send("DELETE", f"{hit.path}?refresh=true")
            if answer.status not in (200, 404):
                left.append(f"{hit.index}/{hit.id} ({answer.status} {answer.reason})")
        return ", ".join(left)


_BLOCKS = ("index.blocks.read_only_allow_delete", "index.blocks.read_only", "index.blocks.write")


def _hit(value: Any, mark: str) -> Hit | None:
    found = mapping(value)
    index, id, kind = found.get("_index"), found.get("_id"), found.get("_type") or "_doc"
    if not (isinstance(index, str) and isinstance(id, str) and isinstance(kind, str)):
        return None
    return Hit(index, id, kind) if mark in json.dumps(found.get("_source")) else None


def _name(index: str) -> str:
    return quote(index, safe="*,-")


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
