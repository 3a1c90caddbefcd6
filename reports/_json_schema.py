"""The JSON Schema of k8sext.report/v1, beside the format that it describes.

Words come from the closed lists of the model, so that a new one is never missing here. Readers must
allow additions (they need no v2), so objects are open; the tests close them and look for drift.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from k8sext.model.bridge import BridgeClass, Kind
from k8sext.model.words import Culprit, Reason, Route, Severity, Stage, Status
from k8sext.model.workload import How

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_PORT: Schema = {"type": "integer", "minimum": 0, "maximum": 65535}
_TEXTS: Schema = {"type": "array", "items": _TEXT}


def _object(properties: Schema, *optional: str) -> Schema:
    """An object whose properties are all there, but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _word(words: type[StrEnum], *, null: bool = False) -> Schema:
    values = [w.value for w in words]
    return {"enum": [*values, None]} if null else {"type": "string", "enum": values}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_DIAGNOSIS = _object(
    {
        "code": {"type": "string", "pattern": "^KX[0-9]{3}$"},
        "severity": _word(Severity),
        "culprit": _word(Culprit),
        "summary": _TEXT,
        "why": _TEXT,
        "because": _TEXTS,
        "fix": _TEXT,
        "command": _TEXT,
        "see": _TEXT,
        "url": _TEXT,
        "consequences": _TEXTS,
    },
    "why", "because", "fix", "command", "see", "url", "consequences",
)  # fmt: skip

_FINDING = _object(
    {
        "code": {"type": "string", "pattern": "^KX[0-9]{3}$"},
        "severity": _word(Severity),
        "object": _TEXT,
        "summary": _TEXT,
        "fix": _TEXT,
        "command": _TEXT,
        "confidence": _TEXT,
        "location": _object(
            {"file": _TEXT, "line": {"type": "integer"}, "column": {"type": "integer"}},
            "line", "column",
        ),
        "bridge": _TEXT,
        "ports": _TEXTS,
        "addresses": _TEXTS,
        "explains": _TEXTS,
        "refines": _TEXTS,
        "culprit": _word(Culprit),
        "only_as_cause": {"type": "boolean"},
        "of_bridge": {"type": "boolean"},
        "harmful": {"type": "boolean"},
    },
    "fix", "command", "confidence", "location", "bridge", "ports", "addresses", "explains",
    "refines", "culprit", "only_as_cause", "of_bridge",
    "harmful",
)  # fmt: skip

_STAGE = _object(
    {
        "stage": _word(Stage),
        "status": _word(Status),
        "reason": _word(Reason),
        "duration_s": _SECONDS,
        "detail": _TEXT,
        # What was measured; its keys depend on the protocol.
        "evidence": {"type": "object", "additionalProperties": True},
    },
    "reason", "duration_s", "detail", "evidence",
)  # fmt: skip

_OBSERVATION = _object(
    {
        "id": _TEXT,
        "namespace": _TEXT,
        "service": _TEXT,
        "port": _TEXT,
        "protocol": _TEXT,
        "vantage": _TEXT,
        "node": _TEXT,
        "client": _TEXT,
        "via": _TEXT,
        "route": _word(Route),
        "target": _TEXT,
        "status": _word(Status),
        "stages": _list(_STAGE),
    },
    "node", "client", "via",
)  # fmt: skip

_BRIDGE = _object(
    {
        "namespace": _TEXT,
        "service": _TEXT,
        "kind": _word(Kind),
        "class": _word(BridgeClass),
        "status": _word(Status),
        "depth": _word(Stage, null=True),
        "skipped": _TEXT,
        "limits": _TEXTS,
        "ports": _list(
            _object(
                {
                    "name": _TEXT,
                    "port": _PORT,
                    "protocol": _TEXT,
                    "protocol_source": _TEXT,
                    "transport": _TEXT,
                    "guessed": {"type": "boolean"},
                    "fallback": _TEXT,
                    "product": _TEXT,
                },
                "transport",
                "guessed",
                "fallback",
                "product",
            )
        ),
        "endpoints": _list(
            _object(
                {"address": _TEXT, "port": _PORT, "ready": {"type": "boolean"}, "source": _TEXT}
            )
        ),
        "external_name": _TEXT,
        "fronts": _list(
            _object(
                {
                    "ingress": _TEXT,
                    "host": _TEXT,
                    "path": _TEXT,
                    "port": _TEXT,
                    "class": _TEXT,
                    "addresses": _TEXTS,
                }
            )
        ),
        "problems": _TEXTS,
        "observations": _list(_OBSERVATION),
        "diagnoses": _list(_DIAGNOSIS),
    },
    "fronts",
    "limits",
)

_VANTAGE = _object(
    {
        "namespace": _TEXT,
        "vantage": _TEXT,
        "node": _TEXT,
        "address": _TEXT,
        "pod": _TEXT,
        "pod_start_s": _SECONDS,
        "notes": _TEXTS,
        "diagnoses": _list(_DIAGNOSIS),
    },
    "node", "address", "pod", "pod_start_s", "notes",
)  # fmt: skip

_USE = _object(
    {
        "container": _TEXT,
        "where": _TEXT,
        "text": _TEXT,
        "how": _word(How),
        "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
        "likely": {"type": "boolean"},
    }
)

# Only where `--workloads` asked for them.
_WORKLOADS = _object(
    {
        "without": {"type": "integer", "minimum": 0},
        "notes": _TEXTS,
        "items": _list(
            _object(
                {
                    "namespace": _TEXT,
                    "kind": _TEXT,
                    "name": _TEXT,
                    "status": _word(Status),
                    "nodes": _TEXTS,
                    "secrets": _TEXTS,
                    "bridges": _list(
                        _object(
                            {
                                "namespace": _TEXT,
                                "service": _TEXT,
                                "status": _word(Status),
                                "likely": {"type": "boolean"},
                                "login": _TEXT,
                                "uses": _list(_USE),
                            }
                        )
                    ),
                    "findings": _TEXTS,
                }
            )
        ),
    }
)

# For `k8sext report`: what the verdicts stand on; objects of k8sext's own, which may change.
_ANY: Schema = {"type": "object", "additionalProperties": True}
_BASIS = _object(
    {
        "gate": _ANY,
        "bridges": _list(_ANY),
        "places": _list(
            _object(
                {
                    "namespace": _TEXT,
                    "vantage": _TEXT,
                    "services": _TEXTS,
                    "context": _ANY,
                    "controls": _list(_ANY),
                },
                "context", "controls",
            )
        ),
        "workloads": _ANY,
    },
    "workloads",
)  # fmt: skip

_COUNT: Schema = {"type": "integer", "minimum": 0}

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "k8sext.report/v1",
    **_object(
        {
            "schema": {"type": "string", "enum": ["k8sext.report/v1"]},
            "tool": _object({"name": _TEXT, "version": _TEXT}),
            "run": _object(
                {
                    "id": _TEXT,
                    "started": {"type": "string", "format": "date-time"},
                    "duration_s": _SECONDS,
                    "vantages": _TEXTS,
                    "exit_code": {"type": "integer", "enum": [0, 1, 3, 5, 130]},
                    "cautions": _TEXTS,
                },
                "cautions",
            ),
            "cluster": _object({"context": _TEXT, "server_version": _TEXT}),
            "summary": _object({"bridges": _COUNT, **{s.value: _COUNT for s in Status}}),
            "vantages": _list(_VANTAGE),
            "bridges": _list(_BRIDGE),
            "findings": _list(_FINDING),
            "workloads": _WORKLOADS,
            "basis": _BASIS,
        },
        "workloads",
        "basis",
    ),
}
