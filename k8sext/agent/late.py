"""Modules that are loaded when one of their names is used.

Whoever only asks what checks there are (`k8sext list`, `k8sext checks`) does not load how they read
answers. The probe pod's archive has an empty file in place of a check's package: there modules are
loaded at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def modules_of(package: str) -> Callable[[str], Any]:
    """A package's `__getattr__`: `from . import answers` costs nothing until it is used."""

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Late(f"{package}.{name}")

    return get


class _Late:
    """A module that is imported with the first of its names (the import system has the lock)."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)
