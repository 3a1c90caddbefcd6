"""Masks secrets in what others say, in the forms in which servers give back what they were sent.

`views` undoes encodings one upon the other (base64 at any alignment, hexadecimal, percent-encoding,
escapes of JSON, C and HTML, quoted-printable), so that any mix of them is found; each view knows
which characters of the text its bytes stand for. Half of a long secret counts as the secret: texts
are cut. Digests without a salt are masked too, as tables of them tell the password.

What is shorter than three characters is masked only where nothing but a value can stand: between
quotes, behind `password=`, before the `@` of a URL. Nothing else can be done for such a secret:
without it no text could be read, and whoever sees how short it is can guess it.
"""

from __future__ import annotations

import binascii
import functools
import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from .data import dataclass
from .secret import Secret

MASK = "***"
SHORT = 3  # what is shorter is no word
FOLDED = 6  # from here on upper and lower case are the same: servers change it
LONG = 10  # from here on a half of it is as good
MAX_TEXT = 32 << 10  # characters that are looked at; what lies behind is left out
MAX_VIEWS = 32
DEEP = 3  # encodings upon one another
_PACKED = 4  # the least length inside base64 or hexadecimal that is no coincidence
_DIGESTS = ("md5", "sha1", "sha256")
_LABELS = rb"pass|password|passwd|pwd|secret|token"
_TOKEN = re.compile(rb"[A-Za-z0-9+/_-]{6,}")
_DIGITS = re.compile(rb"[0-9A-Fa-f]{6,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """A place in a text, as slice indexes; `bare`: it stands there as it is, not encoded."""

    start: int
    end: int
    bare: bool


@dataclass(frozen=True, slots=True)
class Needle:
    """Bytes to look for. `folded`: whatever their case. `packed`: in base64 or hexadecimal only.

    `enough` is how many of them in a row tell too much; `blocks` are pieces and where they stand,
    of which whatever is enough holds at least one.
    """

    data: bytes
    folded: bool
    packed: bool
    enough: int
    blocks: tuple[tuple[int, bytes], ...]


def _needle(data: bytes, *, folded: bool = False, packed: bool = False) -> Needle:
    data = data.lower() if folded else data
    size = len(data)
    enough = size if size < LONG else max(8, min(size // 2, 24))
    step = size if enough == size else enough // 2
    blocks = tuple((at, data[at : at + step]) for at in range(0, size - step + 1, step))
    return Needle(data, folded, packed, enough, blocks)


@dataclass(frozen=True, slots=True)
class View:
    """A text with encodings undone; `span(i)` is the slice of the text that byte i stands for."""

    data: bytes
    span: Callable[[int], tuple[int, int]]
    level: int = 0
    packed: bool = False


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """`text` with every secret replaced by `***`, in whatever form it stands there."""
    known = [*secrets]
    if not text or not any(known):
        return text
    return replaced(text[:MAX_TEXT], find(text, known))


def find(text: str, secrets: Iterable[Secret]) -> list[SecretPlace]:
    """Where secrets stand in the first MAX_TEXT characters of `text`."""
    values = tuple(dict.fromkeys(s.reveal() for s in secrets if s))
    needles = [n for value in values for n in needles_of(value)]
    short = [p for value in values for p in _short(value)]
    places: list[SecretPlace] = []
    for view in views(text[:MAX_TEXT]):
        folded = view.data.lower()
        for needle in needles:
            if view.packed or not needle.packed:
                data = folded if needle.folded else view.data
                bare = not view.level and not needle.packed
                places += (_place(view, s, e, bare) for s, e in _occurrences(data, needle, view))
        for pattern in short:
            places += (_place(view, *m.span(1), False) for m in pattern.finditer(view.data))
    return places


def replaced(text: str, places: Iterable[SecretPlace]) -> str:
    """`text` with `***` in these places; those that overlap become one."""
    out, at = "", 0
    for place in sorted(places, key=lambda p: (p.start, -p.end)):
        if place.start >= at:
            out += text[at : place.start] + MASK
        at = max(at, place.end)
    return out + text[at:]


# -- what to look for -----------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def needles_of(value: str) -> tuple[Needle, ...]:
    """What one secret is looked for as."""
    plain = {v for v in _values(value) if len(v) >= SHORT}
    out = {_needle(data, folded=len(v) >= FOLDED) for v in plain for data in _as_bytes(v)}
    # UTF-16 is what Windows packs.
    out |= {_needle(v.encode("utf-16-le", "surrogatepass"), packed=True) for v in plain}
    once = {_digest(name, v.encode("utf-8", "surrogatepass")) for name in _DIGESTS for v in plain}
    # Twice SHA-1 is what MySQL keeps.
    twice = {_digest("sha1", data) for data in once}
    return (*out, *(_needle(data, packed=True) for data in once | twice))


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


def _values(value: str) -> Iterator[str]:
    """The value, without the blanks around it, and each line of one that has several."""
    yield value
    yield value.strip()
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= FOLDED and not line.startswith("-----"))


def _as_bytes(text: str) -> set[bytes]:
    """As UTF-8; of what is no ASCII also as others write it, and as it is read wrongly."""
    utf8 = text.encode("utf-8", "surrogatepass")
    if text.isascii():
        return {utf8}
    from unicodedata import normalize  # a library of its own, and hardly ever needed

    forms = (text.upper(), text.lower(), normalize("NFC", text), normalize("NFD", text))
    latin = text.encode("latin-1", "replace")
    lost = {data.decode("ascii", "replace").encode() for data in (utf8, latin)}
    question = {text.encode("ascii", "replace"), latin}
    return {utf8, *lost, *question, *(f.encode("utf-8", "surrogatepass") for f in forms)}


def _short(value: str) -> Iterator[re.Pattern[bytes]]:
    """Where a secret that is no word is a value and nothing else."""
    value = value.strip()
    this = re.escape(value.encode("utf-8", "surrogatepass"))
    if 0 < len(value) < _PACKED:
        yield re.compile(rb"(?<=:)(" + this + rb")(?=\0)")  # base64 of `user:SECRET`
    if 0 < len(value) < SHORT:
        yield re.compile(rb"(?<=[\"'`])(" + this + rb")(?=[\"'`])")
        yield re.compile(rb"(?i:" + _LABELS + rb")[=: \"']{1,3}(" + this + rb")(?!\w)")
        yield re.compile(rb"(?<=:)(" + this + rb")(?=@)")


# -- where it stands ------------------------------------------------------------------------------


def _occurrences(data: bytes, needle: Needle, view: View) -> Iterator[tuple[int, int]]:
    """Slices of `data` that are the needle, or as much of it as is enough."""
    if view.packed and len(needle.data) < _PACKED:
        return
    done = 0
    for offset, block in needle.blocks:
        at = data.find(block)
        while at >= 0:
            start, end = _grown(data, needle.data, at, offset, len(block))
            if end - start >= needle.enough and end > done:
                yield start, end
            at = data.find(block, at + 1)


def _grown(data: bytes, whole: bytes, at: int, offset: int, size: int) -> tuple[int, int]:
    """As far as the data and the whole agree around a block that stands at `at`."""
    start, end = at, at + size
    first, last = offset, offset + size
    while first and start and data[start - 1] == whole[first - 1]:
        start, first = start - 1, first - 1
    while last < len(whole) and end < len(data) and data[end] == whole[last]:
        end, last = end + 1, last + 1
    return start, end


def _place(view: View, start: int, end: int, bare: bool) -> SecretPlace:
    return SecretPlace(view.span(start)[0], view.span(end - 1)[1], bare)


# -- encodings ------------------------------------------------------------------------------------


def views(text: str) -> Iterator[View]:
    """The text, and the text with encodings undone; never the same bytes twice."""
    waiting, seen = [_view_of(text)], set[bytes]()
    while waiting and len(seen) < MAX_VIEWS:
        view = waiting.pop(0)
        if not view.data or view.data in seen:
            continue
        seen.add(view.data)
        yield view
        if view.level < DEEP:
            waiting += (_undone(view, p, f) for p, f in _DECODERS if p.search(view.data))
            for everything, legible in (_unpacked(view, _TOKEN, _base64),
                                        _unpacked(view, _DIGITS, _hexadecimal)):  # fmt: skip
                if everything.data:
                    yield everything
                    waiting.append(legible)


def _view_of(text: str) -> View:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) == len(text):
        return View(data, lambda at: (at, at + 1))
    chars = [at for at, c in enumerate(text) for _ in c.encode("utf-8", "surrogatepass")]
    return View(data, lambda at: (chars[at], chars[at] + 1))


@dataclass(frozen=True, slots=True)
class _Piece:
    """`count` bytes of a view that come from the slice of another one. `per`: how many of its bytes
    make how many of ours; (0, 0): all of them come from all of it.
    """

    start: int
    end: int
    count: int
    per: tuple[int, int] = (0, 0)

    def span(self, at: int) -> tuple[int, int]:
        theirs, ours = self.per
        if not ours:
            return self.start, self.end
        first = self.start + at * theirs // ours
        return first, max(first + 1, self.start + -(-(at + 1) * theirs // ours))


def _view_of_pieces(
    view: View, data: bytes, pieces: Callable[[], Iterable[_Piece]], packed: bool
) -> View:
    """A view that is made of pieces of another, in order. They are asked for where a secret is
    found, which is seldom.
    """

    there, starts = list[_Piece](), list[int]()

    def span(at: int) -> tuple[int, int]:
        if not there:
            there.extend(pieces())
            starts.extend(accumulate((p.count for p in there), initial=0))
        number = bisect_right(starts, at) - 1
        start, end = there[number].span(at - starts[number])
        return view.span(start)[0], view.span(end - 1)[1]

    return View(data, span, view.level + 1, packed)


def _undone(
    view: View, pattern: re.Pattern[bytes], meaning: Callable[[re.Match[bytes]], bytes]
) -> View:
    """One encoding of single characters undone."""
    parts, pieces, at = list[bytes](), list[_Piece](), 0
    for match in pattern.finditer(view.data):
        start, end = match.span()
        said = meaning(match)
        parts += (view.data[at:start], said)
        pieces += [_Piece(at, start, start - at, (1, 1))] if start > at else []
        pieces += [_Piece(start, end, len(said))] if said else []
        at = end
    parts.append(view.data[at:])
    pieces.append(_Piece(at, len(view.data), len(view.data) - at, (1, 1)))
    return _view_of_pieces(view, b"".join(parts), lambda: pieces, view.packed)


def _unpacked(
    view: View, pattern: re.Pattern[bytes], read: Callable[[bytes], Iterator[tuple[int, bytes]]]
) -> tuple[View, View]:
    """What stands in base64 or hexadecimal, all of it; and of it what can be read. Each piece ends
    with a zero.
    """
    per = (4, 3) if pattern is _TOKEN else (2, 1)
    parts = [(m.start() + offset, m.end(), data)
             for m in pattern.finditer(view.data) for offset, data in read(m[0])]  # fmt: skip
    legible = [p for p in parts if len(p[2]) >= FOLDED and p[2].isascii()
               and p[2].decode().isprintable()]  # fmt: skip

    def view_of(some: Sequence[tuple[int, int, bytes]]) -> View:
        def pieces() -> Iterator[_Piece]:
            for start, end, data in some:
                yield _Piece(start, end, len(data), per)
                yield _Piece(start, end, 1)

        return _view_of_pieces(view, b"".join(d + b"\0" for *_, d in some), pieces, packed=True)

    return view_of(parts), view_of(legible)


def _base64(token: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) at each alignment: what stands before it may be part of the token."""
    token = token.translate(_URL_SAFE)
    for offset in range(4):
        bare = token[offset:]
        bare = bare[: len(bare) - (len(bare) % 4 == 1)]
        if len(bare) > 2:
            yield offset, binascii.a2b_base64(bare + b"=" * (-len(bare) % 4))


def _hexadecimal(token: bytes) -> Iterator[tuple[int, bytes]]:
    for offset in range(2):
        bare = token[offset:]
        yield offset, binascii.unhexlify(bare[: len(bare) & ~1])


def _char(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass") if number < 0x110000 else b"?"


_LETTERS = dict(zip(b"nrtbfav0e", b"\n\r\t\b\f\a\v\0\x1b", strict=True))


def _backslash(match: re.Match[bytes]) -> bytes:
    high, low, number, octal, char = match.groups()
    if high:
        return _char(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    if number:
        value = int(number.strip(b"uxUX{}"), 16)
        # `\xe4` is a byte, in whatever encoding the text was.
        return bytes((value,)) if number[:1] in b"xX" else _char(value)
    return bytes((int(octal, 8),)) if octal else bytes((_LETTERS.get(char[0], char[0]),))


def _entity(match: re.Match[bytes]) -> bytes:
    from html import unescape  # 2,000 names, and hardly ever needed

    return unescape(match[0].decode("ascii", "replace")).encode("utf-8", "surrogatepass")


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 16),)) if match[1] else b""


