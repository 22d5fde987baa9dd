"""Maps of sparse files in tar archives: GNU's old format and its pax formats 0.0, 0.1 and 1.0.

A map lists the pieces of a file that have data; the rest are holes. All formats
are read; what is written is 1.0, where the map is text in front of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dacha.storage.archive.header import BLOCK, BadTarError, Entry, parse_number
from dacha.storage.archive.pax import parse_decimal

_Pieces = list[tuple[int, int]]  # offset and size of what has data

_PIECE_BYTES = 24  # what a piece takes in the old format


class Sparse(NamedTuple):
    """A sparse file: its length with the holes, the bytes that are stored, and where they belong."""

    real_size: int
    stored_size: int
    pieces: _Pieces


def read_map(entry: Entry, block: bytes, take: Callable[[int], bytes], *, max_bytes: int) -> Sparse:
    """Read the map of an entry with the header `block`; more of the archive comes from `take`."""
    records = entry.sparse_records
    stored_size = entry.size
    if records is None:
        pieces, real_size = _read_old_map(block, take, max_bytes)
    else:
        version = records.get(b"major", b"0"), records.get(b"minor", b"0")
        real_size = parse_decimal(records.get(b"realsize", records.get(b"size", b"")))
        if version == (b"1", b"0"):
            pieces, map_bytes = _read_map_text(take, max_bytes)
            stored_size -= map_bytes
        elif version in ((b"0", b"0"), (b"0", b"1")) and b"map" in records:
            numbers = records[b"map"].split(b",") if records[b"map"] else []
            pieces = _pair(numbers)
        else:
            raise BadTarError("it is a sparse file of an unknown format")
    _check_pieces(pieces, real_size, stored_size)
    return Sparse(real_size, stored_size, pieces)


def encode_map(sparse: Sparse) -> bytes:
    """Write a map as format 1.0 has it, padded to whole blocks.

    A hole at the end needs an empty piece behind it: GNU tar makes files no longer than their pieces.
    """
    listed = list(sparse.pieces)
    if not listed or sum(listed[-1]) < sparse.real_size:
        listed.append((sparse.real_size, 0))
    text = b"%d\n" % len(listed) + b"".join([b"%d\n%d\n" % piece for piece in listed])
    return text + bytes(-len(text) % BLOCK)


def _read_old_map(block: bytes, take: Callable[[int], bytes], max_bytes: int) -> tuple[_Pieces, int]:
    """Read a map of type S: four pieces in the header, 21 in each block that follows it."""
    real_size = parse_number(block[483:495])
    pieces = _old_pieces(block[386:482])
    is_continued = block[482] != 0
    while is_continued:
        block = take(BLOCK)
        pieces += _old_pieces(block[:504])
        is_continued = block[504] != 0
        _check_count(len(pieces), max_bytes)
    return pieces, real_size


def _old_pieces(table: bytes) -> _Pieces:
    pieces = []
    for start in range(0, len(table), 24):
        offset, size = table[start : start + 12], table[start + 12 : start + 24]
        if size[0] == 0:
            break
        pieces.append((parse_number(offset), parse_number(size)))
    return pieces


def _read_map_text(take: Callable[[int], bytes], max_bytes: int) -> tuple[_Pieces, int]:
    """Read a map of format 1.0 and its size: numbers on lines, the first of them that of the pieces."""
    table = take(BLOCK)
    count = parse_decimal(table.partition(b"\n")[0])
    _check_count(count, max_bytes)
    blocks = [table]
    missing = 2 * count + 1 - table.count(b"\n")
    while missing > 0:
        block = take(BLOCK)
        missing -= block.count(b"\n")
        blocks.append(block)
        _check_count(len(blocks) * BLOCK // _PIECE_BYTES, max_bytes)
    table = b"".join(blocks)
    return _pair(table.split(b"\n")[1 : 2 * count + 1]), len(table)


def _pair(numbers: list[bytes]) -> _Pieces:
    if len(numbers) % 2:
        raise BadTarError("its sparse map ends in the middle of a piece")
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [(parse_decimal(offset), parse_decimal(size)) for offset, size in pairs]


def _check_count(count: int, max_bytes: int) -> None:
    if count * _PIECE_BYTES > max_bytes:
        raise BadTarError(f"its sparse map has more than {max_bytes} bytes")


def _check_pieces(pieces: _Pieces, real_size: int, stored_size: int) -> None:
    """See that every reader would understand the map in the same way."""
    end = total = 0
    is_at_block = True
    for offset, size in pieces:
        if offset < end or size < 0:
            raise BadTarError("its sparse map has pieces that overlap")
        # Some readers expect every piece to start at a block of the archive, others do not.
        if size and not is_at_block:
            raise BadTarError("its sparse map has a piece that does not end with a block")
        is_at_block = is_at_block and size % BLOCK == 0
        end = offset + size
        total += size
    if end > real_size:
        raise BadTarError("its sparse map is longer than the file")
    if total != stored_size:
        raise BadTarError(f"its sparse map covers {total} bytes, but {stored_size} are stored")
