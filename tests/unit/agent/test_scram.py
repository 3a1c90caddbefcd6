"""SCRAM-SHA-256: RFC 7677's example, hostile servers, bindings and passwords."""

import asyncio
import base64
import hashlib
import subprocess
import tempfile
from pathlib import Path

import pytest

from k8sext.agent.fault import Fault
from k8sext.agent.login.scram import MAX_ROUNDS, Scram, end_point, prepared
from k8sext.model.words import Reason
from tests.support.authority import RSA, self_signed


def test_the_example_of_rfc_7677() -> None:
    scram = Scram("pencil")
    scram.nonce, scram.first_bare = "rOprNGfwEbeRWgbNEkqO", "n=user,r=rOprNGfwEbeRWgbNEkqO"
    first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = asyncio.run(scram.final(first)).decode()
    assert final.endswith("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(Fault) as wrong:
        scram.check("v=AAAA")
    assert wrong.value.reason is Reason.WRONG_PRODUCT
    with pytest.raises(Fault):
        scram.check("v=ä")


@pytest.mark.parametrize(
    "challenge",
    ["", "r=x", "r=NONCE,s=!,i=1", "r=other,s=AAAA,i=1", "r=NONCE,s=AAAA,i=0",
     f"r=NONCE,s=AAAA,i={MAX_ROUNDS + 1}", "r=NONCE,s=AAAA,i=1e9"],
)  # fmt: skip
def test_a_challenge_that_is_none_or_never_ends(challenge: str) -> None:
    scram = Scram("p")
    with pytest.raises(Fault) as fault:
        asyncio.run(scram.final(challenge.replace("NONCE", scram.nonce)))
    assert fault.value.reason is Reason.WRONG_PROTOCOL


@pytest.mark.parametrize(
    ("encrypted", "endpoint", "header"),
    [(False, b"", "n,,"), (True, b"", "y,,"), (True, b"hash", "p=tls-server-end-point,,")],
)
def test_the_flag_says_what_could_be_bound(encrypted: bool, endpoint: bytes, header: str) -> None:
    scram = Scram("p", encrypted=encrypted, endpoint=endpoint)
    assert scram.first().decode() == header + scram.first_bare
    final = asyncio.run(scram.final(f"r={scram.nonce}x,s=AAAA,i=1")).decode()
    assert base64.b64decode(final[2:].partition(",")[0]) == header.encode() + endpoint


@pytest.mark.parametrize(
    ("digest", "used"), [("sha1", "sha256"), ("sha256", "sha256"), ("sha512", "sha512")]
)
def test_the_hash_follows_the_certificates_signature(
    digest: str, used: str, tmp_path: Path
) -> None:
    file = self_signed(tmp_path, "server", digest=digest, key=RSA).crt
    der = base64.b64decode("".join(file.read_text().splitlines()[1:-1]))
    assert end_point(der) == hashlib.new(used, der).digest()


def test_a_signature_without_a_hash_of_its_own_binds_nothing() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = ["-keyout", f"{folder}/k", "-out", f"{folder}/c", "-outform", "DER"]
        argv = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", *files]
        subprocess.run(argv, check=True, capture_output=True)
        assert end_point(Path(folder, "c").read_bytes()) == b""
    assert end_point(b"") == end_point(b"\x30\x82") == b""


@pytest.mark.parametrize(
    ("password", "used"),
    [  # RFC 4013 section 3, then what it forbids: the password as it is
        ("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"),
        ("a\u00a0b", "a b"), ("\u0007é", "\u0007é"), ("\u0627\u0031", "\u0627\u0031"),
        ("\u00ad", "\u00ad"),
    ],
)  # fmt: skip
def test_passwords_are_prepared(password: str, used: str) -> None:
    assert prepared(password) == used
