"""Whether a pod is the one that our Job made: pure, from what the API server says of both.

Two things are asked of a pod. Its controller is our Job, by UID: whoever may create pods can write
that down as well. So, secondly, it does what the Job's template says and nothing else: a forged pod
that passes runs our image with our command, and is as good as ours. docs/decisions/probe-pod.md
has the rule with the attacks that it withstands.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from k8sext.model.data import dataclass
from k8sext.model.secret import printable

from .job import CONTAINER

Spec = Mapping[str, Any]
Mounts = Mapping[str, Spec]  # by place: how it is mounted, and the volume
INDEX = "batch.kubernetes.io/job-completion-index"  # annotation; Kubernetes 1.25 has no such label
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"  # the Job controller adds it, by reference to INDEX

# What may stand in an object although nobody wrote it: the API server's defaults of inner fields.
_DEFAULTED = frozenset(
    {"apiVersion", "defaultMode", "failureThreshold", "periodSeconds", "protocol", "readOnly"}
    | {"recursiveReadOnly", "scheme", "successThreshold", "timeoutSeconds"}
)
# Fields of a container that decide what runs in it. Resources, pull policy and security context
# are changed by LimitRanges, AlwaysPullImages and OpenShift, and do not.
_CONTAINER = (
    *("command", "args", "workingDir", "envFrom", "volumeDevices", "lifecycle"),
    *("livenessProbe", "readinessProbe", "startupProbe", "restartPolicy"),
)
# Fields of a pod that decide what its processes share, and how its names resolve.
_POD = (
    *("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"),
    *("hostAliases", "dnsConfig", "dnsPolicy", "restartPolicy"),
)
_NOTHING: tuple[object, ...] = (
    None,
    "",
    False,
    [],
    {},
    "ClusterFirst",
)  # the defaults of these fields
# Variables by which the loader, the C library, OpenSSL or Python does something else than it would.
# `python3 -I` does not read PYTHON…; a policy that sets them wants to be known all the same.
_TELLING = re.compile(
    r"LD_.*|DYLD_.*|GLIBC_.*|MALLOC_.*|GCONV_PATH|LOCPATH|NLSPATH|RES_OPTIONS|LOCALDOMAIN"
    r"|HOSTALIASES|PYTHON.*|OPENSSL_.*|SSL_CERT_.*|SSLKEYLOGFILE|PATH|PG[A-Z]+|K8SEXT_.*"
)
# Where webhooks mount tokens (service accounts, EKS, Azure, GKE) and sockets of agents, and what is
# no place that the loader, Python or the resolver read. The C library asks nscd for names.
_HARMLESS = re.compile(r"(/var)?/run/(?!nscd(/|$))[^/]+(/.*)?|(/var)?/tmp")
_DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Made:
    """Our Job as the API server has it: admission may have changed the template, nobody else."""

    name: str
    uid: str
    template: Mapping[str, Any]

    @property
    def spec(self) -> Spec:
        """The specification of its pods."""
        return cast("Spec", self.template.get("spec") or {})


def made_of(job: Mapping[str, Any]) -> Made | None:
    """The Job in an answer of the API server; None where the answer has none."""
    meta, template = _map(job.get("metadata")), _map(_map(job.get("spec")).get("template"))
    if not meta.get("uid") or not template:
        return None
    return Made(str(meta.get("name")), str(meta["uid"]), template)


def foreign(pod: Mapping[str, Any], made: Made) -> str:
    """Why a pod is not of our Job; "" where its controller is our Job."""
    owners = _maps(_map(pod.get("metadata")).get("ownerReferences"))
    controllers = [o for o in owners if o.get("controller") is True]
    if not controllers:
        return "no controller made it"
    first = controllers[0]
    if len(controllers) == 1 and first.get("kind") == "Job" and first.get("uid") == made.uid:
        return ""
    if first.get("name") == made.name:
        return f"its controller is another Job {printable(made.name, 80)}"
    who = f"{first.get('kind')}/{first.get('name')}"
    return f"its controller is {printable(who, 120)}"


def shard_of(pod: Mapping[str, Any]) -> int | None:
    """Which of the Job's pods it says it is; None where it says two things, or no number."""
    meta = _map(pod.get("metadata"))
    said = {str(m[INDEX]) for m in (_map(meta.get("annotations")), _map(meta.get("labels")))
            if INDEX in m}  # fmt: skip
    if not said:
        return 0
    text = said.pop() if len(said) == 1 else ""
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) else None


