"""How to reach the API server: kubeconfig files and the pod's own service account, read by us.

`import kubernetes.config` costs 0.3 s and more, so certificates, tokens, token files and
passwords are read here. What needs code to run (exec plug-ins, auth providers) is left to the
official loader (`official.py`). Merging follows kubectl: of several files in $KUBECONFIG the first
that names a thing wins, and relative paths are relative to the file that holds them.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, cast

from k8sext.errors import K8sextError
from k8sext.model.data import dataclass
from k8sext.model.secret import Secret
from k8sext.reading import bounds, files

from . import server_url

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API server is and who we are. PEM data is text; no field shows a secret."""

    server: str
    context: str = ""
    namespace: str = "default"
    ca_pem: str = ""
    insecure: bool = False
    server_name: str = ""  # tls-server-name
    proxy: str = ""  # proxy-url
    cert_pem: str = ""
    key_pem: Secret = field(default_factory=lambda: Secret(""))
    token: Secret = field(default_factory=lambda: Secret(""))
    token_file: str = ""
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    as_uid: str = ""
    as_extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    plugin: bool = False  # exec or auth-provider: the official loader makes the login
    files: tuple[str, ...] = ()


def load(kubeconfig: Path | None, context: str | None) -> Access:
    """The access of one context. Raises K8sextError (exit code 3) with one clear sentence."""
    found = _files(kubeconfig)
    if not found:
        if kubeconfig is None and context is None and in_cluster_available():
            return in_cluster()
        where = str(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")
        raise _refused("kubeconfig not found", where, "give --kubeconfig or set KUBECONFIG")
    return from_config(merged(found), context, tuple(map(str, found)))


def current_context(kubeconfig: Path | None) -> str:
    """The context that is used where none is named; "" where there is no kubeconfig."""
    return str(merged(_files(kubeconfig))["current-context"])


def _files(kubeconfig: Path | None) -> list[Path]:
    if kubeconfig is not None:
        # Not `is_file`: a pipe (`--kubeconfig <(…)`) is as good.
        return [kubeconfig] if kubeconfig.exists() else []
    listed = os.environ.get("KUBECONFIG", "")
    paths = [Path(p) for p in listed.split(os.pathsep) if p]
    return [p for p in paths or [Path.home() / ".kube" / "config"] if p.is_file()]


def _refused(what: str, where: str = "", fix: str = "", why: str = "") -> K8sextError:
    return K8sextError(what, where=where, why=why, fix=fix, exit_code=3)


def merged(paths: Sequence[Path]) -> dict[str, Any]:
    """Several kubeconfig files as one: `{"current-context": …, "clusters": {name: …}, …}`."""
    result: dict[str, Any] = {"current-context": "", "clusters": {}, "users": {}, "contexts": {}}
    for path in paths:
        data = _read(path)
        current = data.get("current-context") or ""
        if not _is_text(current):
            raise _refused("current-context is not text", str(path))
        result["current-context"] = result["current-context"] or str(current)
        for kind, word in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for item in _items(data, kind, word, path):
                body = _shaped(item.get(word) or {}, word, path)
                body = _absolute(body, path.parent.absolute())
                result[kind].setdefault(str(item.get("name")), body)
    return result


def _items(data: Mapping[str, Any], kind: str, word: str, path: Path) -> list[dict[str, Any]]:
    """One of the lists, each item `{name: …, WORD: {…}}`."""
    items: Any = data.get(kind) or []
    if not isinstance(items, list) or not all(
        isinstance(i, dict) and isinstance(i.get(word) or {}, dict)  # pyright: ignore[reportUnknownMemberType]
        for i in items  # pyright: ignore[reportUnknownVariableType]
    ):
        raise _refused(f"{kind} is not a list of names, each with its {word}", str(path))
    return cast("list[dict[str, Any]]", items)


def _read(path: Path) -> dict[str, Any]:
    return files.mapping(path, "the kubeconfig", bounds.KUBECONFIG, secret=True, exit_code=3)


def _shaped(body: Mapping[str, Any], word: str, path: Path) -> dict[str, Any]:
    """Text where text belongs. A wrong shape is refused, never guessed: `"false"` is no false."""
    out: dict[str, Any] = {}
    for key, value in body.items():
        if key in _FREE or value is None:
            out[key] = value
            continue
        wanted, fits = _SHAPES.get(key, ("text", _is_text))
        if not fits(value):
            raise _refused(f"{key} of a {word} is not {wanted}", str(path))
        out[key] = str(value) if fits is _is_text else value
    return out


def _is_text(value: Any) -> bool:
    """YAML reads a token of digits as a number, and a user called `on` as true."""
    return isinstance(value, str | int | float)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in cast("list[object]", value))


