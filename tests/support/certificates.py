"""The folder of certificates that `tls_table` needs."""

from __future__ import annotations

from pathlib import Path

from tests.support.authority import CA_EXTENSIONS, Authority, self_signed

NAME = "DNS:redis-svc"


def make(folder: Path) -> Path:
    """Everything, in about a second."""
    ca, other = Authority(folder, "test-ca"), Authority(folder, "other-ca")
    middle = Authority(folder, "intermediate", (*CA_EXTENSIONS, "authorityKeyIdentifier=keyid"), ca)
    loose = tuple(e for e in CA_EXTENSIONS if not e.startswith("keyUsage"))
    strict = Authority(folder, "strict-usage-ca", loose)
    (folder / "ca.crt").write_text(ca.pair.text)
    (folder / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n")
    (folder / "broken.key").write_text("nothing of the kind\n")
    ca.sign("good", NAME)
    ca.sign("client", "DNS:client")
    ca.sign("expired", NAME, begins=-100, ends=-12.5)
    ca.sign("future", NAME, begins=5.5)
    ca.sign("ending", NAME, ends=9.5)
    ca.sign("wrong-name", "DNS:other.example", "IP:192.0.2.7")
    ca.sign("outside", "DNS:redis.corp.example")
    ca.sign("wildcard", "DNS:*.dev.svc.cluster.local")
    ca.sign("wildcard-high", "DNS:*.svc.cluster.local")
    ca.sign("address", "IP:127.0.0.1")
    ca.sign("cn-only", cn="redis-svc")
    ca.sign("strict-keys", NAME, extensions=("authorityKeyIdentifier=none",))
    strict.sign("strict-usage", NAME)
    self_signed(folder, "self-signed", (), NAME)
    other.sign("unknown-ca", NAME)
    _with(folder, "with-root", other.sign("with-root", NAME).text, other.pair.text)
    middle.sign("no-intermediate", NAME)
    _with(folder, "with-intermediate", middle.sign("with-intermediate", NAME).text,
          middle.pair.text)  # fmt: skip
    return folder


def _with(folder: Path, name: str, *certificates: str) -> None:
    (folder / f"{name}.crt").write_text("".join(certificates))