def restarted(pod: Mapping[str, Any]) -> bool:
    """Whether the probe's container is not the first: a probe is never restarted by itself.

    The image of a running pod may be patched; the kubelet then restarts the container whatever
    the restart policy says (pkg/kubelet/kuberuntime, computePodActions).
    """
    status = _map(pod.get("status"))
    mine = (s for s in _maps(status.get("containerStatuses")) if s.get("name") == CONTAINER)
    return any(s.get("restartCount") for s in mine)


def differences(expected: Spec, pod: Spec, strict: Container[str] = ()) -> tuple[str, ...]:
    """What a pod does otherwise than expected, as parts of a sentence, without any value of env.

    In containers of the names in `strict` no further variable or mount is passed over.
    """
    return tuple(dict.fromkeys(_differences(expected, pod, strict)))


def carries(found: Spec, sent: Spec) -> bool:
    """Whether a template has the command, the code and the plan of the one that was sent."""

    def ours(spec: Spec) -> tuple[object, object]:
        probe = _named(spec.get("containers")).get(CONTAINER, {})
        env = {n: e.get("value") for n, e in _named(probe.get("env")).items()}
        return probe.get("command"), {n: v for n, v in env.items() if n.startswith("K8SEXT_")}

    return ours(found) == ours(sent)


def added(template: Spec, expected: Spec) -> frozenset[str]:
    """The containers that admission adds to a template."""
    kinds = ("initContainers", "containers")
    return frozenset(n for k in kinds for n in _named(expected.get(k)).keys()
                     - _named(template.get(k)).keys())  # fmt: skip


def _differences(expected: Spec, pod: Spec, strict: Container[str]) -> Iterator[str]:
    for name in _POD:
        if not _same(expected.get(name), pod.get(name)):
            yield f"{name} was changed"
    if not _holds(expected.get("nodeSelector") or {}, pod.get("nodeSelector") or {}, extra=True):
        yield "nodeSelector was changed"
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        ours, theirs = _named(expected.get(kind)), _named(pod.get(kind))
        yield from (f"container {name} is missing" for name in ours if name not in theirs)
        yield from (f"container {_word(name)} was added" for name in theirs if name not in ours)
        for name in (n for n in ours if n in theirs):
            close = name in strict
            mounts = _mounted(ours[name], expected), _mounted(theirs[name], pod)
            told = (*_container(ours[name], theirs[name], close), *_mounts(*mounts, close))
            yield from (f"container {_word(name)}: {what}" for what in told)


def _container(expected: Spec, found: Spec, strict: bool) -> Iterator[str]:
    image, theirs = str(expected.get("image", "")), str(found.get("image", ""))
    if not same_image(image, theirs):
        yield f"image is {printable(theirs, 200)} instead of {printable(image, 200)}"
    for name in _CONTAINER:
        if not _same(expected.get(name), found.get(name)):
            yield f"{name} was changed"
    yield from _environment(_maps(expected.get("env")), _maps(found.get("env")), strict)


def _environment(expected: Sequence[Spec], found: Sequence[Spec], strict: bool) -> Iterator[str]:
    """What a webhook adds is its own affair (AWS_…, OTEL_…), as long as it steers nothing."""
    ours = {str(e.get("name")): e for e in expected}
    names = {str(e.get("name")) for e in found}
    yield from (f"variable {name} is missing" for name in ours if name not in names)
    for entry in found:
        name = str(entry.get("name"))
        if name in ours:
            if not _holds(_valued(ours[name]), _valued(entry)):
                yield f"variable {_word(name)} was changed"
        elif name == INDEX_VARIABLE:
            path = _map(_map(entry.get("valueFrom")).get("fieldRef")).get("fieldPath", "")
            if f"['{INDEX}']" not in str(path):
                yield f"variable {name} was changed"
        elif strict or _TELLING.fullmatch(name):
            yield f"variable {_word(name)} was added"


