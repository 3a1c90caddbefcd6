import asyncio

import pytest

from k8sext import registry
from k8sext.agent.net.guess import product, wrong_protocol
from k8sext.model.words import Reason
from tests.support.converse import against, fed


@pytest.mark.parametrize(
    ("said", "who"),
    [
        (b"J\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB", "MySQL or MariaDB"),
        (b"E\x00\x00\x00\xffj\x04Host is not allowed", "MySQL or MariaDB"),  # 1130 for a greeting
        (b"E\x00\x00\x00\x8dSFATAL", "PostgreSQL"),
        (b"HTTP/1.1 400 Bad Request", "HTTP"),
        (b"AMQP\x00\x00\x09\x01", "AMQP (RabbitMQ)"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"-ERR unknown command", "Redis"),
        (b"\x00\x01\x02", ""),
        (b"", ""),
    ],
)
def test_who_speaks_like_that(said: bytes, who: str) -> None:
    assert product(said, registry.fingerprints()) == who


def test_no_two_products_claim_the_same_bytes() -> None:
    known = registry.fingerprints()
    claims = {(f.at, f.starts): f.product for f in known}
    assert len(claims) == len(known)
    assert all(f.starts for f in known)


def test_the_rest_of_the_answer_is_read_for_the_evidence() -> None:
    async def one_byte_read() -> tuple[Reason, str, object]:
        stream = fed(b"SSH-2.0-OpenSSH_9.2")
        stream.fingerprints = registry.fingerprints()
        await stream.read_exactly(1)
        fault = await wrong_protocol(stream, "not this")
        return fault.reason, fault.detail, fault.evidence["first_bytes"]

    assert asyncio.run(one_byte_read()) == (
        Reason.WRONG_PROTOCOL,
        "not this; this is SSH",
        b"SSH-2.0-OpenSSH_9.2".hex(),
    )


@pytest.mark.parametrize("version", [b"\x01", b"\x03"])
def test_an_alert_to_clear_text_means_that_tls_is_wanted(version: bytes) -> None:
    async def answered() -> tuple[Reason, object]:
        stream = fed(b"\x15\x03" + version + b"\x00\x02\x02\x0a")
        await stream.read_exactly(1)
        fault = await wrong_protocol(stream, "not this")
        return fault.reason, fault.evidence["first_bytes"]

    said = (b"\x15\x03" + version + b"\x00\x02\x02\x0a").hex()
    assert asyncio.run(answered()) == (Reason.TLS_REQUIRED, said)


def test_a_second_look_waits_for_two_bytes_of_tls() -> None:
    connections: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await reader.read(100)
        if len(connections) == 1:
            return  # hangs up on what is in clear text
        writer.write(b"\x15")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"\x03\x03\x00\x02\x02\x46")

    seen = against(talk, "redis", "redis")
    assert seen.ended_by is not None
    assert seen.ended_by.reason is Reason.TLS_REQUIRED
