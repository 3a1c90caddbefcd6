"""The DER reader, the name match and the strict rules, each against OpenSSL's own opinion."""

import random
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sext.agent.tls import der, names, strict
from tests.support import certificates
from tests.support.authority import CA_EXTENSIONS, IDENTIFIED, Authority, Pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def raw(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text().partition("-----END")[0] + _END)


_END = "-----END CERTIFICATE-----\n"
KINDS = ("good", "expired", "future", "wrong-name", "wildcard", "address", "cn-only", "self-signed",
         "ca", "strict-usage-ca", "strict-keys", "intermediate")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_reader_and_openssl_agree(kind: str, folder: Path) -> None:
    read = der.read(raw(folder / f"{kind}.crt"))
    told: dict[str, Any] = ssl._ssl._test_decode_cert(str(folder / f"{kind}.crt"))  # type: ignore[attr-defined]
    assert read.subject == dict(x[0] for x in told["subject"])["commonName"]
    assert read.issuer == dict(x[0] for x in told["issuer"])["commonName"]
    assert read.not_before == ssl.cert_time_to_seconds(told["notBefore"])
    assert read.not_after == ssl.cert_time_to_seconds(told["notAfter"])
    assert f"{read.serial:X}".zfill(2) == told["serialNumber"].lstrip("0").zfill(2)
    assert read.version == told["version"]
    there = told.get("subjectAltName", ())
    assert read.names == tuple(v for k, v in there if k == "DNS")
    assert read.addresses == tuple(v for k, v in there if k == "IP Address")
    assert read.alternatives == (len(there) or None)


def test_what_a_ca_is(folder: Path) -> None:
    ca, leaf = (der.read(raw(folder / f"{name}.crt")) for name in ("ca", "good"))
    assert (ca.is_ca, ca.self_issued) == (True, True)
    assert ca.key_usage == der.KEY_CERT_SIGN | der.CRL_SIGN
    assert (leaf.is_ca, leaf.self_issued, leaf.key_usage) == (False, False, None)


def test_times_of_both_kinds(folder: Path) -> None:
    """From 2050 on a certificate has GeneralizedTime (RFC 5280 section 4.1.2.5)."""
    pair = Authority(folder, "long-ca").sign("long", ends=20_000)
    assert der.read(raw(pair.crt)).not_after > 2_524_608_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x3f\x1f\x00",
        b"\x30\x03\x30\x7f\x00",
    ],
)
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        der.read(data)


def test_nothing_else_is_raised_and_nothing_is_huge(folder: Path) -> None:
    """10,000 damaged certificates: a value or ValueError."""
    dice = random.Random(4711)
    sound = [raw(folder / f"{kind}.crt") for kind in KINDS]
    read = 0
    for _ in range(10_000):
        data = bytearray(dice.choice(sound))
        for _ in range(dice.choice((1, 1, 2, 8))):
            at = dice.randrange(len(data))
            data[at] = dice.choice((0, 0x30, 0x7F, 0x80, 0x82, 0x84, 0xFF, dice.randrange(256)))
        if dice.random() < 0.2:
            del data[dice.randrange(len(data)) :]
        try:
            found = der.read(bytes(data))
        except ValueError:
            continue
        read += 1
        assert len(found.subject) <= 6 * (der.MAX_TEXT + 8)
        strict.faults([found, found])
        names.fits(found, "redis-svc")
    assert 0 < read < 10_000


def test_a_flood_of_elements_is_refused() -> None:
    many = b"\x05\x00" * (der.MAX_ITEMS + 1)
    with pytest.raises(ValueError, match="too many"):
        list(der.items(many, 0, len(many)))
    with pytest.raises(ValueError, match="64 KiB"):
        der.read(bytes(der.MAX_SIZE + 1))


# -- OpenSSL as the oracle -------------------------------------------------------------------------