def _valued(entry: Spec) -> Spec:
    return {"value": entry.get("value") or "", "valueFrom": entry.get("valueFrom") or {}}


def _mounts(expected: Mounts, found: Mounts, strict: bool) -> Iterator[str]:
    """By place, with the volume behind it: names of volumes may end in random letters."""
    yield from (f"{_word(p)} is not mounted" for p in expected if p not in found)
    for place, mounted in found.items():
        if place in expected:
            if not _holds(expected[place], mounted):
                yield f"what is mounted at {_word(place)} was changed"
        elif strict or not _HARMLESS.fullmatch(place):
            yield f"something is mounted at {_word(place)}"


def _mounted(container: Spec, pod: Spec) -> Mounts:
    volumes = _named(pod.get("volumes"))
    found: dict[str, Spec] = {}
    for mount in _maps(container.get("volumeMounts")):
        place = posixpath.normpath(str(mount.get("mountPath", "")))
        volume = _but(volumes.get(str(mount.get("name")), {}), "name")
        # The API server takes `/a` and `/a/` for two places.
        twice = " twice" if place in found else ""
        found[place + twice] = {"mount": _but(mount, "name", "mountPath"), "volume": volume}
    return found


def _but(item: Spec, *names: str) -> Spec:
    return {k: v for k, v in item.items() if k not in names}


def same_image(expected: str, found: str) -> bool:
    """Whether both name the same image. A tag may have become a digest of the same repository.

    Of a mirror the API server proves nothing: anybody's registry may end in the same words.
    """
    (repository, tag, digest), (theirs, their_tag, their_digest) = _image(expected), _image(found)
    if (repository, tag, digest) == (theirs, their_tag, their_digest):
        return True
    pinned = bool(their_digest) and not digest and their_tag in (tag, "")
    return repository == theirs and pinned


def _image(name: str) -> tuple[str, str, str]:
    """Repository, tag and digest, with the defaults that container runtimes fill in."""
    rest, _, digest = name.partition("@")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    first, slash, _ = path.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        path = f"{_DOCKER_HUB}/{path if slash else f'library/{path}'}"
    return path, tag or ("" if digest else "latest"), digest


# -- comparing ------------------------------------------------------------------------------------


def _same(expected: object, found: object) -> bool:
    if expected in _NOTHING and found in _NOTHING:
        return True
    return _holds(expected, found)


def _holds(expected: object, found: object, *, extra: bool = False) -> bool:
    """Whether all that is expected is there, and besides it only defaults (or, `extra`, more)."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        ours, theirs = cast("Spec", expected), cast("Spec", found)
        more = theirs.keys() - ours.keys()
        unasked = any(k not in _DEFAULTED and theirs[k] not in _NOTHING for k in more)
        whole = all(k in theirs or v in _NOTHING for k, v in ours.items())
        shared = ours.keys() & theirs.keys()
        return whole and (extra or not unasked) and all(_holds(ours[k], theirs[k]) for k in shared)
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        one, other = cast("Sequence[object]", expected), cast("Sequence[object]", found)
        return len(one) == len(other) and all(map(_holds, one, other))
    return expected == found


def _named(items: object) -> dict[str, Spec]:
    return {str(item.get("name")): item for item in _maps(items)}


def _maps(items: object) -> list[Spec]:
    found = cast("Iterable[object]", items) if isinstance(items, list | tuple) else ()
    return [cast("Spec", item) for item in found if isinstance(item, Mapping)]


def _map(item: object) -> Spec:
    return cast("Spec", item) if isinstance(item, Mapping) else {}


def _word(text: str) -> str:
    return printable(text, 120)
