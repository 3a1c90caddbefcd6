"""Wire probes, one file per middleware. POD-SAFE: standard library, k8sext.model, k8sext.agent.

`from . import _NAME as read` costs nothing until one of its names is used: whoever only asks what
checks there are (`k8sext list`, `k8sext checks`) does not load how they read answers. The probe
pod's archive has an empty file in this one's place: there modules are loaded at once.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_") and not name.startswith("__"):
        return _Half(f"{__name__}.{name}")
    raise AttributeError(name)


class _Half:
    """A module that is imported with the first of its names (the import system has the lock)."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)
