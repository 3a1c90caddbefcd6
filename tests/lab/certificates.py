"""Certificates of every kind, good and bad, by the lab's authority and by others.

`openssl ca` is used because `openssl x509` of Debian 12 (3.0) cannot set the first day.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.lab.place import LabError, Place


@dataclass(frozen=True)
class Kind:
    """How a certificate differs from a good one; days count from now."""

    first_day: float = -1
    last_day: float = 60
    issuer: str = "lab"  # lab, other (an authority nobody trusts), self, intermediate
    names: tuple[str, ...] | None = None  # None: as the server asked; (): no alternative name
    chain: bool = True  # whether the server sends its intermediate
    key_identifier: bool = True


KINDS = {
    "good": Kind(),
    "expired": Kind(first_day=-20, last_day=-10),
    "not-yet": Kind(first_day=10, last_day=20),
    "soon": Kind(last_day=10),
    "other-name": Kind(names=("elsewhere.example",)),
    "no-san": Kind(names=()),
    "other-ca": Kind(issuer="other"),
    "self-signed": Kind(issuer="self"),
    "chain": Kind(issuer="intermediate"),
    "no-chain": Kind(issuer="intermediate", chain=False),
    "no-key-identifier": Kind(key_identifier=False),
}
"""`no-key-identifier` is refused by strict verification only (the default from Python 3.13 on)."""

_CONFIG = """[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/index
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
"""


@dataclass(frozen=True)
class Pair:
    """Files of one certificate (with its chain, as a server sends it) and its key."""

    certificate: Path
    key: Path


def make(place: Place, kind: str, names: Sequence[str], folder: Path) -> Pair:
    """A certificate of `kind` for `names` (host names or addresses), made anew in `folder`."""
    chosen = KINDS[kind]
    wanted = list(names if chosen.names is None else chosen.names)
    folder.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(repr((kind, wanted)).encode()).hexdigest()[:8]
    base = folder / f"{kind}-{mark}"
    common = names[0] if names else "server.example"
    authority = _issuer(place, chosen.issuer)
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
    extensions += ["subjectKeyIdentifier=hash"]
    if chosen.key_identifier and chosen.issuer != "self":
        extensions += ["authorityKeyIdentifier=keyid:always"]
    if not chosen.key_identifier:  # openssl ca adds one of its own accord
        extensions += ["authorityKeyIdentifier=none"]
    if wanted:
        extensions += ["subjectAltName=" + ",".join(map(_alternative, wanted))]
    _sign(base, f"/CN={common}", extensions, chosen, authority)
    if chosen.issuer == "intermediate" and chosen.chain:
        assert authority is not None
        with base.with_suffix(".crt").open("a") as file:
            file.write(authority.certificate.read_text())
    return Pair(base.with_suffix(".crt"), base.with_suffix(".key"))


def _alternative(name: str) -> str:
    return f"IP:{name}" if name.replace(".", "").isdigit() else f"DNS:{name}"


def _issuer(place: Place, name: str) -> Pair | None:
    """The key pair that signs; None for a certificate that signs itself."""
    if name == "self":
        return None
    lab = Pair(place.pki / "ca.crt", place.pki / "ca.key")
    if name == "lab":
        return lab
    base = place.pki / f"{name}-ca"
    pair = Pair(base.with_suffix(".crt"), base.with_suffix(".key"))
    if not pair.certificate.exists():
        usage = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        usage += ["subjectKeyIdentifier=hash"]
        signer = lab if name == "intermediate" else None
        _sign(base, f"/CN={name}-ca", usage, Kind(), signer)
    return pair


def _sign(
    base: Path, subject: str, extensions: Sequence[str], kind: Kind, authority: Pair | None
) -> None:
    """Key, request and certificate at `base`; each in a folder of its own while it is made."""
    work = base.parent / f"{base.name}.work"
    work.mkdir(parents=True, exist_ok=True)
    (work / "index").write_text("")
    config = work / "config"
    config.write_text(_CONFIG.format(folder=work))
    (work / "extensions").write_text("\n".join(extensions) + "\n")
    key, request, certificate = base.with_suffix(".key"), work / "request", work / "certificate"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made = ["-keyout", str(key), "-out", str(request), "-subj", subject]
    _openssl(["req", "-config", str(config), *curve, *made])
    days = ["-startdate", _moment(kind.first_day), "-enddate", _moment(kind.last_day)]
    signer = ["-selfsign", "-keyfile", str(key)]
    if authority is not None:
        signer = ["-cert", str(authority.certificate), "-keyfile", str(authority.key)]
    files = ["-in", str(request), "-out", str(certificate), "-extfile", str(work / "extensions")]
    _openssl(["ca", "-batch", "-notext", "-config", str(config), *days, *signer, *files])
    certificate.rename(base.with_suffix(".crt"))


def _moment(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def _openssl(argv: Sequence[str]) -> None:
    done = subprocess.run(["openssl", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"openssl {argv[0]}: {done.stderr.strip()[-500:]}")
