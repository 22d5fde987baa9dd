"""Header blocks of tar archives: v7, ustar, GNU and star are read, ustar is written.

Names are bytes all the way. The extended headers of pax are in `storage.archive.pax`;
what an entry means for the tree is the business of `storage.archive.names`, the flow of
an archive that of `storage.archive.stream`.

A `BadTarError` says what is wrong; where it stands is added by the caller.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from zlib import adler32

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
PADDINGS = tuple(bytes(-size % BLOCK) for size in range(BLOCK))  # what follows `size` bytes of data

FILE, HARD_LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE = b"0", b"1", b"2", b"3", b"4"
DIRECTORY, FIFO = b"5", b"6"

# name, mode, uid, gid, size, mtime, checksum, type, link, magic, (uname, gname, devices), prefix, tail
_READ = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 80x 155s 12s")
# name, mode to mtime, checksum, type, link, magic, (uname, gname), devices, prefix
_WRITE = struct.Struct("100s 48s 8s c 100s 8s 64x 16s 155s 12x")
_USTAR = b"ustar\x0000"
_DEVICE_0_0 = b"0000000\0" * 2
_BLANK_CHECKSUM = b" " * 8


class BadTarError(ValueError):
    """What is wrong with an entry, without its place in the archive."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Entry:
    """One entry: as its header has it, then as extended headers and the rewriter change it."""

    __slots__ = (
        "gid", "kind", "link", "mode", "name", "nanoseconds", "seconds", "size", "sparse_records",
        "sparse_size", "uid", "xattrs",
    )  # fmt: skip

    def __init__(
        self, name: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, seconds: int, link: bytes
    ) -> None:
        self.name = name
        self.kind = kind  # one of tar's type codes
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.seconds = seconds
        self.nanoseconds = 0
        self.link = link
        self.xattrs: dict[bytes, bytes] | None = None
        self.sparse_records: dict[bytes, bytes] | None = None
        self.sparse_size: int | None = None  # how long a sparse file is with its holes


def parse_entry(block: bytes) -> Entry:
    """Read a header block of 512 bytes, after verifying its checksum."""
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic, prefix, tail = _READ.unpack(block)
    stored = parse_number(checksum)
    # The checksum counts its own field as eight spaces.
    if stored != _sum_block(block) - sum(checksum) + 256 and stored != _sum_signed(block):
        raise BadTarError("its header's checksum is wrong")
    name = cut_text(name)
    if prefix[0] and magic.startswith(b"ustar\0"):
        is_star = tail.endswith(b"tar\0")  # it keeps times behind a shorter prefix
        name = cut_text(prefix[:131] if is_star else prefix) + b"/" + name
    return Entry(
        name,
        kind,
        parse_number(mode) & 0o7777,
        parse_number(uid),
        parse_number(gid),
        parse_number(size),
        parse_number(mtime),
        cut_text(link),
    )


def _sum_block(block: bytes) -> int:
    """Add up 512 bytes, in C: the low half of Adler-32 is 1 + the sum, modulo more than 256 bytes make."""
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2


def _sum_signed(block: bytes) -> int:
    """Add up a header as some old tars did, with bytes from -128 to 127."""
    total: int = sum(struct.unpack("148b 8x 356b", block))
    return total + 256


def cut_text(field: bytes) -> bytes:
    """Cut a text field at its first NUL."""
    return field.partition(b"\0")[0]


@lru_cache(maxsize=4096)
def parse_number(field: bytes) -> int:
    """Read a number of a header: octal text, or base-256 where the first bit is set."""
    digits = field.strip(b" \0")
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:
            pass
    elif not digits:
        return 0
    elif field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    elif (digits := cut_text(digits).rstrip()).isdigit():
        return parse_number(digits)
    raise BadTarError(f"its header holds {field!r} where a number belongs")


def encode_header(
    name: bytes,
    kind: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    seconds: int,
    link: bytes,
    prefix: bytes,
) -> bytes:
    """Write a ustar header; the caller has seen to it that all values fit."""
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, seconds)
    header = _WRITE.pack(name, numbers, _BLANK_CHECKSUM, kind, link, _USTAR, _DEVICE_0_0, prefix)
    return b"%b%06o\0 %b" % (header[:148], _sum_block(header), header[156:])
