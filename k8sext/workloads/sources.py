"""What a container is told: environment, command line, ConfigMaps. Values of Secrets are unknown.

In place of a value from a Secret stands a sign (one private-use character for each Secret), so that
it is known where such a value goes, and never what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from k8sext.model.data import dataclass

from . import entries
from .entries import Entry

Object = Mapping[str, Any]
ConfigMaps = Mapping[tuple[str, str], Mapping[str, str]]
TEXT_AT_MOST = 1 << 20  # what a ConfigMap may hold
UNKNOWN = "\ue000"  # a value that only the running pod knows
_FIRST_SECRET = 0xE001
_SIGNS = re.compile("[\ue000-\uf8ff]")
_ROUNDS = 5  # placeholders in placeholders
_KUBE = re.compile(r"\$\$|\$\(([A-Za-z_.-][\w.-]*)\)")
# `$(NAME)` of the kubelet, `$NAME` and `${NAME}` of shells, `${some.name:default}` of Spring.
_REFERENCE = re.compile(r"\$(?:\(|\{)?([A-Za-z_][\w.-]*)")
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][\w.-]*)(?::-?([^{}$]*))?\}")


@dataclass(frozen=True, slots=True)
class TextSource:
    """A text and what it is called. `key` is the name of an environment variable."""

    where: str
    text: str
    key: str = ""

    def at(self, line: int) -> str:
        """The place of a line; of one line the source alone."""
        return self.where if self.key or "\n" not in self.text else f"{self.where} line {line}"


@dataclass(slots=True)
class Told:
    """All that one container is told. `secrets` are names, each with its first place."""

    container: str
    sources: list[TextSource] = field(default_factory=list[TextSource])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    references: set[str] = field(default_factory=set[str])  # variables that its texts refer to

    def filled(self, text: str) -> str:
        """`text` with what is known of its variables, whose names are noted."""
        self.references |= {_relaxed(name) for name in _REFERENCE.findall(text)}
        return filled(text, self.environment)

    def sign(self, secret: str, where: str) -> str:
        """The sign that stands for a value of a Secret."""
        self.secrets.setdefault(secret, where)
        return chr(min(_FIRST_SECRET + list(self.secrets).index(secret), 0xF8FF))

    def secrets_in(self, text: str) -> list[str]:
        """Names of the Secrets whose values go into a text."""
        names = list(self.secrets)
        numbers = (ord(c) - _FIRST_SECRET for c in _SIGNS.findall(text))
        return [names[n] for n in numbers if 0 <= n < len(names)]

    def settings(self) -> list[Entry]:
        """The environment as settings; it is one scope, and has no lines."""
        return [
            Entry(entries.words_of(name), name, value, 0, "env")
            for name, value in self.environment.items()
        ]


def read(container: Object, pod: Object, namespace: str, maps: ConfigMaps) -> Told:
    """What a container of a pod spec is told."""
    told = Told(str(container.get("name") or ""))
    whence = _environment(told, container, namespace, maps)
    for name, value in told.environment.items():
        text = told.filled(value)
        told.sources.append(TextSource(f"env {name}{whence.get(name, '')}", text, name))
    for word in ("command", "args"):
        parts = [str(part) for part in container.get(word) or []]
        if parts:
            said = " ".join(expanded(_clean(p), told.environment) for p in parts)
            told.sources.append(TextSource(word, told.filled(said)))
    told.sources += _mounted(told, container, pod, namespace, maps)
    return told


def _clean(text: object) -> str:
    return _SIGNS.sub(" ", str(text)[:TEXT_AT_MOST])


# -- environment -----------------------------------------------------------------------------------


def _environment(told: Told, container: Object, namespace: str, maps: ConfigMaps) -> dict[str, str]:
    """Fill `told.environment`; where a variable comes from, if not from the pod spec itself."""
    whence: dict[str, str] = {}
    for item in container.get("envFrom") or []:
        prefix = str(item.get("prefix") or "")
        name = str((item.get("configMapRef") or {}).get("name") or "")
        for key, value in maps.get((namespace, name), {}).items():
            told.environment[prefix + key] = _clean(value)
            whence[prefix + key] = f" from ConfigMap {name} key {key}"
        if secret := str((item.get("secretRef") or {}).get("name") or ""):
            told.sign(secret, f"envFrom Secret {secret}")
    for item in container.get("env") or []:
        name = str(item.get("name") or "")
        value, origin = _variable(told, name, item, namespace, maps)
        told.environment[name] = value
        whence[name] = origin
    return whence


def _variable(
    told: Told, name: str, item: Object, namespace: str, maps: ConfigMaps
) -> tuple[str, str]:
    if item.get("value") is not None:
        return expanded(_clean(item["value"]), told.environment), ""
    source = item.get("valueFrom") or {}
    if ref := source.get("secretKeyRef"):
        secret = str(ref.get("name") or "")
        return told.sign(secret, f"env {name} from Secret {secret}"), ""
    if ref := source.get("configMapKeyRef"):
        known, key = str(ref.get("name") or ""), str(ref.get("key") or "")
        value = _clean(maps.get((namespace, known), {}).get(key, ""))
        return value, f" from ConfigMap {known} key {key}"
    return (UNKNOWN if source else ""), ""


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` as the kubelet expands it: of what is known so far, else left as it is."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return _KUBE.sub(value, text)[:TEXT_AT_MOST] if "$" in text else text


def _relaxed(name: str) -> str:
    """The variable in which Spring also finds a property."""
    return re.sub(r"[.-]", "_", name).upper()


def filled(text: str, environment: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:default}` and `${NAME:-default}` as shells and Spring have them.

    Spring also finds the property `redis.host` in the variable `REDIS_HOST`. What is known neither
    way and has no default stays as it is.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        known = environment.get(name, environment.get(_relaxed(name)))
        if known is None:
            known = found[2] if found[2] is not None else found[0]
        return known if "${" + name not in known else found[0]

    for _ in range(_ROUNDS if "${" in text else 0):
        before, text = text, _PLACEHOLDER.sub(value, text)
        if text == before or len(text) > TEXT_AT_MOST:
            break
    return text[:TEXT_AT_MOST]


# -- volumes ---------------------------------------------------------------------------------------


def _mounted(
    told: Told, container: Object, pod: Object, namespace: str, maps: ConfigMaps
) -> Iterator[TextSource]:
    """Texts of mounted ConfigMaps; of Secrets the name is noted."""
    mounts = {
        str(m.get("name")): str(m.get("mountPath")) for m in container.get("volumeMounts") or []
    }
    for volume in pod.get("volumes") or []:
        path = mounts.get(str(volume.get("name")))
        for kind, name, items in _parts(volume) if path is not None else ():
            if kind == "secret":
                told.sign(name, f"volume Secret {name} at {path}")
                continue
            for key, text in maps.get((namespace, name), {}).items():
                if not items or key in items:
                    said = told.filled(_clean(text))
                    yield TextSource(f"ConfigMap {name} key {key}", said)


def _parts(volume: Object) -> Iterator[tuple[str, str, Sequence[str]]]:
    """(kind, name, keys) of what a volume shows; no keys: all."""
    if secret := volume.get("secret"):
        yield "secret", str(secret.get("secretName") or ""), ()
    listed = [volume, *((volume.get("projected") or {}).get("sources") or [])]
    for item in listed:
        if part := item.get("configMap"):
            yield "configMap", str(part.get("name") or ""), _keys(part)
        if item is not volume and (part := item.get("secret")):
            yield "secret", str(part.get("name") or ""), ()


def _keys(part: Object) -> list[str]:
    return [str(i.get("key")) for i in part.get("items") or []]
