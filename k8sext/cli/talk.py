"""How much the tool says: the options that every command has, and the file of defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from typer.core import TyperOption

from k8sext.errors import K8sextError

DEFAULT_FILE = "k8sext.yaml"
_state: dict[str, Any] = {"verbose": 0, "quiet": False, "debug": False, "no_color": False}


def verbose() -> int:
    """How often -v was given."""
    return int(_state["verbose"])


def quiet() -> bool:
    """Whether -q was given: say nothing, the exit code tells."""
    return bool(_state["quiet"])


def debug() -> bool:
    """Whether --debug was given: tracebacks and requests."""
    return bool(_state["debug"])


def no_color() -> bool:
    """Whether colour was switched off by option."""
    return bool(_state["no_color"])


def options() -> list[Any]:
    """Fresh option objects for one command."""
    flags: list[tuple[list[str], dict[str, Any]]] = [
        (["--quiet", "-q"], {"is_flag": True, "help": "Print nothing; the exit code tells."}),
        (["--verbose", "-v"], {"count": True, "help": "Say more on stderr; repeatable."}),
        (["--debug"], {"is_flag": True, "help": "Tracebacks of internal errors."}),
        (["--no-color"], {"is_flag": True, "help": "No colour (NO_COLOR does the same)."}),
    ]
    made: list[Any] = [
        TyperOption(param_decls=names, expose_value=False, callback=_note, **extra)
        for names, extra in flags
    ]
    config = TyperOption(
        param_decls=["--config"],
        expose_value=False,
        is_eager=True,
        callback=_load,
        help=f"File of defaults; {DEFAULT_FILE} in this folder where there is one.",
    )
    return [*made, config]


def _note(_ctx: Any, param: Any, value: Any) -> None:
    _state[str(param.name)] = value


def _load(ctx: Any, _param: Any, value: str | None) -> None:
    """Read the file of defaults: option names to values, `contexts: {NAME: {…}}` on top."""
    path = Path(value or DEFAULT_FILE)
    if value is None and not path.is_file():
        return
    import yaml

    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise K8sextError(
            "the file of defaults cannot be read", where=str(path), why=reason
        ) from error
    ctx.default_map = _defaults(ctx, data, path)


def _defaults(ctx: Any, data: Any, path: Path) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise K8sextError("the file of defaults is not a mapping of options", where=str(path))
    values: dict[str, Any] = dict(data)  # pyright: ignore[reportUnknownArgumentType]
    contexts = values.pop("contexts", {}) or {}
    context = os.environ.get("K8SEXT_CONTEXT", "")
    values.update(contexts.get(ctx.params.get("context") or context, {}))
    known = {_dashed(str(p.name)): str(p.name) for p in ctx.command.params}
    known |= {o.lstrip("-"): str(p.name) for p in ctx.command.params for o in p.opts}
    return {known[k]: v for k, v in values.items() if k in known}


def _dashed(name: str) -> str:
    return name.replace("_", "-")
