"""Reads from an X.509 certificate what a diagnosis says of it.

Python's own `getpeercert()` is empty where nothing was verified. Structure: RFC 5280 section 4.1;
encoding: ITU-T X.690 (DER). Everything is bounded, and whatever is wrong raises ValueError.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime

from k8sext.model.data import dataclass

MAX_SIZE = 64 << 10
MAX_ITEMS = 1000
MAX_TEXT = 255

SEQUENCE, SET, OID, INTEGER, BOOLEAN = 0x30, 0x31, 0x06, 0x02, 0x01
BIT_STRING, OCTET_STRING, UTC_TIME, GENERAL_TIME = 0x03, 0x04, 0x17, 0x18
COMMON_NAME = b"\x55\x04\x03"
# Object identifiers of extensions, 2.5.29.x (RFC 5280 section 4.2.1).
SUBJECT_KEY, KEY_USAGE, SUBJECT_NAMES = b"\x55\x1d\x0e", b"\x55\x1d\x0f", b"\x55\x1d\x11"
BASIC, AUTHORITY_KEY = b"\x55\x1d\x13", b"\x55\x1d\x23"
_ATTRIBUTES = {
    COMMON_NAME: "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}
_TEXT = {0x0C: "utf-8", 0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
KEY_CERT_SIGN, CRL_SIGN = 1 << 5, 1 << 6


@dataclass(frozen=True, slots=True)
class DerElement:
    """One element: its tag and where its content is."""

    tag: int
    data: bytes = field(repr=False)
    start: int
    end: int

    @property
    def content(self) -> bytes:
        """The bytes inside."""
        return self.data[self.start : self.end]

    def inside(self) -> list[DerElement]:
        """The elements inside."""
        return list(items(self.data, self.start, self.end))


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: whether it is critical, and its value."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says. Times are seconds since 1970."""

    subject: str  # the common name, else what there is of a name
    common_name: str
    issuer: str
    subject_name: bytes  # the whole names as they are encoded
    issuer_name: bytes
    names: tuple[str, ...]  # dNSName
    addresses: tuple[str, ...]  # iPAddress
    alternatives: int | None  # how many subjectAltNames of any kind; None: no such extension
    not_before: int
    not_after: int
    serial: int
    version: int
    is_ca: bool
    path_length: int | None
    key_usage: int | None  # bit n of RFC 5280's KeyUsage is 1 << n; None: no such extension
    authority_key: bool  # a keyIdentifier inside authorityKeyIdentifier
    signatures_agree: bool  # the algorithm outside is the one inside
    extensions: Mapping[bytes, Extension] = field(repr=False)

    @property
    def self_issued(self) -> bool:
        """Subject and issuer are the same name."""
        return self.subject_name == self.issuer_name


def items(data: bytes, start: int, end: int) -> Iterator[DerElement]:
    """The elements between `start` and `end`, which they must fill."""
    count = 0
    while start < end:
        item = element(data, start, end)
        yield item
        start, count = item.end, count + 1
        if count > MAX_ITEMS:
            raise ValueError("too many elements")


def element(data: bytes, at: int, end: int) -> DerElement:
    """The element at `at`, which must end by `end`."""
    if at + 2 > end:
        raise ValueError("an element is cut off")
    tag, length, at = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of several bytes")
    if length >= 0x80:
        width = length & 0x7F
        if not 1 <= width <= 3 or at + width > end:
            raise ValueError("a length that DER does not have")
        length, at = int.from_bytes(data[at : at + width]), at + width
    if at + length > end:
        raise ValueError("an element is longer than what holds it")
    return DerElement(tag, data, at, at + length)


def read(data: bytes) -> Certificate:
    """The certificate in `data`. Raises ValueError."""
    if len(data) > MAX_SIZE:
        raise ValueError("a certificate of more than 64 KiB")
    whole = _expect(element(data, 0, len(data)), SEQUENCE).inside()
    _at_least(whole, 3)
    fields = _expect(whole[0], SEQUENCE).inside()
    version = 1
    if fields and fields[0].tag == 0xA0:
        version = _number(fields.pop(0).inside(), 0) + 1
    _at_least(fields, 6)
    serial, algorithm, issuer, validity, subject = fields[:5]
    dates = _expect(validity, SEQUENCE).inside()
    _at_least(dates, 2)
    extensions = _extensions(fields[6:])
    alternatives = _alternatives(extensions)
    is_ca, path_length = _basic(extensions)
    return Certificate(
        subject=_shown(subject),
        common_name=_attributes(subject).get("CN", ""),
        issuer=_shown(issuer),
        subject_name=subject.content,
        issuer_name=issuer.content,
        names=tuple(_ascii(a.content) for a in alternatives or () if a.tag == 0x82),
        addresses=tuple(_address(a.content) for a in alternatives or () if a.tag == 0x87),
        alternatives=None if alternatives is None else len(alternatives),
        not_before=_time(dates[0]),
        not_after=_time(dates[1]),
        serial=int.from_bytes(_expect(serial, INTEGER).content, signed=True),
        version=version,
        is_ca=is_ca,
        path_length=path_length,
        key_usage=_key_usage(extensions),
        authority_key=_has_authority_key(extensions),
        signatures_agree=whole[1].content == algorithm.content,
        extensions=extensions,
    )


