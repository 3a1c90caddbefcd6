"""Certificates for servers on loopback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def self_signed(folder: Path, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate for an address that is its own authority, and its key."""
    crt, key = folder / "tls.crt", folder / "tls.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "90", "-subj", "/CN=test", "-addext", f"subjectAltName=IP:{host}",
            "-keyout", str(key), "-out", str(crt)]  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    return crt, key
