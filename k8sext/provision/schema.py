"""The JSON Schema (draft 2020-12) of bridges.yaml, which the loader obeys."""

from __future__ import annotations

from typing import Any

from . import spec

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def _object(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"}
_NAMESPACE: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
# What a Secret and a key in it can be called, roughly (k8sext.model.object_names): a name that
# cannot be would keep the probe pod of all bridges away.
_OBJECT = r"(?!.*\.\.)[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_DATA_KEY = r"(?!\.\.)[-._a-zA-Z0-9]{1,253}"
_SECRET: Schema = {"type": "string", "pattern": f"^{_OBJECT}$"}
_KEY: Schema = {"type": "string", "pattern": f"^{_DATA_KEY}$"}
_CA: Schema = {"type": "string", "pattern": f"^({_OBJECT}(#{_DATA_KEY})?)?$"}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}

_BRIDGE = _object(
    {
        "name": _NAME,
        "namespace": _NAMESPACE,
        "protocol": _TEXT,
        "to": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1000},
        "ports": {
            "type": "array",
            "minItems": 1,
            "items": _object(
                {
                    "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
                    "port": _PORT,
                    "targetPort": _PORT,
                    "protocol": {"type": "string", "enum": ["TCP"]},
                },
                ("port",),
            ),
        },
        "credentials": _object(
            {"secret": _SECRET, "keys": {"type": "object", "additionalProperties": _KEY}},
            ("secret",),
        ),
        "tls": _object(
            {
                "mode": {"type": "string", "enum": ["disable", "require", "verify-full"]},
                "ca": _CA,
                "serverName": _TEXT,
            }
        ),
        "expect": {"type": "object"},
        "origin": _TEXT,
        "resolve": {"type": "boolean"},
        "ingress": _object(
            {
                "host": {"type": "string", "pattern": spec.HOST},
                "class": {"type": "string", "pattern": spec.NAME},
                "tls": {"type": "string", "pattern": spec.NAME},
                "path": {"type": "string", "pattern": spec.PATH},
                "port": {"type": "string", "pattern": spec.PORT},
            },
            ("host",),
        ),
    },
    ("name", "to"),
)

BRIDGES: Schema = {
    "$schema": DRAFT,
    "title": "bridges.yaml of k8sext",
    **_object(
        {
            "apiVersion": {"type": "string", "enum": ["k8sext.io/v1"]},
            "kind": {"type": "string", "enum": ["Bridges"]},
            "defaults": _object({"namespace": _NAMESPACE}),
            "bridges": {"type": "array", "items": _BRIDGE, "minItems": 1},
        },
        ("apiVersion", "kind", "bridges"),
    ),
}
