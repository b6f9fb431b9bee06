"""Reading the table of contents of a tar file, so that members can be read in place. Nothing is ever extracted.

Formats: POSIX.1-1988 (ustar), GNU long names and POSIX.1-2001 (pax) path and size records, uncompressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

BLOCK = 512
LONGEST_HEADER = 1 << 20  # bytes of one extended header; a name longer than this is damage

REGULAR = (b"0", b"\0", b"7")
WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes: their size field means nothing
GNU_NAME, GNU_LINK, PAX, PAX_GLOBAL, GNU_SPARSE = b"L", b"K", b"x", b"g", b"S"


class Member(NamedTuple):
    """A regular file in a tar: its name as stored, and where its bytes lie."""

    name: str
    offset: int
    size: int


class TarDamage(Exception):
    """A header that is none, at a byte position of the file."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


Read = Callable[[int, int], bytes]
"""Gives the bytes of a file from an offset: as many as asked for, fewer where it ends before."""


def members(read: Read, end: int) -> Iterator[Member]:
    """The regular files of a tar, in order. Links, devices and folders are passed over.

    A member whose bytes lie partly behind the end of the file (a download that was cut) is listed all the same.

    Args:
        read: the tar.
        end: its size in bytes.

    Raises:
        TarDamage: at the first header whose checksum or numbers are wrong.
    """
    position = 0
    extended: dict[str, str] = {}
    while position < end:
        header = read(position, BLOCK)
        if not any(header):
            return
        if len(header) < BLOCK:
            if position == 0:  # something small that is no tar, such as a server's "not found"
                raise TarDamage(position)
            return
        _check_sum(header, position)
        kind = header[156:157]
        size = _size(header, extended, position)
        start = position + BLOCK
        position = start if kind in WITHOUT_DATA else start + -(-size // BLOCK) * BLOCK
        if kind in (GNU_NAME, PAX):
            if size > LONGEST_HEADER:
                raise TarDamage(start)
            content = read(start, size)
            extended |= _pax_records(content) if kind == PAX else {"path": _text(content)}
            continue
        if kind == GNU_SPARSE:
            raise TarDamage(start - BLOCK)
        if kind in REGULAR:
            yield Member(extended.get("path", _name(header)), start, size)
        if kind not in (GNU_LINK, PAX_GLOBAL):
            extended = {}


def _check_sum(header: bytes, position: int) -> None:
    stored = _octal(header[148:156])
    if stored != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        raise TarDamage(position)


def _size(header: bytes, extended: dict[str, str], position: int) -> int:
    field = header[124:136]
    size = _decimal(extended.get("size", ""))
    if size is None:
        size = _binary(field) if field[0] & 0x80 else _octal(field)
    if size is None:
        raise TarDamage(position)
    return size


def _binary(field: bytes) -> int | None:
    """GNU's sizes of 8 GiB and more: big-endian behind a marker bit. The bit after it is the sign; no size is negative."""
    return None if field[0] & 0x40 else int.from_bytes(field, "big") & ~(1 << 95)


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0")[0].strip()
    try:
        return int(digits or b"0", 8) if not digits.startswith((b"-", b"+")) else None
    except ValueError:
        return None


def _decimal(digits: str) -> int | None:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _name(header: bytes) -> str:
    if header[345] and header[257:263] == b"ustar\0":  # long names are split into a prefix and a name
        return f"{_text(header[345:500])}/{_text(header[:100])}"
    return _text(header[:100])


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax_records(content: bytes) -> dict[str, str]:
    """The "LENGTH KEY=VALUE\\n" records of a pax header; reading stops at the first that is malformed."""
    records: dict[str, str] = {}
    while content:
        digits = content.partition(b" ")[0]
        length = _decimal(_text(digits))
        if length is None or not len(digits) + 1 < length <= len(content):
            break
        key, _, value = content[len(digits) + 1 : length - 1].partition(b"=")
        records[_text(key)] = _text(value)
        content = content[length:]
    return records
