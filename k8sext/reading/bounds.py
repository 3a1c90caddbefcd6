"""How much is read of what others wrote, and the error where it cannot be read."""

from __future__ import annotations

from k8sext.model.data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is read at most of one file. `nodes` and `depth` count aliases as often as used."""

    size: int = 4 << 20  # bytes
    depth: int = 50  # levels of mappings and lists
    nodes: int = 100_000


# Of hundreds of clusters, each with its certificates, a kubeconfig is a few MB.
KUBECONFIG = Bounds(size=16 << 20, nodes=300_000)
DOCUMENT = Bounds()
REPORT = Bounds(size=256 << 20)  # of thousands of bridges
# What one Secret may hold is 1 MiB (pkg/apis/core/validation: MaxSecretSize).
VALUE = Bounds(size=1 << 20)


class Unreadable(Exception):
    """Why a file cannot be read: a clause without any of its content. `place` is `:LINE:COLUMN`."""

    def __init__(self, why: str, place: str = "") -> None:
        super().__init__(why)
        self.why, self.place = why, place
