"""Handlers of binfmt_misc: as they are registered, and as they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dacha.linux import binfmt, elf
from dacha.linux.binfmt import Handler
from dacha.linux.elf import Header

ARM64 = Header(64, is_little=True, machine=183)
S390X = Header(64, is_little=False, machine=22)
# As Debian's qemu-user-static registers it.
ENTRY = """\
enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.mark.parametrize(
    ("header", "magic", "mask"),
    [
        (ARM64, "7f454c460201010000000000000000000200b700", "ffffffffffffff000000000000000000feffffff"),
        (S390X, "7f454c4602020100000000000000000000020016", "ffffffffffffff000000000000000000fffeffff"),
    ],
)
def test_a_handler_is_written_as_the_kernel_reads_it(header: Header, magic: str, mask: str) -> None:
    handler = binfmt.elf_handler("qemu-x", header, "/usr/bin/qemu-x-static", "FCP")

    def escaped(text: str) -> str:
        return "".join(f"\\x{text[at : at + 2]}" for at in range(0, len(text), 2))

    expected = f":qemu-x:M::{escaped(magic)}:{escaped(mask)}:/usr/bin/qemu-x-static:FCP"
    assert handler.as_line() == expected.encode()


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("abi", [0, 3])
def test_it_takes_all_programs_of_its_machine_and_no_others(kind: int, abi: int) -> None:
    handler = binfmt.elf_handler("q", ARM64, "/q", "F")
    start = bytearray(elf.start_of(ARM64))
    start[7], start[16] = abi, kind
    assert handler.takes(bytes(start) + b"more")
    for at, byte in ((0, 0), (4, 1), (5, 2), (16, 1), (18, 62), (19, 1)):
        assert not handler.takes(bytes(start[:at]) + bytes([byte]) + bytes(start[at + 1 :]))
    assert not handler.takes(bytes(start[:19]))


def test_an_entry_is_read_as_the_kernel_shows_it() -> None:
    handler = binfmt.parse_entry("qemu-aarch64", ENTRY)
    assert handler is not None
    assert handler.interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"
    assert handler.serves_boxes
    assert handler.takes(elf.start_of(ARM64))
    assert not handler.takes(elf.start_of(S390X))


def test_an_entry_without_a_mask_and_with_an_offset_is_read() -> None:
    handler = binfmt.parse_entry("x", "enabled\ninterpreter /x\nflags: \noffset 2\nmagic 6162\n")
    assert handler == Handler("x", b"\0\0ab", b"\0\0\xff\xff", "/x", "")
    assert handler.takes(b"??abc")
    assert not handler.serves_boxes


@pytest.mark.parametrize(
    "text", [ENTRY.replace("enabled", "disabled"), "", "enabled\ninterpreter /x\nflags: \nextension .py\n"]
)
def test_what_is_off_or_goes_by_an_ending_is_left_out(text: str) -> None:
    assert binfmt.parse_entry("x", text) is None


def _instance(directory: Path, status: str = "enabled\n") -> str:
    for name, text in {
        "status": status,
        "register": "",
        "qemu-aarch64": ENTRY,
        "off": ENTRY.replace("enabled", "disabled"),
        "odd": "enabled\nmagic xyz\n",
    }.items():
        (directory / name).write_text(text)
    return str(directory)


def test_the_handlers_of_an_instance_are_found(tmp_path: Path) -> None:
    assert [each.name for each in binfmt.read_handlers(_instance(tmp_path))] == ["qemu-aarch64"]


def test_an_instance_that_is_off_or_not_there_has_none(tmp_path: Path) -> None:
    assert binfmt.read_handlers(_instance(tmp_path, "disabled\n")) == []
    assert binfmt.read_handlers(str(tmp_path / "nowhere")) == []


def test_the_interpreter_is_registered_in_the_tree_that_is_given(tmp_path: Path) -> None:
    """A link in the tree does not lead out of it."""
    (tmp_path / "root/real").mkdir(parents=True)
    (tmp_path / "root/real/register").touch()
    (tmp_path / "root/run").symlink_to("/real")
    root = os.open(tmp_path / "root", os.O_PATH)
    try:
        handler = binfmt.elf_handler("q", ARM64, "/q", "F")
        binfmt.register(root, "run", handler)
    finally:
        os.close(root)
    assert (tmp_path / "root/real/register").read_bytes() == handler.as_line()
