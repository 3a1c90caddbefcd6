"""How much the tool says: the options that every command has."""

from __future__ import annotations

import sys
from typing import Any

from typer.core import TyperOption

from . import defaults

_state: dict[str, Any] = {
    "verbose": 0, "quiet": False, "debug": False, "no_color": False, "insecure_clear_text": False,
}  # fmt: skip


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


def clear_text() -> bool:
    """Whether a login may go to the API server in clear text."""
    return bool(_state["insecure_clear_text"])


def options(cluster: bool = False) -> list[Any]:
    """Fresh option objects for one command; `cluster`: one that speaks with the API server."""
    flags: list[tuple[list[str], dict[str, Any]]] = [
        (["--quiet", "-q"], {"is_flag": True, "help": "Print nothing; only set the exit code."}),
        (["--verbose", "-v"], {"count": True, "help": "Print more to standard error; repeatable."}),
        (
            ["--debug"],
            {
                "is_flag": True,
                "help": "Print every API request, and tracebacks of internal errors.",
            },
        ),
        (["--no-color"], {"is_flag": True, "help": "Do not use colour (same as NO_COLOR)."}),
    ]
    if cluster:
        text = "Allow a login to be sent unencrypted to an API server at an http:// URL."
        flags.append((["--insecure-clear-text"], {"is_flag": True, "help": text}))
    return [
        TyperOption(param_decls=names, expose_value=False, callback=_note, **extra)
        for names, extra in flags
    ]


def _note(_ctx: Any, param: Any, value: Any) -> None:
    _state[str(param.name)] = value
    if debug() or verbose() or "logging" in sys.modules:
        _listen()
    if param.name == "quiet" and not value:
        defaults.tell_ignored()


def _filtered(record: Any) -> bool:
    """A log line is told as everything is: without secrets, all of it visible."""
    from k8sext.model.guard import guarded
    from k8sext.model.scrub import scrub
    from k8sext.model.secret import visible

    record.msg, record.args = visible(scrub(guarded(record.getMessage()))), ()
    return True


def _listen() -> None:
    """What the engine has to say goes to standard error, as everything that is no data."""
    import logging  # 5 ms, which --help need not wait for

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("k8sext: %(message)s"))
    handler.addFilter(_filtered)
    logger = logging.getLogger("k8sext")
    logger.setLevel(logging.DEBUG if debug() else logging.INFO if verbose() else logging.WARNING)
    logger.propagate, logger.handlers = False, [handler]
