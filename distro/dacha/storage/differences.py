"""What an upper changes, as people read it: podman's three letters (podman-diff(1))."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from dacha.storage.upper import Below, Item, Upper

ADDED, CHANGED, DELETED = "A", "C", "D"


class Difference(NamedTuple):
    """One line of a diff."""

    kind: str
    path: str  # absolute


def differences(upper: Upper, below: Below) -> Iterator[Difference]:
    """What is added, changed or deleted; of a directory its files come first, then what is further in."""
    for item in upper.walk():
        path = f"/{item.path}"
        if item.is_whiteout:
            yield Difference(DELETED, path)
        elif item.path:
            is_there = item.is_covering and below.status(item.path) is not None
            yield Difference(CHANGED if is_there else ADDED, path)
        if item.is_opaque:
            yield from _hidden(item, below)


def _hidden(item: Item, below: Below) -> Iterator[Difference]:
    """What was in a directory that was removed and made anew."""
    status = below.status(item.path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        for name in sorted(below.names(item.path) - set(os.listdir(item.fd))):
            yield Difference(DELETED, f"/{item.path}/{name}")
