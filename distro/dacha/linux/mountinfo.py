"""The mounts of this process as the kernel lists them (proc(5), /proc/PID/mountinfo)."""

from __future__ import annotations

import os
from typing import NamedTuple


class MountPoint(NamedTuple):
    """A line of mountinfo."""

    target: str
    fstype: str
    source: str
    options: tuple[str, ...]  # of this mount
    super_options: tuple[str, ...]  # of its file system
    is_shared: bool


def parse(text: str) -> list[MountPoint]:
    """All mounts, in the kernel's order; lines that are none are passed over."""
    found = []
    for line in text.splitlines():
        head, separator, tail = line.partition(" - ")
        fields, rest = head.split(" "), tail.split(" ")
        if not separator or len(fields) < 6 or len(rest) < 3:
            continue
        found.append(
            MountPoint(
                target=_unescape(fields[4]),
                fstype=rest[0],
                source=_unescape(rest[1]),
                options=tuple(fields[5].split(",")),
                super_options=tuple(rest[2].split(",")),
                is_shared=any(field.startswith("shared:") for field in fields[6:]),
            )
        )
    return found


def holding(mounts: list[MountPoint], path: str) -> MountPoint | None:
    """The mount that a path without links lies on: the deepest, and of those the latest."""
    best = None
    for each in mounts:
        prefix = each.target.rstrip("/")
        is_above = path == prefix or path.startswith(prefix + "/")
        if is_above and (best is None or len(prefix) >= len(best.target.rstrip("/"))):
            best = each
    return best


def kind_at(path: str) -> str:
    """The kind of file system that a path lies on, as mount(8) calls it; "unknown" where that is hidden."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mount = holding(parse(file.read()), os.path.realpath(path))
    return "unknown" if mount is None else mount.fstype


def _unescape(text: str) -> str:
    """Blanks and the like are octal: \\040."""
    head, *parts = text.split("\\")
    return head + "".join(
        chr(int(part[:3], 8)) + part[3:] if part[:3].isdigit() else "\\" + part for part in parts
    )