def openssl_says(pair: Pair, ca: Path, name: str, *, strictly: bool = False) -> int:
    """OpenSSL's verification error (0: none) for a server with `pair`, without a socket."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.crt, pair.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(ca)
    client.verify_flags = ssl.VERIFY_X509_STRICT if strictly else ssl.VERIFY_DEFAULT
    client.check_hostname = bool(name)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(down, up, server_hostname=name or None)
    answers = server.wrap_bio(up, down, server_side=True)
    try:
        for _ in range(3):
            _step(asks)
            _step(answers)
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
    assert asks.version()
    return 0


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        pass


@pytest.fixture(scope="module")
def many_names(folder: Path) -> Iterator[tuple[Pair, Path, der.Certificate]]:
    ca = Authority(folder, "names-ca")
    pair = ca.sign(
        "many",
        *("DNS:redis-svc", "DNS:*.dev.svc", "DNS:*.dev", "DNS:f*.corp.example"),
        *("DNS:UPPER.example", "DNS:a.*.example", "IP:192.0.2.7", "IP:2001:db8::7"),
        *("DNS:192.0.2.8", "DNS:*.xn--bcher-kva.example", "DNS:dot.example."),
        cn="common.example",
    )  # fmt: skip
    yield pair, ca.pair.crt, der.read(raw(pair.crt))


@pytest.mark.parametrize(
    "name",
    [
        "redis-svc", "REDIS-svc", "redis-svc.dev", "x.dev.svc", "y.x.dev.svc", "dev.svc", "x.dev",
        "foo.corp.example", "f.corp.example", "upper.example", "a.b.example", "192.0.2.7",
        "192.0.2.8", "2001:db8::7", "2001:DB8:0::7", "2001:db8::8", "common.example", "other",
        "x.bücher.example", "x.xn--bcher-kva.example",
    ],
)  # fmt: skip
def test_names_match_as_openssl_matches(
    name: str, many_names: tuple[Pair, Path, der.Certificate]
) -> None:
    pair, ca, read = many_names
    assert names.fits(read, name) is (openssl_says(pair, ca, name) == 0)


def test_a_common_name_is_only_told_of(folder: Path) -> None:
    read = der.read(raw(folder / "cn-only.crt"))
    assert names.only_by_common_name(read, "redis-svc")
    assert not names.fits(read, "redis-svc")
    assert not names.only_by_common_name(der.read(raw(folder / "good.crt")), "good")


ROOT = CA_EXTENSIONS
SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sound": (ROOT, IDENTIFIED),
    "CA: basic constraints not critical": (("basicConstraints=CA:true", *ROOT[1:]), IDENTIFIED),
    "CA: no key usage": ((ROOT[0], ROOT[2]), IDENTIFIED),
    "CA: no subject key": (ROOT[:2], ("authorityKeyIdentifier=issuer:always",)),
    "CA: path length": (("basicConstraints=critical,CA:true,pathlen:1", *ROOT[1:]), IDENTIFIED),
    "leaf: no authority key": (ROOT, ("subjectKeyIdentifier=hash",)),
    "leaf: authority by issuer only": (ROOT, ("authorityKeyIdentifier=issuer:always",)),
    "leaf: no extensions": (ROOT, ()),
    "leaf: signs and is no CA": (ROOT, (*IDENTIFIED, "keyUsage=keyCertSign,digitalSignature")),
    "leaf: key usage": (ROOT, (*IDENTIFIED, "keyUsage=critical,digitalSignature")),
    "leaf: critical names": (ROOT, IDENTIFIED),
    "leaf: is a CA": (ROOT, (*IDENTIFIED, "basicConstraints=critical,CA:true")),
    "leaf: path length": (ROOT, (*IDENTIFIED, "basicConstraints=critical,CA:false,pathlen:0")),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_strict_faults_are_openssl_s(shape: str, folder: Path) -> None:
    of_ca, of_leaf = SHAPES[shape]
    file = f"shape-{list(SHAPES).index(shape)}"
    ca = Authority(folder, f"{file}-ca", of_ca)
    pair = ca.sign(file, "critical,DNS:x" if "critical names" in shape else "DNS:x",
                   extensions=of_leaf)  # fmt: skip
    loosely = openssl_says(pair, ca.pair.crt, "")
    if loosely:
        pytest.skip(f"no verification takes it, strict or not: error {loosely}")
    chain = [der.read(raw(pair.crt)), der.read(raw(ca.pair.crt))]
    strictly = openssl_says(pair, ca.pair.crt, "", strictly=True)
    assert bool(strict.faults(chain)) is bool(strictly), (strictly, strict.faults(chain))
