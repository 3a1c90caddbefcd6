"""Files that others wrote, read within bounds: no size, kind or nesting of one may harm the run.

A file may be a folder, a device without an end, a pipe into which nobody writes, or YAML that was
made to hurt: libyaml's composer recurses in C (100,000 brackets end the process), PyYAML's merge
keys write aliases out (a "billion laughs"), and a number of a million digits takes minutes.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8sext.errors import K8sextError

from .bounds import DOCUMENT, Bounds, Unreadable

PIPE_S = 10.0  # `--kubeconfig <(…)`: how long whoever writes may take to begin
_PIECE = 1 << 20


def read(path: Path | str, bounds: Bounds = DOCUMENT) -> bytes:
    """The bytes of a file or pipe. Raises Unreadable."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # the latter: a path with a NUL in it
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
    try:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise Unreadable("Is a directory")
        return _all_of(number, bounds.size)
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from None
    finally:
        os.close(number)


def _all_of(number: int, limit: int) -> bytes:
    pieces: list[bytes] = []
    left = limit + 1
    if not stat.S_ISREG(os.fstat(number).st_mode):
        pieces.append(_beginning(number))
        left -= len(pieces[0])
        os.set_blocking(number, True)
    while left > 0:
        piece = os.read(number, min(left, _PIECE))
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
    raise Unreadable(f"it is larger than {limit >> 20} MiB")


def _beginning(number: int) -> bytes:
    """The first bytes of what is no regular file. A pipe without a writer reads as ended, before
    its writer came as well as after: only what was waited for in vain is empty.
    """
    until = time.monotonic() + PIPE_S
    empty = not stat.S_ISFIFO(os.fstat(number).st_mode)
    while (left := until - time.monotonic()) > 0:
        select.select([number], [], [], left)
        try:
            piece = os.read(number, _PIECE)
        except BlockingIOError:
            continue
        if piece or empty:
            return piece
        time.sleep(0.05)
    raise Unreadable(f"nothing was written into this pipe for {PIPE_S:g} s")


def text(path: Path | str, bounds: Bounds = DOCUMENT) -> str:
    """The file as UTF-8 text. Raises Unreadable."""
    try:
        return read(path, bounds).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None


def yaml_of(
    data: bytes | str, bounds: Bounds = DOCUMENT, *, quotable: bool = True, texts: bool = False
) -> Any:
    """The one document of a YAML text; None where it is empty. Raises Unreadable.

    `quotable`: whether the parser's own words, which may quote the text, may be told.
    `texts`: every value is the text that is written there, never a number, a date or true.
    """
    from . import yaml_text  # PyYAML takes its time, and most commands read no YAML

    return yaml_text.load(data, bounds, quotable=quotable, texts=texts)


def mapping(
    path: Path | str,
    name: str,
    bounds: Bounds = DOCUMENT,
    *,
    secret: bool = False,
    exit_code: int = 2,
) -> dict[Any, Any]:
    """The mapping in a YAML file that is called `name` in messages ("the pod patch"); {} where the
    file is empty. Raises K8sextError with its place; of a `secret` file nothing is quoted.
    """
    try:
        data = yaml_of(read(path, bounds), bounds, quotable=not secret)
    except Unreadable as error:
        raise K8sextError(
            f"{name} cannot be read", where=f"{path}{error.place}", why=error.why,
            exit_code=exit_code,
        ) from None  # fmt: skip
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise K8sextError(f"{name} is not a mapping", where=str(path), exit_code=exit_code)
    return dict(data)  # pyright: ignore[reportUnknownArgumentType]
