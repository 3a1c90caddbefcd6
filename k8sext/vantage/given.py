"""Logins that the invoker keeps in files of their own (`--credentials file:PATH`), read within
bounds. Nothing of a value is ever told, only its place.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from k8sext.errors import K8sextError
from k8sext.model.secret import Secret, printable
from k8sext.model.shell import word
from k8sext.reading import bounds, files

Tree = dict[str, "Secret | Tree"]
FORM = "a folder PATH/[<namespace>/]<service>/<key> or YAML {namespace: {service: {key: value}}}"
MAX_FILES = 10_000
_BOUNDS = bounds.DOCUMENT


def tree(path: Path) -> Tree:
    """What is in the folder or YAML file: names to values, or to the same again, at most three
    levels. Raises K8sextError (exit code 2): not there, open to others, not of that form.
    """
    _private(path)
    try:
        if path.is_dir():
            return _folder(path, 0, [0])
        data = files.yaml_of(files.read(path), _BOUNDS, quotable=False, texts=True)
    except bounds.Unreadable as error:
        raise _bad(f"{path}{error.place}", "cannot be read", error.why) from None
    except OSError as error:
        raise _bad(path, "cannot be read", str(error.strerror)) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _bad(path, "are not of the right form")
    return _tree(cast("dict[object, object]", data), path, ())


def _bad(where: Path | str, what: str, why: str = "") -> K8sextError:
    return K8sextError(f"the credentials {what}", where=str(where), why=why, fix=f"give {FORM}")


def _folder(path: Path, level: int, seen: list[int]) -> Tree:
    """A folder in the layout of mounted Secrets; what else lies there (links into `..data`,
    keystores in binary form) is as in a mount.
    """
    found: Tree = {}
    for item in _entries(path):
        seen[0] += 1
        if seen[0] > MAX_FILES:
            raise bounds.Unreadable(f"there are more than {MAX_FILES:,} files in it")
        if item.is_file():
            if level:
                found[item.name] = Secret(_value(item))
        elif item.is_dir() and level < 3:
            found[item.name] = _folder(item, level + 1, seen)
    return found


def _entries(path: Path) -> Iterator[Path]:
    return (p for p in sorted(path.iterdir()) if not p.name.startswith(".."))


def _value(item: Path) -> str:
    try:
        return files.read(item, bounds.VALUE).decode("utf-8", "replace")
    except bounds.Unreadable as error:
        raise bounds.Unreadable(f"{item.parent.name}/{item.name}: {error.why}") from None


def _tree(data: Mapping[object, object], path: Path, above: tuple[str, ...]) -> Tree:
    found: Tree = {}
    for key, value in data.items():
        place = (*above, str(key))
        if not isinstance(key, str):
            raise _bad(path, "are not of the right form", f"{_path_text(place)} is not a name")
        if isinstance(value, str) and above:
            found[key] = Secret(value)
        elif isinstance(value, dict) and len(place) < 4:
            found[key] = _tree(cast("dict[object, object]", value), path, place)
        else:
            kind = _kind(value)
            raise _bad(path, "are not of the right form", f"{_path_text(place)} is {kind}")
    return found


def _path_text(place: tuple[str, ...]) -> str:
    return printable(".".join(place), 120)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a value, not a mapping"
    if isinstance(value, list):
        return "a list"
    return "one mapping too deep" if isinstance(value, dict) else "neither text nor names"


def _private(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise K8sextError("the credentials cannot be read", where=str(path), why=why) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise K8sextError(
            "others than you can read the credentials",
            where=str(path),
            fix=f"chmod go= {word(path)}",
        )
