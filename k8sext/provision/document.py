"""Reads bridges.yaml: every error has its file, line and column."""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from k8sext.errors import K8sextError
from k8sext.reading import bounds, files, yaml_text

from .schema import BRIDGES, Schema
from .spec import BridgeSpec, IngressSpec, PortSpec

BOUNDS = bounds.DOCUMENT
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
}
WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
}


def load(names: Sequence[str], namespace: str | None = None) -> tuple[BridgeSpec, ...]:
    """The bridges of files, folders (*.yaml, *.yml) and `-`. Raises K8sextError (exit code 2)."""
    found = [spec for name, text in _texts(names) for spec in parse(text, name, namespace)]
    if not found:
        raise K8sextError("no bridge is described there", where=", ".join(names))
    seen: set[tuple[str, str]] = set()
    for spec in found:
        if (spec.namespace, spec.name) in seen:
            raise K8sextError(
                f"bridge {spec.namespace}/{spec.name} is described twice", where=spec.source
            )
        seen.add((spec.namespace, spec.name))
    return tuple(found)


def _texts(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = Path(name)
        if name == "-":
            yield "-", _standard_input()
        elif path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml"))
            yield from ((str(p), _read(p)) for p in inside)
        else:
            yield name, _read(path)


def _standard_input() -> str:
    try:
        return sys.stdin.read(BOUNDS.size + 1)
    except UnicodeDecodeError:
        raise K8sextError("the file cannot be read", where="-", why="it is not UTF-8") from None


def _read(path: Path) -> str:
    try:
        return files.text(path, BOUNDS)
    except bounds.Unreadable as error:
        raise K8sextError("the file cannot be read", where=str(path), why=error.why) from None


def parse(text: str, name: str, namespace: str | None = None) -> Iterator[BridgeSpec]:
    """The bridges of one text."""
    for node in _composed(text, name):
        document = _checked(node, BRIDGES, name, "")
        yield from _specs(node, document, name, namespace)


def _composed(text: str, name: str) -> list[Any]:
    """The root nodes; an empty document has none."""
    try:
        return yaml_text.compose_all(text, BOUNDS)
    except bounds.Unreadable as error:
        raise K8sextError(
            "the file cannot be used", where=f"{name}{error.place}", why=error.why
        ) from None


def _specs(
    node: Any, document: dict[str, Any], name: str, namespace: str | None
) -> Iterator[BridgeSpec]:
    default = (document.get("defaults") or {}).get("namespace") or namespace or "default"
    listed = next(value for key, value in node.value if key.value == "bridges")
    for item, data in zip(listed.value, document["bridges"], strict=True):
        yield _spec(data, default, f"{name}:{item.start_mark.line + 1}", _ingress(item, data, name))


def _ingress(item: Any, data: dict[str, Any], name: str) -> IngressSpec | None:
    """With its own place: what only the whole bridge shows to be wrong is told there."""
    asked = data.get("ingress")
    if asked is None:
        return None
    mark = next(value for key, value in item.value if key.value == "ingress").start_mark
    return IngressSpec(
        host=asked["host"],
        class_name=asked.get("class", ""),
        tls_secret=asked.get("tls", ""),
        path=asked.get("path", "/"),
        port=asked.get("port", ""),
        source=f"{name}:{mark.line + 1}:{mark.column + 1}",
    )


def _spec(
    data: dict[str, Any], namespace: str, source: str, ingress: IngressSpec | None
) -> BridgeSpec:
    credentials, tls = data.get("credentials") or {}, data.get("tls") or {}
    ports = [
        PortSpec(name=p.get("name", ""), port=p["port"], target_port=p.get("targetPort", p["port"]))
        for p in data.get("ports") or []
    ]
    return BridgeSpec(
        name=data["name"],
        namespace=data.get("namespace", namespace),
        to=tuple(data["to"]),
        ports=tuple(ports),
        protocol=data.get("protocol", ""),
        secret=credentials.get("secret", ""),
        secret_keys=tuple((credentials.get("keys") or {}).items()),
        tls_mode=tls.get("mode", ""),
        tls_ca=tls.get("ca", ""),
        tls_server_name=tls.get("serverName", ""),
        expect=data.get("expect") or {},
        origin=data.get("origin", ""),
        resolve=data.get("resolve", False),
        ingress=ingress,
        source=source,
    )


# -- validation: what our schema uses of JSON Schema, with a place for every error ---------------


def _checked(node: Any, schema: Schema, file: str, path: str) -> Any:
    """The node's value, if the schema allows it."""
    value = _value(node, file, path)
    wanted = schema.get("type")
    stray = isinstance(value, bool) and wanted != "boolean"  # to Python it is a number, too
    if wanted and (not isinstance(value, TYPES[wanted]) or stray):
        raise _bad(node, file, path, f"must be {WORDS[wanted]}")
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(map(str, schema["enum"]))
        raise _bad(node, file, path, f"is {value!r}; it may be {allowed}")
    if wanted == "integer" and not schema.get("minimum", value) <= value <= schema.get(
        "maximum", value
    ):
        what = f"is {value}; a port is {schema['minimum']} to {schema['maximum']}"
        raise _bad(node, file, path, what)
    if isinstance(value, str) and not _matches(schema, value):
        raise _bad(node, file, path, f"is {value!r}; it must match {schema['pattern']}")
    if isinstance(node, yaml.MappingNode):
        return _checked_mapping(node, schema, file, path)
    if isinstance(node, yaml.SequenceNode):
        return _checked_list(node, schema, file, path)
    return value


def _matches(schema: Schema, value: str) -> bool:
    """Whole value: Python's `$` also allows a line's end after it, JSON Schema's does not."""
    pattern = schema.get("pattern")
    return pattern is None or re.fullmatch(pattern, value) is not None


def _value(node: Any, file: str, path: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {}
    if isinstance(node, yaml.SequenceNode):
        return []
    try:
        value = yaml_text.scalar(node)
    except bounds.Unreadable as error:
        raise _bad(node, file, path, "cannot be read") from error
    if not isinstance(value, str | int | float | None):
        raise _bad(node, file, path, f"is a {type(value).__name__}; as text it needs quotes")
    if isinstance(value, float) and not math.isfinite(value):
        raise _bad(node, file, path, "is not a finite number")
    return value


def _checked_mapping(node: Any, schema: Schema, file: str, path: str) -> dict[str, Any]:
    properties = schema.get("properties")
    out: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _bad(key, file, path, "has a key that is no text")
        name = str(key.value)
        inner = f"{path}.{name}" if path else name
        if name in out:
            raise _bad(key, file, inner, "is written twice")
        if properties is not None and name not in properties:
            near = difflib.get_close_matches(name, properties, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(properties)}"
            raise _bad(key, file, inner, f"is not known; {hint}")
        more = schema.get("additionalProperties")
        rule = properties[name] if properties else more if isinstance(more, dict) else {}
        out[name] = _checked(item, rule, file, inner)
    for name in schema.get("required", []):
        if name not in out:
            raise _bad(node, file, f"{path}.{name}" if path else name, "is missing")
    return out


def _checked_list(node: Any, schema: Schema, file: str, path: str) -> list[Any]:
    count = len(node.value)
    if not schema.get("minItems", 0) <= count <= schema.get("maxItems", count):
        raise _bad(node, file, path, f"has {count} items; at least one is needed, at most 1000")
    rule = schema.get("items", {})
    return [_checked(item, rule, file, f"{path}[{n}]") for n, item in enumerate(node.value)]


def _bad(node: Any, file: str, path: str, what: str) -> K8sextError:
    mark = node.start_mark
    return K8sextError(
        f"{path or 'the document'} {what}", where=f"{file}:{mark.line + 1}:{mark.column + 1}"
    )
