"""The first bytes of programs: for which machine they are, and whether they need a loader.

Source: elf(5) and the System V ABI, chapter 4. Whatever cannot be read is no program.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

HEADER_BYTES = 64  # of a 64-bit program; a 32-bit one has 52
_MAGIC = b"\x7fELF"
_ET_EXEC = 2
_PT_INTERP = 3
_MAX_SEGMENTS = 128


class Header(NamedTuple):
    """For which machine a program is."""

    bits: int  # 32 or 64
    is_little: bool  # whether its numbers begin with the low byte
    machine: int  # EM_… of elf.h


def parse_header(data: bytes) -> Header | None:
    """The header that a file begins with, or None if it is no program."""
    if len(data) < 20 or not data.startswith(_MAGIC) or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    is_little = data[5] == 1
    return Header(32 * data[4], is_little, _number(data, 18, 2, is_little=is_little))


def start_of(header: Header) -> bytes:
    """The first 20 bytes of an executable of that machine (up to e_machine)."""
    order: Literal["little", "big"] = "little" if header.is_little else "big"
    ident = _MAGIC + bytes([header.bits // 32, 1 if header.is_little else 2, 1]) + bytes(9)
    return ident + _ET_EXEC.to_bytes(2, order) + header.machine.to_bytes(2, order)


def _number(data: bytes, at: int, size: int, *, is_little: bool) -> int:
    return int.from_bytes(data[at : at + size], "little" if is_little else "big")


def is_static(path: str) -> bool:
    """Whether a program runs without a loader (PT_INTERP), so in any root file system. Raises OSError."""
    with open(path, "rb") as file:
        data = file.read(HEADER_BYTES)
        header = parse_header(data)
        if header is None:
            return False

        def number(start: bytes, at: int, size: int) -> int:
            return _number(start, at, size, is_little=header.is_little)

        # e_phoff, e_phentsize and e_phnum
        table_at, size_at, count_at = (32, 54, 56) if header.bits == 64 else (28, 42, 44)
        size, count = number(data, size_at, 2), number(data, count_at, 2)
        file.seek(number(data, table_at, header.bits // 8))
        segments = [file.read(size) for _ in range(min(count, _MAX_SEGMENTS))]
    is_whole = bool(segments) and all(len(segment) == size > 0 for segment in segments)
    return is_whole and all(number(segment, 0, 4) != _PT_INTERP for segment in segments)
