"""The certificates of the self-test, as OpenSSL judges them."""

import ssl
import time

import pytest

from k8sext.agent.tls import der, strict
from k8sext.selftest import run as selftest
from k8sext.selftest.case import CERTIFICATES
from k8sext.selftest.certificates import BASE_X, BASE_Y, ORDER, Authority, KeyPair, P, times

NAME = "redis-svc.selftest.svc"
CODES = {"expired": 10, "not-yet": 9, "unknown-ca": 20, "wrong-name": 62}


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """A handshake in memory; the client's end."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(up, down, server_side=True)
    ours = client.wrap_bio(down, up, server_hostname=NAME)
    for _ in range(4):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return ours


def trusting(authority: Authority) -> ssl.SSLContext:
    """As strict as Python 3.13, on every Python."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority.pem)
    return context


@pytest.mark.parametrize("kind", sorted(CERTIFICATES))
def test_each_kind_is_what_it_says(kind: str) -> None:
    about, key, authority = CERTIFICATES[kind], KeyPair.make(), Authority.make("trusted")
    issuer = authority if about.trusted else Authority.make("another")
    pem = issuer.issue(key, about.name, about.begins, about.ends)
    server, client = selftest.server_context(pem, key), trusting(authority)
    if kind in CODES:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            shaken(server, client)
        assert caught.value.verify_code == CODES[kind]
        return
    seen = shaken(server, client).getpeercert() or {}
    assert seen["subjectAltName"] == (("DNS", about.name),)
    left = ssl.cert_time_to_seconds(str(seen["notAfter"])) - time.time()
    assert about.ends - 1 < left / 86400 <= about.ends


def test_strict_clients_have_nothing_to_object_to() -> None:
    authority, key = Authority.make("trusted"), KeyPair.make()
    leaf = authority.issue(key, "*.selftest.svc")
    chain = [der.read(ssl.PEM_cert_to_DER_cert(pem)) for pem in (leaf, authority.pem)]
    assert strict.faults(chain) == []
    assert chain[0].names == ("*.selftest.svc",)


def test_keys_are_points_of_the_curve_and_no_two_alike() -> None:
    assert times(1) == (BASE_X, BASE_Y)
    assert times(ORDER - 1) == (BASE_X, P - BASE_Y)
    # 2G, from the definition of the curve: the tangent at G.
    slope = (3 * BASE_X**2 - 3) * pow(2 * BASE_Y, -1, P)
    assert times(2)[0] == (slope**2 - 2 * BASE_X) % P
    public = {KeyPair.make().public for _ in range(4)}
    assert len(public) == 4
    b = (BASE_Y**2 - BASE_X**3 + 3 * BASE_X) % P
    for point in public:
        x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
        assert (y * y - x**3 + 3 * x - b) % P == 0


def test_a_signature_of_other_data_is_refused() -> None:
    """OpenSSL looks at ours: a certificate that was changed afterwards is not trusted."""
    authority, key = Authority.make("trusted"), KeyPair.make()
    good = ssl.PEM_cert_to_DER_cert(authority.issue(key, "*.selftest.svc"))
    bent = ssl.DER_cert_to_PEM_cert(good.replace(b"a stand-in of", b"A stand-in of"))
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shaken(selftest.server_context(bent, key), trusting(authority))
    assert caught.value.verify_code == 7  # X509_V_ERR_CERT_SIGNATURE_FAILURE
