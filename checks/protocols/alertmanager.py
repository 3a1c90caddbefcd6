"""Alertmanager over its HTTP API, version 2 (its api/v2/openapi.yaml): GET only.

Its configuration comes along with the status and may hold secrets in URLs: it is not looked at.
Measured with Alertmanager 0.25: `notification_requests_total` counts every try, and a try that
fails is made again until the group's interval is over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Key, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    PATH,
    HttpApi,
    mapping,
    sequence,
    some,
    wrong_product,
)
from k8sext.model.result import Json
from k8sext.model.words import Reason

FAILED = "alertmanager_notification_requests_failed_total"  # from 0.22 on
TRIED = "alertmanager_notification_requests_total"
RELOADED = "alertmanager_config_last_reload_successful"
LOOK_AGAIN_S = 1.0  # how long after a first look at the counters the second one is
_SAMPLE = re.compile(r"([a-z_]{1,80})(?:\{([^}]{0,400})\})? ([0-9.eE+-]{1,24})(?: [0-9]+)?")
_LABELS = {
    word: re.compile(rf'\b{word}="([^"]{{0,64}})"') for word in ("integration", "receiver_name")
}
_ORDER = (Reason.NOTIFICATIONS_FAIL, Reason.CONFIG_REFUSED, Reason.LOADING)
Tries = Mapping[str, tuple[float, float]]


class Alertmanager(HttpApi):
    """Status, cluster, receivers, its own counters."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="alertmanager",
        summary="Alertmanager",
        proves="it is ready, its configuration is the newest, what it sends arrives; expected "
        "receivers and members are there",
        # Not by its port, 9093, which many a Kafka listens on, too.
        port_names=("alertmanager",),
        service_names=("alertmanager",),
        credential_keys=CREDENTIALS,
        expects={
            "path": PATH,
            "version": Key("range, e.g. >=0.25", "version"),
            "receivers": Key("names of receivers that must be configured", "words"),
            "members": Key("members that its cluster must have, itself included", "number"),
        },
    )
    first = "/api/v2/status"

    def recognise(self, answer: Response) -> Seen:
        """Its build."""
        status = mapping(answer.json())
        self.cluster = mapping(status.get("cluster"))
        self.version = str(mapping(status.get("versionInfo")).get("version") or "")
        if answer.status != 200 or not self.version or "status" not in self.cluster:
            raise wrong_product(answer, "Alertmanager")
        evidence: dict[str, Json] = {"product": "alertmanager", "version": self.version}
        return Seen(detail=f"version {self.version}", evidence=evidence)

    async def verify(self) -> Seen:
        """What the bridge expects, then what it tells of itself."""
        self.evidence: dict[str, Json] = {"product": "alertmanager", "version": self.version}
        spec = str(self.target.expect.get("version", ""))
        if spec and not version_in(self.version, spec):
            text = f"version {self.version}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, **self.evidence)
        await self._ready()
        said = [await self._receivers(), self._members()]
        notes = await self._counters()
        if self.cluster.get("status") == "settling":
            notes.append((Reason.LOADING, "its cluster is still settling"))
        reasons = [reason for reason, _ in notes]
        return Seen(
            detail="; ".join([*filter(None, said), *(text for _, text in notes)]),
            evidence=self.evidence,
            warning=next((r for r in _ORDER if r in reasons), None),
        )

    async def _ready(self) -> None:
        answer = await self.get("/-/ready")
        if answer.status >= 500:
            raise Fault(Reason.LOADING, f"/-/ready says {answer.status}", code=str(answer.status))

    async def _receivers(self) -> str:
        rows = sequence(await self.json("/api/v2/receivers", "list of receivers"))
        names = [str(mapping(row).get("name")) for row in rows]
        self.evidence["receivers"] = [*names[:32]]
        lacking = [
            str(name)
            for name in sequence(self.target.expect.get("receivers"))
            if str(name) not in names
        ]
        if lacking:
            text = f"there is no receiver {some(lacking)}; there are: {some(names) or 'none'}"
            raise Fault(Reason.OBJECT_MISSING, text, **self.evidence)
        return f"receivers: {some(names)}"

    def _members(self) -> str:
        """The cluster as it sees it. A server on its own lists nobody, not even itself."""
        on_its_own = self.cluster.get("status") == "disabled"
        members = 1 if on_its_own else len(sequence(self.cluster.get("peers")))
        self.evidence["members"] = members
        least = int(float(str(self.target.expect.get("members") or 0)))
        if members < least:
            text = f"its cluster has {members} members, expected are {least}"
            raise Fault(Reason.DEGRADED, text, **self.evidence)
        return "" if on_its_own else f"{members} members"

    async def _counters(self) -> list[tuple[Reason, str]]:
        """Its own metrics: the last reload, and what became of its notifications."""
        text = await self._metrics()
        notes: list[tuple[Reason, str]] = []
        if samples(text).get(RELOADED, {}).get("") == 0:
            words = "its newest configuration was refused: it runs with the one before"
            notes.append((Reason.CONFIG_REFUSED, words))
        before = tries(text)
        self.evidence["notifications"] = {
            name: {"tried": tried, "failed": failed} for name, (tried, failed) in before.items()
        }
        doubtful = [name for name, (_, failed) in before.items() if failed]
        if not doubtful:
            return notes
        lost = never(before)
        if len(lost) < len(doubtful):
            import asyncio  # what a check says of itself is read without it

            await asyncio.sleep(min(LOOK_AGAIN_S, self.stream.left_s / 2))
            lost = sorted({*lost, *still(before, tries(await self._metrics()))})
        if lost:
            self.evidence["notifications_failing"] = [*lost[:8]]
            notes.append(
                (Reason.NOTIFICATIONS_FAIL, f"nothing arrives that it sends by {some(lost)}")
            )
        return notes

    async def _metrics(self) -> str:
        """Its metrics, "" where they are not to be had (another path before it, a right)."""
        answer = await self.get("/metrics", {"Accept": "text/plain"})
        return answer.body.decode("utf-8", "replace") if answer.status == 200 else ""


def samples(text: str) -> dict[str, dict[str, float]]:
    """Metric to its values, of those that are looked at: by integration, and by receiver where the
    server was told to (`receiver-name-in-metrics`).
    """
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        sample = _SAMPLE.fullmatch(line) if line.startswith("alertmanager_") else None
        if not sample or sample[1] not in (FAILED, TRIED, RELOADED):
            continue
        try:
            value = float(sample[3])
        except ValueError:
            continue
        if math.isfinite(value):
            row = found.setdefault(sample[1], {})
            name = _of(sample[2] or "")
            row[name] = row.get(name, 0.0) + value
    return found


def _of(labels: str) -> str:
    hits = (pattern.search(labels) for pattern in _LABELS.values())
    return " to ".join(hit[1] for hit in hits if hit)


def tries(text: str) -> dict[str, tuple[float, float]]:
    """Integration to the number of its tries and of those that failed."""
    found = samples(text)
    failed = found.get(FAILED, {})
    return {n: (tried, failed.get(n, 0.0)) for n, tried in found.get(TRIED, {}).items() if tried}


def never(now: Tries) -> list[str]:
    """Integrations none of whose tries has ever succeeded."""
    return sorted(name for name, (tried, failed) in now.items() if tried and failed >= tried)


def still(before: Tries, now: Tries) -> list[str]:
    """Integrations that were tried in the meantime, each time in vain."""
    return sorted(
        name
        for name, (tried, failed) in now.items()
        if name in before
        and tried > before[name][0]
        and failed - before[name][1] >= tried - before[name][0]
    )
