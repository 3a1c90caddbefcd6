"""Workloads and the bridges that they name: facts read off objects, no probe."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from .data import dataclass


class How(StrEnum):
    """How a bridge is meant by what is written."""

    NAME = "name"  # the Service, in any of the forms that DNS knows
    CLUSTER_IP = "cluster-ip"  # the Service's own address
    ENDPOINT = "endpoint"  # an address behind the Service: the bridge is passed by
    TARGET = "target"  # the outside name of an ExternalName or an origin: passed by as well
    IMAGE = "image"  # the registry of an image, which the node pulls
    SECRET = "secret"  # noqa: S105 - a Secret that the bridge names, without the bridge itself


PASSES_BY = (How.ENDPOINT, How.TARGET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place where a workload names a bridge.

    `text` is put together from what was recognised (key, scheme, host, port), never cut out of what
    is written: nothing else of it can show. `likely` marks what could also mean something else.
    `secret` is the name of the Secret that this connection takes its login from; `inline` says that
    a password is written beside it.
    """

    bridge: str  # NAMESPACE/SERVICE
    how: How
    container: str
    where: str  # "env REDIS_HOST", "ConfigMap shop key application.yml line 12"
    text: str
    host: str = ""  # as written, lower case
    port: int | None = None
    implied: bool = False  # the port is not written; it is the usual one of the URI's scheme
    keyed: bool = False  # the value of a setting, not a line of a text that happens to name it
    likely: bool = False
    secret: str = ""
    inline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A host that reads as a Service of a namespace that was looked at, and is none there."""

    namespace: str
    service: str
    container: str
    where: str
    text: str
    only_a_service: bool = False  # written as `….svc`, which can be nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a running container read of a Secret when it started, and has not read since."""

    secret: str
    keys: tuple[str, ...]  # none: all
    pod: str
    since: str  # when the container started, RFC 3339


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTraits:
    """What of a pod template decides how its pods resolve names, and which policies select them."""

    labels: tuple[tuple[str, str], ...] = ()
    host_network: bool = False
    dns_policy: str = "ClusterFirst"
    service_links: bool = True  # enableServiceLinks: a variable for each Service of the namespace
    reads: tuple[str, ...] = ()  # variables that its texts refer to and that it does not set itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Something that runs pods: what it names, and where it runs now."""

    namespace: str
    kind: str  # Deployment, StatefulSet, DaemonSet, CronJob, Job, Pod, or a pod's foreign owner
    name: str
    uses: tuple[Use, ...] = ()
    strays: tuple[Stray, ...] = ()
    secrets: tuple[str, ...] = ()  # names of all that it refers to
    nodes: tuple[str, ...] = ()  # of its pods that have not ended
    held: tuple[Held, ...] = ()  # by its pods; empty where somebody restarts them for it
    ignore: tuple[tuple[str, str], ...] = ()  # (code, the reason given)
    traits: PodTraits = field(default_factory=PodTraits)

    @property
    def ref(self) -> str:
        """`KIND/NAMESPACE/NAME`: what a finding calls it."""
        return f"{self.kind}/{self.namespace}/{self.name}"

    @property
    def title(self) -> str:
        """`KIND/NAME`, as kubectl takes it."""
        return f"{self.kind}/{self.name}"

    @property
    def bridges(self) -> tuple[str, ...]:
        """The bridges that it uses, `NAMESPACE/SERVICE`, in the order of names."""
        return tuple(sorted({u.bridge for u in self.uses}))

    def uses_of(self, bridge: str) -> tuple[Use, ...]:
        """Its uses of one bridge, certain ones first."""
        return tuple(sorted((u for u in self.uses if u.bridge == bridge), key=lambda u: u.likely))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """All workloads that were looked at; those that use a bridge are kept."""

    workloads: tuple[Workload, ...] = ()
    without: int = 0  # how many use no bridge
    notes: tuple[str, ...] = ()  # what could not be read, each one sentence


def place_and_text(what: Use | Stray) -> str:
    """The place and what it says: `env A=redis-svc:1`, `args: redis-svc`."""
    key = what.where.removeprefix("env ")
    if what.text.startswith(f"{key}="):
        return f"env {what.text}"
    return f"{what.where}: {what.text}"


def login_of(uses: tuple[Use, ...]) -> str:
    """Where the login of some uses of one bridge comes from: a Secret, the text itself, or ""."""
    secrets = sorted({u.secret for u in uses if u.secret})
    if secrets:
        return ", ".join(f"Secret {name}" for name in secrets)
    written = next((u for u in uses if u.inline), None)
    return f"written in {written.where}" if written else ""
