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

from .desired import BridgeSpec, PortSpec
from .ingress import IngressSpec
from .schema import BRIDGES, Schema

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_BYTES = 4 << 20
MAX_NODES = 100_000  # aliases counted as often as they are used
MAX_DEPTH = 50
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "boolean": (bool,),
}  # fmt: skip
WORDS = {
    "object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number",
    "boolean": "true or false",
}  # fmt: skip


def load(files: Sequence[str], namespace: str | None = None) -> tuple[BridgeSpec, ...]:
    """The bridges of files, folders (*.yaml, *.yml) and `-`. Raises K8sextError (exit code 2)."""
    found = [spec for name, text in _texts(files) for spec in parse(text, name, namespace)]
    if not found:
        raise K8sextError("no bridge is described there", where=", ".join(files))
    seen: set[tuple[str, str]] = set()
    for spec in found:
        if (spec.namespace, spec.name) in seen:
            raise K8sextError(
                f"bridge {spec.namespace}/{spec.name} is described twice", where=spec.source
            )
        seen.add((spec.namespace, spec.name))
    return tuple(found)


def _texts(files: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in files:
        path = Path(name)
        if name == "-":
            yield "-", _bounded(sys.stdin.read(MAX_BYTES + 1), "-")
        elif path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml"))
            yield from ((str(p), _read(p)) for p in inside)
        else:
            yield name, _read(path)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise K8sextError("the file cannot be read", where=str(path), why=str(why)) from error
    return _bounded(text, str(path))


def _bounded(text: str, name: str) -> str:
    if len(text) > MAX_BYTES:
        raise K8sextError("the file is larger than 4 MiB", where=name)
    return text


def parse(text: str, name: str, namespace: str | None = None) -> Iterator[BridgeSpec]:
    """The bridges of one text."""
    for node in _composed(text, name):
        _measure(node, name, {})
        document = _checked(node, BRIDGES, name, "")
        yield from _specs(node, document, name, namespace)


def _composed(text: str, name: str) -> list[Any]:
    """The root nodes; an empty document has none."""
    try:
        _refuse_deep(text, name)
        return [node for node in yaml.compose_all(text, Loader=LOADER) if node]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise K8sextError(
            "this is not YAML", where=f"{name}{place}", why=str(error.problem)
        ) from error
    except yaml.reader.ReaderError as error:
        raise K8sextError(
            "this is not YAML", where=name, why=f"character #x{error.character:04x} is not allowed"
        ) from error


def _refuse_deep(text: str, name: str) -> None:
    """Composing recurses, in C as well; events do not, so they are counted first."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _bad(event, name, "", f"is more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _measure(node: Any, file: str, seen: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Nodes and levels under a node, aliases expanded; refused where that has no sane end.

    An anchor comes before its aliases, so each node is measured once: a bomb costs its own length.
    """
    if id(node) in seen:
        known = seen[id(node)]
        if known is None:
            raise _bad(node, file, "", "holds an alias of itself")
        return known
    seen[id(node)] = None
    children = node.value if isinstance(node, yaml.CollectionNode) else []
    flat = [n for c in children for n in (c if isinstance(c, tuple) else (c,))]
    sizes = [_measure(child, file, seen) for child in flat]
    total = 1 + sum(n for n, _ in sizes)
    depth = 1 + max((d for _, d in sizes), default=0)
    if total > MAX_NODES or depth > MAX_DEPTH + 1:
        raise _bad(node, file, "", "grows too large when its aliases are written out")
    seen[id(node)] = (total, depth)
    return total, depth


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
        value = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
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