def _expect(item: DerElement, tag: int) -> DerElement:
    if item.tag != tag:
        raise ValueError(f"tag {item.tag:#x} where {tag:#x} belongs")
    return item


def _at_least(found: list[DerElement], count: int) -> None:
    if len(found) < count:
        raise ValueError("fields are missing")


def _number(found: list[DerElement], index: int) -> int:
    _at_least(found, index + 1)
    content = _expect(found[index], INTEGER).content
    if not 1 <= len(content) <= 4:
        raise ValueError("a number of unusual size")
    return int.from_bytes(content, signed=True)


# -- names and times ------------------------------------------------------------------------------


def _attributes(name: DerElement) -> dict[str, str]:
    """The usual attributes of a Name; of several alike the last, as OpenSSL's CN matching does."""
    found: dict[str, str] = {}
    for group in _expect(name, SEQUENCE).inside():
        for pair in _expect(group, SET).inside():
            parts = _expect(pair, SEQUENCE).inside()
            _at_least(parts, 2)
            word = _ATTRIBUTES.get(_expect(parts[0], OID).content)
            if word:
                found[word] = _string(parts[1])
    return found


def _shown(name: DerElement) -> str:
    found = _attributes(name)
    return found.get("CN") or ", ".join(f"{word}={text}" for word, text in found.items())


def _string(item: DerElement) -> str:
    text = item.content[: 4 * MAX_TEXT].decode(_TEXT.get(item.tag, "ascii"), "replace")
    return text[:MAX_TEXT]


def _ascii(data: bytes) -> str:
    return data[:MAX_TEXT].decode("ascii", "backslashreplace")


def _address(data: bytes) -> str:
    """A malformed address matches nothing; it is shown as what it is."""
    return str(ipaddress.ip_address(data)) if len(data) in (4, 16) else data[:16].hex()


def _time(item: DerElement) -> int:
    """UTCTime and GeneralizedTime (RFC 5280 section 4.1.2.5): digits and a Z."""
    text = _ascii(item.content)
    if item.tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif item.tag != GENERAL_TIME:
        raise ValueError("a time of another kind")
    if len(text) != 15 or not (text[:14].isascii() and text[:14].isdigit()) or text[14] != "Z":
        raise ValueError("a time that DER does not have")
    year, rest = int(text[:4]), [int(text[at : at + 2]) for at in range(4, 14, 2)]
    month, day, hour, minute, second = rest
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


# -- extensions -----------------------------------------------------------------------------------


def _extensions(rest: list[DerElement]) -> dict[bytes, Extension]:
    found: dict[bytes, Extension] = {}
    for block in rest:
        if block.tag != 0xA3:
            continue  # unique identifiers of version 2
        inner = block.inside()
        _at_least(inner, 1)
        for entry in _expect(inner[0], SEQUENCE).inside():
            parts = _expect(entry, SEQUENCE).inside()
            _at_least(parts, 2)
            critical = parts[1].tag == BOOLEAN and parts[1].content != b"\0"
            value = _expect(parts[-1], OCTET_STRING).content
            found[_expect(parts[0], OID).content] = Extension(critical, value)
    return found


def _inner(extensions: Mapping[bytes, Extension], oid: bytes, tag: int) -> DerElement | None:
    found = extensions.get(oid)
    if found is None:
        return None
    return _expect(element(found.value, 0, len(found.value)), tag)


def _alternatives(extensions: Mapping[bytes, Extension]) -> list[DerElement] | None:
    found = _inner(extensions, SUBJECT_NAMES, SEQUENCE)
    return None if found is None else found.inside()


def _basic(extensions: Mapping[bytes, Extension]) -> tuple[bool, int | None]:
    found = _inner(extensions, BASIC, SEQUENCE)
    parts = found.inside() if found else []
    is_ca = bool(parts) and parts[0].tag == BOOLEAN and parts[0].content != b"\0"
    rest = [p for p in parts if p.tag == INTEGER]
    return is_ca, _number(rest, 0) if rest else None


def _key_usage(extensions: Mapping[bytes, Extension]) -> int | None:
    found = _inner(extensions, KEY_USAGE, BIT_STRING)
    if found is None:
        return None
    bits = found.content[1:3]
    return sum(1 << n for n in range(8 * len(bits)) if bits[n // 8] & 0x80 >> n % 8)


def _has_authority_key(extensions: Mapping[bytes, Extension]) -> bool:
    found = _inner(extensions, AUTHORITY_KEY, SEQUENCE)
    return found is not None and any(p.tag == 0x80 for p in found.inside())