_DECODERS: tuple[tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]], ...] = (
    (re.compile(rb"%([0-9A-Fa-f]{2})"), _byte),
    (re.compile(
        rb"(?is)\\(?:u(d[89ab]..)\\u(d[c-f]..)|(u[0-9a-f]{4}|u\{[0-9a-f]{1,6}\}|x[0-9a-f]{2}"
        rb"|U[0-9a-f]{8})|([0-3][0-7]{2})|(.))"), _backslash),
    (re.compile(rb"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]\w{1,10});"), _entity),
    (re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n)"), _byte),
    (re.compile(rb"\+"), lambda _: b" "),
    # Bytes that somebody took for ISO 8859-1: two characters in place of one.
    (re.compile(rb"[\xc2\xc3][\x80-\xbf]"), lambda m: bytes(((m[0][0] & 3) << 6 | m[0][1] & 63,))),
    # Lines folded in the midst of it, and what stands between the bytes of a dump.
    (re.compile(rb"(?<=[\w+/=]{16})\s+(?=[\w+/=])"), lambda _: b""),
    (re.compile(rb"(?<=[0-9A-Fa-f]{2})[:, -]{1,2}(?:0x)?(?=[0-9A-Fa-f]{2}(?![0-9A-Fa-f]))"),
     lambda _: b""),
)  # fmt: skip
