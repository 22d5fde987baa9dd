"""Whose a file is, on disk and in an image."""

from __future__ import annotations

import struct

import pytest

from dacha.storage import ownership
from dacha.storage.ownership import CAPABILITY, Ownership

MINE = Ownership(1000, 100)
ROOTS = Ownership(0, 0, is_initial=True)
TWO = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


def _three(root: int) -> bytes:
    return struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, root)


@pytest.mark.parametrize(("outer", "inside"), [(0, 1000), (1, 0), (1000, 999), (1002, 1001)])
def test_ids_there_and_back(outer: int, inside: int) -> None:
    assert MINE.image_uid(outer) == inside
    assert MINE.outer_uid(inside) == outer


def test_group_of_the_user() -> None:
    assert (MINE.image_gid(0), MINE.outer_gid(100), MINE.outer_gid(1000)) == (100, 0, 1001)


def test_for_root_nothing_changes() -> None:
    assert (ROOTS.image_uid(7), ROOTS.outer_gid(7), ROOTS.image_xattr(CAPABILITY, _three(5))) == (
        7,
        7,
        _three(5),
    )


@pytest.mark.parametrize(
    ("on_disk", "in_image"),
    [
        (_three(1), TWO),  # of the box's root
        (_three(8), _three(7)),
        (TWO, _three(1000)),  # of H's root, who is the user
        (b"what?", b"what?"),
    ],
)
def test_capabilities_belong_to_a_root(on_disk: bytes, in_image: bytes) -> None:
    assert MINE.image_xattr(CAPABILITY, on_disk) == in_image


def _acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries)


def test_access_control_lists_name_ids() -> None:
    on_disk = _acl((1, 7, 0xFFFFFFFF), (2, 6, 0), (2, 6, 8), (8, 5, 0), (8, 5, 8), (0x20, 0, 0xFFFFFFFF))
    in_image = _acl(
        (1, 7, 0xFFFFFFFF), (2, 6, 1000), (2, 6, 7), (8, 5, 100), (8, 5, 7), (0x20, 0, 0xFFFFFFFF)
    )
    assert MINE.image_xattr("system.posix_acl_access", on_disk) == in_image
    assert MINE.image_xattr("user.acl", on_disk) == on_disk
    assert ownership.acl_ids(in_image) == ({1000, 7}, {100, 7})


@pytest.mark.parametrize("value", [b"", b"\2\0\0\0", b"\2\0\0\0odd"])
def test_a_list_without_entries_stays_as_it_is(value: bytes) -> None:
    assert MINE.image_xattr("system.posix_acl_default", value) == value
    assert ownership.acl_ids(value) == (set(), set())
