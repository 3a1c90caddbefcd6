"""What Debian's docker-registry is given: its configuration, accounts, keys, and an image."""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import io
import json
import secrets
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = "docker-registry"
SERVICE, ISSUER = "lab-registry", "lab-token-service"
IMAGE = "springcloud/msa-ext-postgresql:1.0.0"
"""The article's first image (its line 449)."""

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def configuration(
    address: str,
    port: int,
    storage: Path,
    auth: Mapping[str, Any] | None = None,
    pair: tuple[str, str] | None = None,
) -> str:
    """A registry's configuration: JSON, which is YAML as well."""
    http: dict[str, Any] = {"addr": f"{address}:{port}", "secret": secrets.token_hex(16)}
    if pair:
        http["tls"] = {"certificate": pair[0], "key": pair[1]}
    told: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": http,
    }
    return json.dumps({**told, "auth": auth} if auth else told)


def by_accounts(folder: Path, user: str, word: str) -> dict[str, Any]:
    """Basic authentication with one account."""
    file = folder / "htpasswd"
    file.write_text(f"{user}:{hashed(word)}\n")
    return {"htpasswd": {"realm": "lab", "path": str(file)}}


def by_tokens(realm: str, certificate: str) -> dict[str, Any]:
    """Tokens of a token service whose certificate is known."""
    told = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": certificate}
    return {"token": told}


def signer(folder: Path, name: str = "signer") -> tuple[str, str]:
    """A key and its certificate, with which tokens are signed; made once."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
             "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate)],
            capture_output=True, check=True,
        )  # fmt: skip
    return str(key), str(certificate)


def hashed(word: str) -> str:
    """bcrypt, the only kind of hash that the registry's htpasswd knows; libcrypt makes it."""
    salt = "".join(secrets.choice(_LETTERS) for _ in range(22))
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    made = library.crypt(word.encode(), f"$2b$04${salt}".encode())
    return bytes(made).decode()


Send = Callable[[str, str, bytes, Mapping[str, str]], tuple[int, Mapping[str, str]]]
"""METHOD, path, body and headers; status and headers (in lower case) of the answer."""


def push(send: Send, image: str = IMAGE) -> None:
    """Put a small image there, over the API (docs/spec/api.md: pushing an image)."""
    name, _, tag = image.partition(":")
    layer = _layer()
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers",
         "diff_ids": [_digest(gzip.decompress(layer))]}}
    ).encode()  # fmt: skip
    for blob in (layer, config):
        _blob(send, name, blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)}],
    }
    headers = {"Content-Type": _MANIFEST}
    path = f"/v2/{name}/manifests/{tag}"
    status, _ = send("PUT", path, json.dumps(manifest).encode(), headers)
    if status != 201:
        raise RuntimeError(f"PUT {path}: {status}")


def _blob(send: Send, name: str, data: bytes) -> None:
    status, headers = send("POST", f"/v2/{name}/blobs/uploads/", b"", {})
    if status != 202:
        raise RuntimeError(f"an upload to {name} does not begin: {status}")
    where = headers["location"].partition("://")[2].partition("/")[2] or headers["location"]
    path = f"/{where.lstrip('/')}"
    path = f"{path}{'&' if '?' in path else '?'}digest={_digest(data)}"
    status, _ = send("PUT", path, data, {"Content-Type": "application/octet-stream"})
    if status != 201:
        raise RuntimeError(f"PUT {path}: {status}")


def _layer() -> bytes:
    """One file in a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        text = b"an image of the lab\n"
        entry = tarfile.TarInfo("lab.txt")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(out.getvalue(), mtime=0)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
