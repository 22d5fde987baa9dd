"""The first bytes of programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dacha.linux import elf
from dacha.linux.elf import Header

HEADERS = [
    Header(64, is_little=True, machine=62),
    Header(64, is_little=True, machine=258),
    Header(32, is_little=True, machine=40),
    Header(64, is_little=False, machine=22),
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_is_read_as_it_is_written(header: Header) -> None:
    assert elf.parse_header(elf.start_of(header)) == header
    assert elf.parse_header(elf.start_of(header) + b"more") == header


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n" * 9, b"\x7fELF", b"\x7fELF\x03\x01" + bytes(60), b"\x7fELF" + bytes(60)]
)
def test_what_is_no_program_has_no_header(data: bytes) -> None:
    assert elf.parse_header(data) is None


def _program(path: Path, header: Header, *kinds: int) -> str:
    """A program that consists of its headers."""
    order = "little" if header.is_little else "big"
    wide = header.bits == 64
    start, size, count, entry = (32, 54, 56, 56) if wide else (28, 42, 44, 32)
    data = bytearray(elf.start_of(header).ljust(64, b"\0"))
    for at, width, value in ((start, header.bits // 8, 64), (size, 2, entry), (count, 2, len(kinds))):
        data[at : at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]  # one of the two words
    for kind in kinds:
        data += kind.to_bytes(4, order).ljust(entry, b"\0")  # type: ignore[arg-type]  # the same
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("header", HEADERS)
def test_a_program_that_names_a_loader_is_not_static(tmp_path: Path, header: Header) -> None:
    assert elf.is_static(_program(tmp_path / "static", header, 6, 1, 1))
    assert not elf.is_static(_program(tmp_path / "dynamic", header, 6, 3, 1))


def test_a_program_without_segments_and_a_script_are_not_static(tmp_path: Path) -> None:
    assert not elf.is_static(_program(tmp_path / "empty", HEADERS[0]))
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert not elf.is_static(str(tmp_path / "script"))


def test_a_program_that_is_cut_off_is_not_static(tmp_path: Path) -> None:
    cut = Path(_program(tmp_path / "cut", HEADERS[0], 1, 1))
    for length in (150, 64, 30):
        cut.write_bytes(cut.read_bytes()[:length])
        assert not elf.is_static(str(cut))


def test_python_itself_is_dynamic() -> None:
    assert not elf.is_static(sys.executable)
