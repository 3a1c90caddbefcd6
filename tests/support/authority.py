"""Certificates of every kind, good and bad, made with the openssl command for a test."""

from __future__ import annotations

import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

DAY = 86400
_CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/{name}.index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = optional
"""
CA_EXTENSIONS = (
    "basicConstraints=critical,CA:true",
    "keyUsage=critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier=hash",
)
ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("rsa:2048",)
IDENTIFIED = ("subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM files."""

    crt: Path
    key: Path

    @property
    def text(self) -> str:
        """The certificate."""
        return self.crt.read_text()

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.crt, self.key)
        return context


class Authority:
    """A CA in a folder. Its keys are elliptic: they cost milliseconds."""

    def __init__(
        self,
        folder: Path,
        name: str,
        extensions: tuple[str, ...] = CA_EXTENSIONS,
        issuer: Authority | None = None,
    ) -> None:
        self.folder, self.name = folder, name
        (folder / f"{name}.index").touch()
        (folder / f"{name}.cnf").write_text(_CONFIG.format(folder=folder, name=name))
        if issuer:
            self.pair = issuer.sign(name, extensions=extensions)
        else:
            self.pair = self_signed(folder, name, extensions)

    def sign(
        self,
        file: str,
        *names: str,
        cn: str = "",
        begins: float = -1,
        ends: float = 365,
        extensions: tuple[str, ...] = IDENTIFIED,
    ) -> Pair:
        """A certificate for `names` (as openssl writes them), valid from and to days from now."""
        pair = _request(self.folder, file, cn or file)
        _extensions(self.folder, file, names, extensions)
        _openssl(
            self.folder,
            *("ca", "-batch", "-notext", "-config", f"{self.name}.cnf", "-in", f"{file}.csr"),
            *("-cert", self.pair.crt.name, "-keyfile", self.pair.key.name),
            *("-extfile", f"{file}.ext", "-out", f"{file}.crt"),
            *("-startdate", _date(begins), "-enddate", _date(ends)),
        )
        return pair


def self_signed(
    folder: Path,
    file: str,
    extensions: tuple[str, ...] = (),
    *names: str,
    cn: str = "",
    digest: str = "sha256",
    key: tuple[str, ...] = ELLIPTIC,
) -> Pair:
    """A certificate that is its own issuer; an RSA key takes any digest."""
    pair = _request(folder, file, cn or file, key)
    _extensions(folder, file, names, extensions)
    _openssl(
        folder,
        *("x509", "-req", f"-{digest}", "-days", "365"),
        *("-in", f"{file}.csr", "-key", f"{file}.key"),
        *("-extfile", f"{file}.ext", "-out", f"{file}.crt"),
    )
    return pair


def serving_itself(folder: Path, file: str, *names: str) -> Pair:
    """What one server alone needs: a certificate that its clients may trust as an authority."""
    trusted = ("basicConstraints=critical,CA:true", "subjectKeyIdentifier=hash")
    return self_signed(folder, file, trusted, *(names or (f"DNS:{file}",)))


def _request(folder: Path, file: str, cn: str, key: tuple[str, ...] = ELLIPTIC) -> Pair:
    _openssl(
        folder,
        *("req", "-newkey", *key, "-nodes", "-sha256"),
        *("-keyout", f"{file}.key", "-out", f"{file}.csr", "-subj", f"/CN={cn}"),
    )
    return Pair(folder / f"{file}.crt", folder / f"{file}.key")


def _extensions(folder: Path, file: str, names: tuple[str, ...], more: tuple[str, ...]) -> None:
    lines = [*more, *([f"subjectAltName={','.join(names)}"] if names else [])]
    (folder / f"{file}.ext").write_text("\n".join(lines) + "\n")


def _date(days: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * DAY))


def _openssl(folder: Path, *argv: str) -> None:
    done = subprocess.run(["openssl", *argv], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