def _is_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(k, str) and _is_list(v) for k, v in cast("dict[object, object]", value).items()
    )


_FREE = ("exec", "auth-provider", "extensions")  # the official loader's
_SHAPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "insecure-skip-tls-verify": ("true or false", lambda v: isinstance(v, bool)),
    "disable-compression": ("true or false", lambda v: isinstance(v, bool)),
    "as-groups": ("a list of names", _is_list),
    "as-user-extra": ("a mapping of lists", _is_lists),
}


def _absolute(body: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Paths made absolute against the folder of the file that names them."""
    return {k: str(folder / str(v)) if k in _PATHS and v else v for k, v in body.items()}


def from_config(config: Mapping[str, Any], context: str | None, paths: tuple[str, ...]) -> Access:
    """The access of one context of a merged kubeconfig."""
    where = os.pathsep.join(paths)
    name = context or config["current-context"]
    if not name:
        raise _refused("no current-context", where, "give --context")
    chosen = config["contexts"].get(name)
    if chosen is None:
        known = ", ".join(sorted(config["contexts"])) or "none"
        raise _refused(f"no context {name!r}", where, f"contexts there: {known}")
    cluster = config["clusters"].get(chosen.get("cluster"))
    if not cluster or not cluster.get("server"):
        raise _refused(f"context {name!r} names a cluster that is not there", where)
    user = config["users"].get(chosen.get("user")) or {}
    return Access(
        context=name,
        namespace=chosen.get("namespace") or "default",
        files=paths,
        **_cluster(cluster, f"context {name}"),
        **_user(user),
    )


def _cluster(cluster: Mapping[str, Any], where: str) -> dict[str, Any]:
    insecure = bool(cluster.get("insecure-skip-tls-verify"))
    authority = ("certificate-authority", "certificate-authority-data")
    if insecure and any(cluster.get(word) for word in authority):
        # As kubectl (client-go, transport.TLSConfigFor): which of the two was meant is not guessed.
        raise _refused(
            "the cluster has a certificate-authority and insecure-skip-tls-verify", where,
            "remove one of the two",
        )  # fmt: skip
    return {
        "server": server_url.read(str(cluster["server"]), where),
        "ca_pem": _pem(cluster, "certificate-authority"),
        "insecure": insecure,
        "server_name": cluster.get("tls-server-name") or "",
        "proxy": cluster.get("proxy-url") or "",
    }


def _user(user: Mapping[str, Any]) -> dict[str, Any]:
    """The user's part. client-go: a token file is preferred to a token."""
    return {
        "cert_pem": _pem(user, "client-certificate"),
        "key_pem": Secret(_pem(user, "client-key")),
        "token": Secret(str(user.get("token") or "")),
        "token_file": user.get("tokenFile") or "",
        "username": str(user.get("username") or ""),
        "password": Secret(str(user.get("password") or "")),
        "as_user": user.get("as") or "",
        "as_groups": tuple(user.get("as-groups") or ()),
        "as_uid": str(user.get("as-uid") or ""),
        "as_extra": tuple((k, tuple(v)) for k, v in (user.get("as-user-extra") or {}).items()),
        "plugin": bool(user.get("exec") or user.get("auth-provider")),
    }


def _pem(body: Mapping[str, Any], key: str) -> str:
    """`KEY-data` (base64) before `KEY` (a path), as client-go reads them."""
    data = body.get(f"{key}-data")
    try:
        if data:
            bare = "".join(data.split())
            return base64.b64decode(bare, validate=True).decode()
        return files.text(body[key]) if body.get(key) else ""
    except bounds.Unreadable as error:
        raise _refused(f"{key} cannot be read", str(body[key]), why=error.why) from None
    except (binascii.Error, ValueError, AttributeError):
        raise _refused(f"{key} is not PEM text (in base64 where it is -data)") from None


def in_cluster_available() -> bool:
    """Whether we run in a pod that has a service-account token."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").is_file()


def in_cluster() -> Access:
    """The pod's own access (kubernetes.io: Accessing the API from within a Pod)."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    namespace = SERVICE_ACCOUNT / "namespace"
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        context="in-cluster",
        namespace=namespace.read_text(encoding="utf-8").strip()
        if namespace.is_file()
        else "default",
        ca_pem=_pem({"ca": str(SERVICE_ACCOUNT / "ca.crt")}, "ca"),
        token_file=str(SERVICE_ACCOUNT / "token"),
    )
