"""The file of defaults: `--config FILE`, or the k8sext.yaml that lies in the current folder.

Whoever names a file trusts it. The one in the folder was perhaps written by whoever made the
folder (a cloned repository, a merge request that CI checks out): it may say what is checked and how
it is judged and shown, and that is told in the report's head. It sends no secret, runs no code,
writes no file and chooses neither the cluster nor the person. `K8SEXT_*` variables are trusted:
who sets the environment of a process may also set its PATH.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.core import TyperOption

from k8sext.errors import K8sextError
from k8sext.model.secret import printable
from k8sext.reading import files

DEFAULT_FILE = "k8sext.yaml"
_CONFIG = "k8sext.config"  # in the meta data of a command's context
# What is shown, and how: nobody needs to be told.
SHOWN = frozenset({"output", "no-color", "verbose"})
# What shapes the verdict: told in the report's head.
JUDGED = frozenset(
    {
        "namespace", "all-namespaces", "selector", "include", "workloads", "fail-on", "require",
        "allow-empty", "wait", "timeout", "stage-timeout", "pod-start-timeout", "pod-ttl", "shards",
    }
)  # fmt: skip
FROM_FOLDER = SHOWN | JUDGED
_CLUSTER = "it chooses the cluster or the person"
_SECRETS = "it decides where logins go"
_POD = "it decides what runs beside the logins, where, and with which rights"
_WRITES = "it writes"
_ROLE = "people apply the Role that is printed"
_HIDES = "it takes a verdict away"
# Why the others are set by hand or by --config only. A test asks for a decision on each new option.
BY_HAND: Mapping[str, str] = {
    "kubeconfig": f"{_CLUSTER}; a kubeconfig runs commands", "context": _CLUSTER,
    "as": _CLUSTER, "as-group": _CLUSTER,
    "credentials": _SECRETS, "credentials-from": _SECRETS, "trust-annotations": _SECRETS,
    "filename": _SECRETS, "from": _SECRETS, "client": _SECRETS,
    "image": _POD, "image-pull-secret": _POD, "pod-patch": _POD, "pod-label": _POD,
    "pod-annotation": _POD, "node-selector": _POD, "toleration": _POD, "like": _POD, "mesh": _POD,
    "active": _WRITES, "reverse": _WRITES, "reverse-app": _WRITES, "junit": _WRITES,
    "output-file": _WRITES, "to": _WRITES, "port": _WRITES, "protocol": _WRITES,
    "origin": _WRITES, "resolve": _WRITES, "ingress": _WRITES, "ingress-class": _WRITES,
    "ingress-tls": _WRITES, "adopt": _WRITES, "force-conflicts": _WRITES, "all": _WRITES,
    "for": _ROLE, "service-account": _ROLE, "secret": _ROLE, "check": _HIDES, "dry-run": _HIDES,
    "diff": _HIDES, "verify": _HIDES, "as-saved": _HIDES, "quiet": _HIDES,
    "insecure-clear-text": _SECRETS, "from-report": "it reads another file",
    "debug": "it tells more than is meant for logs",
}  # fmt: skip
_state: dict[str, Any] = {"ctx": None, "folder": False, "ignored": {}}


def config_option() -> Any:
    """`--config`: the first option, for it gives the others their defaults."""
    return TyperOption(
        param_decls=["--config"],
        expose_value=False,
        is_eager=True,
        callback=_load,
        help=f"Read defaults from this file; without it {DEFAULT_FILE} here may set a few.",
    )


def long_name(param: Any) -> str:
    """What an option is called on the command line, without its dashes."""
    names: list[str] = param.opts
    return next((o for o in names if o.startswith("--")), names[0]).lstrip("-")


def _load(ctx: Any, _param: Any, value: str | None) -> None:
    """Read the file of defaults: option names to values, `contexts: {NAME: {…}}` on top."""
    path = Path(value or DEFAULT_FILE)
    _state.update(ctx=ctx, folder=value is None, ignored={})
    if value is None and not path.is_file():
        return
    data = files.mapping(path, "the file of defaults")
    known = _option_names(ctx.find_root().command)
    ctx.meta[_CONFIG] = (_checked(data, str(path), known), str(path))
    _apply(ctx)


def tell_ignored() -> None:
    """Say once which values of the folder's file do not count, and how they would."""
    ignored: dict[str, str] = _state["ignored"]
    if not ignored:
        return
    listed = ", ".join(sorted(ignored))
    sys.stderr.write(
        f"k8sext: {DEFAULT_FILE} of this folder may not set {listed}: ignored; if you trust the "
        f"file, give --config {DEFAULT_FILE}\n"
    )
    ignored.clear()


def applied() -> tuple[str, ...]:
    """What the folder's file has to do with the verdict of this run: one sentence, or none."""
    words = ", ".join(_judged()) if _state["folder"] and _state["ctx"] else ""
    return (f"{DEFAULT_FILE} of this folder sets {words}",) if words else ()


def _judged() -> Iterator[str]:
    ctx = _state["ctx"]
    for param in ctx.command.params:
        name, source = long_name(param), ctx.get_parameter_source(param.name)
        if name in JUDGED and source is not None and source.name == "DEFAULT_MAP":
            value = ctx.params.get(param.name)
            if value is not False:
                yield name if value is True else f"{name} {printable(str(value), 60)}"


def _option_names(root: Any) -> set[str]:
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
                f"unknown option: {inner + '.' if inner else ''}{name}",
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
    values = _trusted(ctx, {k: v for k, v in data.items() if k != "contexts"})
    contexts = data.get("contexts") or {}
    if contexts:
        values |= _trusted(ctx, contexts.get(_context(ctx, values), {}))
    names = {long_name(p): p for p in ctx.command.params if p.param_type_name == "option"}
    ctx.default_map = {
        str(names[k].name): _fitting(names[k], v, k, path) for k, v in values.items() if k in names
    }


def _trusted(ctx: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that count; of the others those that this command knows are kept for a word."""
    if not _state["folder"]:
        return dict(values)
    mine = {long_name(p) for p in ctx.command.params}
    _state["ignored"] |= {k: BY_HAND.get(k, "") for k in values if k in mine - FROM_FOLDER}
    return {k: v for k, v in values.items() if k in FROM_FOLDER}


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
