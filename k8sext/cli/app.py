"""The `k8sext` command: puts the command files together and turns errors into exit codes."""

from __future__ import annotations

import errno
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from k8sext import __version__
from k8sext.agent.ending import leave
from k8sext.errors import K8sextError, place_of
from k8sext.model.secret import printable

from . import console, defaults, talk
from .checks_command import checks_command
from .cleanup_command import cleanup_command
from .doctor_command import doctor_command
from .explain_command import explain_command
from .graph_command import graph_command
from .list_command import list_command
from .provision_command import provision_command
from .rbac_command import rbac_command
from .report_command import report_command
from .schema_command import schema_command
from .selftest_command import selftest_command

MAX_ERROR = 2000  # characters of one error: what is longer was made to be

COMMANDS: dict[str, Callable[..., Any]] = {
    "doctor": doctor_command,
    "list": list_command,
    "graph": graph_command,
    "provision": provision_command,
    "explain": explain_command,
    "report": report_command,
    "checks": checks_command,
    "rbac": rbac_command,
    "schema": schema_command,
    "cleanup": cleanup_command,
    "selftest": selftest_command,
}


def build() -> Any:
    """The command tree. Plain help: rich help costs every command 70 ms."""
    app = typer.Typer(
        name="k8sext",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, function in COMMANDS.items():
        app.command(name)(function)
    tree = typer.main.get_command(app)
    commands: dict[str, Any] = vars(tree)["commands"]
    for command in commands.values():
        _complete(command)
    return tree


# typer 0.28 carries its own copy of click; this is how it is reached by public names.
UsageError: Any = typer.BadParameter.__base__


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"k8sext {__version__}\n")
        raise typer.Exit(0)


def _root(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_version, help="Print the version and exit."
    ),
) -> None:
    """Find, check and explain the bridges from Kubernetes to the middleware outside it."""


def _complete(command: Any) -> None:
    """Give a command the shared options, and each of its options an environment variable."""
    command.params[:0] = [defaults.config_option()]
    reaches = any(param.name == "kubeconfig" for param in command.params)
    command.params.extend(talk.options(cluster=reaches))
    for param in command.params:
        if param.param_type_name == "option" and param.envvar is None:
            param.envvar = "K8SEXT_" + defaults.long_name(param).upper().replace("-", "_")
        if param.name in ("context", "kubeconfig"):
            param.is_eager, param.callback = True, defaults.note_context


def main(argv: Sequence[str] | None = None) -> None:
    """Run and exit: 0, 1 failed, 2 usage, 3 could not run, 5 nothing to do, 130 interrupted."""
    # A short process that makes few cycles: looking for them doubles the time of a long list,
    # and looking once more at the end would cost as much again.
    gc.disable()
    console.see_to_streams()
    code = run(list(sys.argv[1:] if argv is None else argv))
    gc.freeze()
    leave(code)


def _show_usage(error: Any, argv: Sequence[str]) -> None:
    """One sentence, and where there is more; without any word the help itself."""
    if not argv:
        console.say(error.format_message())
        return
    place = getattr(error, "ctx", None)
    command = "k8sext" if place is None else place.command_path
    console.say(f"k8sext: {error.format_message().rstrip('.')}; see {command} -h")


def _interrupt(_number: int, _frame: object) -> None:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: the Job is deleted first."""
    raise KeyboardInterrupt


# What a device or a file system says, whatever is written to it.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS)


def _failed(error: Exception) -> int:
    """One sentence: a stream that cannot be written, else a defect of ours."""
    if isinstance(error, OSError) and error.errno in _FULL:
        console.nobody_reads()
        console.say(f"k8sext: the output cannot be written: {error.strerror}")
        return 2
    if talk.debug():
        raise error
    what = f"{place_of(error)} (see --debug)"
    console.say(f"k8sext: internal error, please report it: {what}")
    return 3


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), _interrupt)
    try:
        code = build().main(list(argv), prog_name="k8sext", standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        _show_usage(error, argv)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except K8sextError as error:
        console.say(f"k8sext: {printable(str(error), MAX_ERROR)}")
        return error.exit_code
    except BrokenPipeError:
        console.nobody_reads()
        return 0
    except Exception as error:
        return _failed(error)
    return code if isinstance(code, int) else 0
