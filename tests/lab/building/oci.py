"""A root file system packed as an OCI archive, so that an image needs no registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PREFIX = "application/vnd.oci.image"


def pack(rootfs: Path, reference: str, archive: Path, entrypoint: Sequence[str]) -> None:
    """Write `archive` with one image of one layer."""
    _pack([], rootfs, reference, archive, entrypoint)


def pack_on(
    base: Path, more: Path, reference: str, archive: Path, entrypoint: Sequence[str]
) -> None:
    """Write `archive` with an image of the layers of another archive and the folder `more` above.

    The lower layers are named and not repeated: whoever imports it must have `base` already.
    """
    with tarfile.open(base) as tar:
        manifest = _blob(tar, _read(tar, "index.json")["manifests"][0])
        below = manifest["layers"]
    _pack(below, more, reference, archive, entrypoint)


def _pack(
    below: Sequence[Mapping[str, Any]],
    folder: Path,
    reference: str,
    archive: Path,
    entrypoint: Sequence[str],
) -> None:
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        tar.add(folder, arcname=".")
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    layers = [*below, _descriptor("layer.v1.tar", digest, layer.stat().st_size)]
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "Env": [_PATH]},
            # Layers are not compressed here: what a descriptor and a diff_id name is the same.
            "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_PREFIX}.manifest.v1+json",
            "config": _descriptor("config.v1+json", _digest(config), len(config)),
            "layers": layers,
        }
    )
    names = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
    }
    described = _descriptor("manifest.v1+json", _digest(manifest), len(manifest))
    index = _json({"schemaVersion": 2, "manifests": [{**described, "annotations": names}]})
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index)
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{_digest(blob)}", blob)
        tar.add(layer, arcname=f"blobs/sha256/{digest}")
    layer.unlink()


def _blob(tar: tarfile.TarFile, descriptor: Mapping[str, Any]) -> Any:
    return _read(tar, "blobs/" + descriptor["digest"].replace(":", "/"))


def _read(tar: tarfile.TarFile, name: str) -> Any:
    stream = tar.extractfile(name)
    assert stream is not None, f"{name} is no file"
    return json.load(stream)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_PREFIX}.{kind}", "digest": f"sha256:{digest}", "size": size}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
