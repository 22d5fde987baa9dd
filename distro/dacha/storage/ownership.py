"""Who owns a box's files, as an image says it.

On disk ids are those of H: 0 is the user, i is the box's i-1 (`userns.mapping`). In an image they
are the box's own: the user's files belong to the user's number. Two extended attributes name ids
as well: capabilities of files and access control lists.

Sources: linux/capability.h (struct vfs_ns_cap_data), linux/posix_acl_xattr.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

CAPABILITY = "security.capability"
ACLS = ("system.posix_acl_access", "system.posix_acl_default")

_CAPABILITY_2, _CAPABILITY_3 = 20, 24  # bytes of the versions; version 3 ends with the id of its root
_ACL_HEADER, _ACL_ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP = 0x02, 0x08


def acl_ids(value: bytes) -> tuple[set[int], set[int]]:
    """The users and the groups that an access control list names."""
    users, groups = set(), set()
    for tag, _, number in _acl_entries(value):
        if tag == _ACL_USER:
            users.add(number)
        elif tag == _ACL_GROUP:
            groups.add(number)
    return users, groups


def map_acl(value: bytes, uid: Callable[[int], int], gid: Callable[[int], int]) -> bytes:
    """An access control list with other numbers of users and groups."""
    entries = []
    for tag, permissions, number in _acl_entries(value):
        mapped = uid(number) if tag == _ACL_USER else gid(number) if tag == _ACL_GROUP else number
        entries.append(_ACL_ENTRY.pack(tag, permissions, mapped))
    return value[: _ACL_HEADER.size] + b"".join(entries) if entries else value


def _acl_entries(value: bytes) -> list[tuple[int, int, int]]:
    body = value[_ACL_HEADER.size :]
    return [] if len(body) % _ACL_ENTRY.size else list(_ACL_ENTRY.iter_unpack(body))


class Ownership(NamedTuple):
    """Whose box it is: the user's number and group; root's, where H is the initial namespace."""

    uid: int
    gid: int
    is_initial: bool = False
    is_single: bool = False  # every file is the user's: who else would own it is not known

    def image_uid(self, outer: int) -> int:
        """The number in an image of a user id of H."""
        return outer if self.is_initial else self.uid if outer == 0 else outer - 1

    def image_gid(self, outer: int) -> int:
        """The number in an image of a group id of H."""
        return outer if self.is_initial else self.gid if outer == 0 else outer - 1

    def outer_uid(self, inside: int) -> int:
        """The id in H of a user of the box."""
        return inside if self.is_initial else 0 if inside == self.uid else inside + 1

    def outer_gid(self, inside: int) -> int:
        """The id in H of a group of the box."""
        return inside if self.is_initial else 0 if inside == self.gid else inside + 1

    def image_xattr(self, name: str, value: bytes) -> bytes:
        """The value in an image of an extended attribute that was read in H."""
        if self.is_initial:
            return value
        if name == CAPABILITY:
            return self._capability(value)
        return map_acl(value, self.image_uid, self.image_gid) if name in ACLS else value

    def _capability(self, value: bytes) -> bytes:
        """The kernel gives version 2 where the root that it is for is H's own, which is the user."""
        if len(value) == _CAPABILITY_3:
            root = self.image_uid(int.from_bytes(value[_CAPABILITY_2:], "little"))
        elif len(value) == _CAPABILITY_2:
            root = self.image_uid(0)
        else:
            return value
        if root == 0:
            return value[:3] + b"\2" + value[4:_CAPABILITY_2]
        return value[:3] + b"\3" + value[4:_CAPABILITY_2] + root.to_bytes(4, "little")
