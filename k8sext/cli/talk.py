"""How much the tool says: the options that every command has, and the file of defaults."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.core import TyperOption

from k8sext.errors import K8sextError

DEFAULT_FILE = "k8sext.yaml"
_CONFIG = "k8sext.config"  # in the meta data of a command's context
_state: dict[str, Any] = {"verbose": 0, "quiet": False, "debug": False, "no_color": False}


def verbose() -> int:
    """How often -v was given."""
    return int(_state["verbose"] or 0)


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
        (["--debug"], {"is_flag": True, "help": "Each request; tracebacks of internal errors."}),
        (["--no-color"], {"is_flag": True, "help": "No colour (NO_COLOR does the same)."}),
    ]
    return [
        TyperOption(param_decls=names, expose_value=False, callback=_note, **extra)
        for names, extra in flags
    ]


def config_option() -> Any:
    """`--config`: the first option, for it gives the others their defaults."""
    return TyperOption(
        param_decls=["--config"],
        expose_value=False,
        is_eager=True,
        callback=_load,
        help=f"File of defaults; {DEFAULT_FILE} in this folder where there is one.",
    )


def long_name(param: Any) -> str:
    """What an option is called on the command line, without its dashes."""
    names: list[str] = param.opts
    return next((o for o in names if o.startswith("--")), names[0]).lstrip("-")


def _note(_ctx: Any, param: Any, value: Any) -> None:
    _state[str(param.name)] = value
    if debug() or verbose() or "logging" in sys.modules:
        _listen()


def _listen() -> None:
    """What the engine has to say goes to standard error, as everything that is no data."""
    import logging  # 5 ms, which --help need not wait for

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("k8sext: %(message)s"))
    logger = logging.getLogger("k8sext")
    logger.setLevel(logging.DEBUG if debug() else logging.INFO if verbose() else logging.WARNING)
    logger.propagate, logger.handlers = False, [handler]


# -- the file of defaults -------------------------------------------------------------------------


def _load(ctx: Any, _param: Any, value: str | None) -> None:
    """Read the file of defaults: option names to values, `contexts: {NAME: {…}}` on top."""
    path = Path(value or DEFAULT_FILE)
    if value is None and not path.is_file():
        return
    import yaml

    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or getattr(error, "problem", None)
        raise K8sextError(
            "the file of defaults cannot be read",
            where=f"{path}{_line(error)}",
            why=str(why or type(error).__name__),
        ) from error
    known = _known(ctx.find_root().command)
    ctx.meta[_CONFIG] = (_checked(data, str(path), known), str(path))
    _apply(ctx)


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _known(root: Any) -> set[str]:
    """Names of the options of every command: one file serves them all."""
    commands: Mapping[str, Any] = getattr(root, "commands", {"": root})
    options = (p for c in commands.values() for p in c.params if p.param_type_name == "option")
    return {long_name(p) for p in options if p.name not in ("config", "help", "version")}


def _checked(data: Any, path: str, known: set[str], inner: str = "") -> dict[str, Any]:
    """The mapping, every key of which is an option's name. A mistyped one is not ignored."""
    if not isinstance(data, dict):
        what = f"{inner} is" if inner else "the file of defaults is"
        raise K8sextError(f"{what} not a mapping of options", where=path)
    found: dict[str, Any] = {}
    for key, value in data.items():  # pyright: ignore[reportUnknownVariableType]
        name = str(key)
        if name == "contexts" and not inner:
            found[name] = _checked_contexts(value or {}, path, known)
            continue
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, sorted(known), 1)
            raise K8sextError(
                f"{inner + '.' if inner else ''}{name} is no option of k8sext",
                where=path,
                fix=f"did you mean `{near[0]}`?" if near else "k8sext COMMAND -h lists them",
            )
        if value is None:
            raise K8sextError(f"{name} has no value that an option can have", where=path)
        found[name] = value
    return found


def _checked_contexts(data: Any, path: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise K8sextError("contexts is not a mapping of contexts to options", where=path)
    named: dict[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
    return {str(k): _checked(v or {}, path, known, f"contexts.{k}") for k, v in named.items()}


def note_context(ctx: Any, param: Any, value: Any) -> Any:
    """Callback of --context and --kubeconfig: the context chooses among the file's defaults."""
    ctx.meta[f"{_CONFIG}.{param.name}"] = value
    _apply(ctx)
    return value


def _apply(ctx: Any) -> None:
    """Give the command its defaults, as far as file and context are known by now."""
    data, path = ctx.meta.get(_CONFIG, ({}, ""))
    if not data:
        return
    values = {k: v for k, v in data.items() if k != "contexts"}
    contexts = data.get("contexts") or {}
    if contexts:
        values |= contexts.get(_context(ctx, values), {})
    names = {long_name(p): p for p in ctx.command.params if p.param_type_name == "option"}
    ctx.default_map = {
        str(names[k].name): _fitting(names[k], v, k, path) for k, v in values.items() if k in names
    }


def _fitting(param: Any, value: Any, name: str, path: str) -> Any:
    """A list for an option that may be repeated, and only for such a one; a mapping is a list of
    `KEY=VALUE`.
    """
    repeated = bool(getattr(param, "multiple", False))
    if isinstance(value, list | dict) and not repeated:
        raise K8sextError(f"{name} takes one value, not a {_kind(value)}", where=path)
    if isinstance(value, dict):
        pairs: dict[Any, Any] = value
        return [f"{k}={v}" for k, v in pairs.items()]
    return [value] if repeated and not isinstance(value, list) else value


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "mapping"


def _context(ctx: Any, values: Mapping[str, Any]) -> str:
    """The context of this run: by option, environment or file, else the kubeconfig's own."""
    chosen = ctx.meta.get(f"{_CONFIG}.context") or os.environ.get("K8SEXT_CONTEXT")
    if chosen or values.get("context"):
        return str(chosen or values["context"])
    from k8sext.kube import kubeconfig

    file = ctx.meta.get(f"{_CONFIG}.kubeconfig") or os.environ.get("K8SEXT_KUBECONFIG")
    try:
        return kubeconfig.current_context(Path(file) if file else None)
    except K8sextError:
        return ""  # the command itself will tell, if it needs one
