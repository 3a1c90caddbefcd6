"""Which of the pods that carry a run's label are believed: pure, fed with pods as they are seen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from k8sext.model.data import dataclass
from k8sext.model.secret import printable

from . import proof
from .proof import Made, Spec

Pod = Mapping[str, Any]
MAX_INTRUDERS = 50  # whoever may create pods may create many
MAX_ASKED = 8


class PodClaim(Enum):
    """What is made of a pod."""

    OURS = "ours"
    ASK = "ask"  # our Job's, and not as its template says: did admission change it?
    WAIT = "wait"  # that is being asked
    NOT = "not"  # an intruder
    CHANGED = "changed"  # it was ours, and was changed since


@dataclass(frozen=True, slots=True)
class Intruder:
    """A pod that carries the run's label and is not believed. `owned`: our Job controls it."""

    name: str
    why: str
    owned: bool


@dataclass(frozen=True, slots=True)
class _Chosen:
    uid: str
    name: str
    expected: Spec
    strict: frozenset[str]  # containers that admission added
    changes: tuple[str, ...]  # what admission made of the template


class Claims:
    """The pods of one Job. The first that is proven for a shard is the one; its UID counts."""

    def __init__(self, made: Made, shards: int) -> None:
        self.made, self.shards = made, shards
        self.chosen: dict[int, _Chosen] = {}
        self.intruders: dict[str, Intruder] = {}  # by UID
        self.asked: set[str] = set()

    def of(self, pod: Pod) -> PodClaim:
        """What a pod is, as it was just seen."""
        shard, why = proof.shard_of(pod), proof.foreign(pod, self.made)
        if why:
            return self._refused(pod, why, owned=False)
        if shard is None or shard >= self.shards:
            return self._refused(pod, "its index is none of our Job's", owned=True)
        chosen = self.chosen.get(shard)
        if chosen and chosen.uid == uid_of(pod):
            return PodClaim.CHANGED if self.doubt(shard, pod) else PodClaim.OURS
        if chosen:
            return self._refused(pod, f"{chosen.name} was there before it", owned=True)
        if uid_of(pod) in self.intruders:
            return PodClaim.NOT
        if not self._differs(pod):
            return self._accepted(shard, pod, self.made.spec)
        if uid_of(pod) in self.asked or len(self.asked) >= MAX_ASKED:
            return PodClaim.WAIT
        self.asked.add(uid_of(pod))
        return PodClaim.ASK

    def admitted(self, pod: Pod, expected: Spec | None, why: str) -> PodClaim:
        """After ASK: what admission makes of the template, or why the API server does not say."""
        shard = proof.shard_of(pod)
        if expected is not None and shard is not None and shard not in self.chosen:
            strict = proof.added(self.made.spec, expected)
            if not proof.differences(expected, _spec(pod), strict):
                return self._accepted(shard, pod, expected, strict)
        what = "; ".join(self._differs(pod)[:3])
        return self._refused(pod, f"{what}; {why}", owned=True)

    def doubt(self, shard: int, pod: Pod) -> str:
        """Why the chosen pod is not believed any more, as it is read now; "" where it is."""
        chosen = self.chosen[shard]
        if uid_of(pod) != chosen.uid:
            return f"the pod {chosen.name} was replaced by another of its name"
        if proof.restarted(pod):
            return f"the container of the pod {chosen.name} was started again"
        changed = proof.differences(chosen.expected, _spec(pod), chosen.strict)
        return f"the pod {chosen.name} was changed: {changed[0]}" if changed else ""

    def _differs(self, pod: Pod) -> tuple[str, ...]:
        found = proof.differences(self.made.spec, _spec(pod))
        return (*found, *(["its container was started again"] if proof.restarted(pod) else []))

    def _accepted(
        self, shard: int, pod: Pod, expected: Spec, strict: frozenset[str] = frozenset()
    ) -> PodClaim:
        if proof.restarted(pod):
            return self._refused(pod, "its container was started again", owned=True)
        changes = proof.differences(self.made.spec, expected)
        self.chosen[shard] = _Chosen(uid_of(pod), _name(pod), expected, strict, changes)
        return PodClaim.OURS

    def _refused(self, pod: Pod, why: str, *, owned: bool) -> PodClaim:
        if len(self.intruders) < MAX_INTRUDERS:
            intruder = Intruder(printable(_name(pod), 253), why, owned)
            self.intruders.setdefault(uid_of(pod), intruder)
        return PodClaim.NOT


def _meta(pod: Pod) -> Mapping[str, Any]:
    found = pod.get("metadata")
    return found if isinstance(found, Mapping) else {}


def uid_of(pod: Pod) -> str:
    """Its UID; "" where it says none."""
    return str(_meta(pod).get("uid") or "")


def _name(pod: Pod) -> str:
    return str(_meta(pod).get("name") or "")


def _spec(pod: Pod) -> Spec:
    found = pod.get("spec")
    return found if isinstance(found, Mapping) else {}
