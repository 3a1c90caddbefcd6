"""`k8sext explain`: what a code means."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from k8sext.diagnose.codes.texts import Text

WIDTH = 96


def explain_command(
    code: Annotated[str | None, typer.Argument(help="A code such as KX302.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> int:
    """Say what a code means and what puts it right; without a code list them all."""
    from k8sext.diagnose.codes import texts
    from k8sext.errors import K8sextError

    from . import console

    if output not in ("table", "json"):
        raise K8sextError(f"no output format {output!r}", fix="there are: json, table")
    known = texts.texts()
    wanted = (code or "").upper()
    if code is not None and wanted not in known:
        raise K8sextError(f"there is no code {code}", fix="k8sext explain lists them")
    chosen = {wanted: known[wanted]} if code else dict(known)
    if output == "json":
        console.data(json.dumps(_document(chosen), indent=1, ensure_ascii=False) + "\n")
    elif code:
        console.data(_page(wanted, known[wanted]))
    else:
        console.data("".join(f"{name}  {culprits(name):28}  {text.line}\n"
                             for name, text in known.items()))  # fmt: skip
    return 0


def culprits(code: str) -> str:
    """Whose fault a code can be; one network code may speak of two."""
    from k8sext.diagnose.codes import table
    from k8sext.lint import run as lint

    if rule := lint.rules().get(code):
        return str(rule.culprit)
    found = dict.fromkeys(str(r.culprit) for r in table.all_rows() if r.code == code)
    return ", ".join(found) or "tool-environment"


def _document(chosen: Mapping[str, Text]) -> list[dict[str, object]]:
    return [
        {
            "code": code,
            "culprits": culprits(code).split(", "),
            "summary": text.line,
            "text": dict(text.paragraphs()),
        }
        for code, text in chosen.items()
    ]


def _page(code: str, text: Text) -> str:
    """A command is broken between words only, so that it can still be read and put together."""
    parts = [f"{code}  {culprits(code)}"]
    for head, paragraph in text.paragraphs():
        lines = textwrap.wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
        parts.append("\n".join((head, *(f"  {line}" for line in lines))))
    return "\n\n".join(parts) + "\n"
