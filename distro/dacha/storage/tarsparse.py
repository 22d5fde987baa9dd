"""Maps of sparse files in tar archives: GNU's old format and its pax formats 0.0, 0.1 and 1.0.

A map lists the pieces of a file that have data; the rest are holes. All formats
are read; what is written is 1.0, where the map is text in front of the data.
"""

from __future__ import annotations

from dacha.storage.tarheader import BLOCK, BadTarError, parse_decimal, parse_number

Map = list[tuple[int, int]]  # offset and size of each piece with data

_OLD_PIECES_IN_HEADER = 4
_OLD_PIECES_IN_EXTENSION = 21


def parse_old_header(block: bytes) -> tuple[Map, int, bool]:
    """Read a type S header: its pieces, the file's real size, and if a block with more pieces follows."""
    pieces = _parse_old_pieces(block, 386, _OLD_PIECES_IN_HEADER)
    return pieces, parse_number(block[483:495]), block[482] != 0


def parse_old_extension(block: bytes) -> tuple[Map, bool]:
    return _parse_old_pieces(block, 0, _OLD_PIECES_IN_EXTENSION), block[504] != 0


def _parse_old_pieces(block: bytes, start: int, count: int) -> Map:
    pieces = []
    for position in range(start, start + 24 * count, 24):
        offset, size = block[position : position + 12], block[position + 12 : position + 24]
        if size[0] == 0:
            break
        pieces.append((parse_number(offset), parse_number(size)))
    return pieces


def parse_map_record(value: bytes) -> Map:
    """Read GNU.sparse.map of format 0.1."""
    numbers = [parse_decimal(number) for number in value.split(b",")] if value else []
    if len(numbers) % 2:
        raise BadTarError("its sparse map ends in the middle of a piece")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def parse_map_lines(lines: list[bytes]) -> Map:
    """Read the numbers of format 1.0, of which the first counted the pieces."""
    numbers = [parse_decimal(line) for line in lines]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def check_map(pieces: Map, real_size: int, stored_size: int) -> None:
    """See that every reader would understand the map in the same way."""
    end = 0
    total = 0
    for index, (offset, size) in enumerate(pieces):
        if offset < end or size < 0:
            raise BadTarError("its sparse map has pieces that overlap")
        if size % BLOCK and any(later for _, later in pieces[index + 1 :]):
            raise BadTarError("its sparse map has a piece that does not end with a block")
        end = offset + size
        total += size
    if end > real_size:
        raise BadTarError("its sparse map is longer than the file")
    if total != stored_size:
        raise BadTarError(f"its sparse map covers {total} bytes, but {stored_size} are stored")


def encode_map(pieces: Map, real_size: int) -> bytes:
    """Write a map as format 1.0 has it, padded to whole blocks."""
    listed = pieces or [(real_size, 0)]
    text = b"%d\n" % len(listed) + b"".join(b"%d\n%d\n" % piece for piece in listed)
    return text + bytes(-len(text) % BLOCK)
