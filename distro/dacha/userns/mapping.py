"""Arithmetic of id mappings: pure functions on values.

Three namespaces stand inside one another. The *outer* one (H) holds all the ids a user
has: 0 is the user, 1 and up are the subordinate ids. Layers are unpacked in the *shifted*
one, a child of H in which id i of an image is H's i+1. A *box* is the shifted map with a
hole of one id: the user's own number, which is the user.

In *single-id mode* there are no subordinate ids: of H's map and the box's nothing is left but the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class IdRange(NamedTuple):
    """`size` consecutive ids: `inside` the user namespace, `outside` it."""

    inside: int
    outside: int
    size: int


IdMap = tuple[IdRange, ...]

ALL_IDS = 4294967295  # 2**32 - 1 is no id: chown(2) takes it for "leave as it is"
IDENTITY: IdMap = (IdRange(0, 0, ALL_IDS),)


def outer_map(own: int, subordinate: Sequence[tuple[int, int]]) -> IdMap:
    """H's map: 0 is `own`, then the subordinate ranges (start, count) in their order."""
    rows = [IdRange(0, own, 1)]
    inside = 1
    for start, count in subordinate:
        rows.append(IdRange(inside, start, count))
        inside += count
    return tuple(rows)


def available(outer: IdMap) -> int:
    """How many ids beside the user's own H holds."""
    return sum(row.size for row in outer) - 1


def shifted_map(count: int) -> IdMap:
    """The map in which layers are unpacked; its outside is H."""
    return (IdRange(0, 1, count),)


def box_map(own: int, count: int) -> IdMap:
    """A box's map; its outside is H. `own` is the user's number in the box and on the host.

    Ids below and above it are where the shifted map has them, so one unpacked layer
    serves every box; the shifted place of `own` itself stays unmapped.
    """
    rows = [IdRange(0, 1, min(own, count)), IdRange(own, 0, 1)]
    if count > own + 1:
        rows.append(IdRange(own + 1, own + 2, count - own - 1))
    return tuple(row for row in rows if row.size > 0)


def split(rows: IdMap, parent: IdMap) -> IdMap:
    """The same map in rows that the kernel takes: each lies in one row of the parent's map.

    user_namespaces(7) says only that the parent must have all ids; map_write() in
    kernel/user_namespace.c looks for one row that has them. Subordinate ids in several
    ranges are several rows.
    """
    found = []
    for row in rows:
        inside, outside, left = row
        while left:
            room = next(
                (
                    each.inside + each.size - outside
                    for each in parent
                    if each.inside <= outside < each.inside + each.size
                ),
                left,  # not mapped at all: that is for the kernel to say
            )
            size = min(left, room)
            found.append(IdRange(inside, outside, size))
            inside, outside, left = inside + size, outside + size, left - size
    return tuple(found)


def to_outside(mapping: Iterable[IdRange], inside: int) -> int | None:
    """What `inside` is outside the namespace; None if it is not mapped."""
    for row in mapping:
        if row.inside <= inside < row.inside + row.size:
            return row.outside + inside - row.inside
    return None


def to_inside(mapping: Iterable[IdRange], outside: int) -> int | None:
    """What `outside` is inside the namespace; None if it is not mapped."""
    for row in mapping:
        if row.outside <= outside < row.outside + row.size:
            return row.inside + outside - row.outside
    return None


def as_map_lines(mapping: Iterable[IdRange]) -> str:
    """The text of /proc/PID/uid_map (user_namespaces(7))."""
    return "".join(f"{row.inside} {row.outside} {row.size}\n" for row in mapping)


def from_map_lines(text: str) -> IdMap:
    """Read /proc/PID/uid_map."""
    return tuple(IdRange(*(int(field) for field in line.split())) for line in text.splitlines())
