"""Where a box has ever had something mounted: the runtime makes directories and files for that in its upper.

A file beside the upper lists them, for those who ask what the box itself has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dacha.box.definition import Box
from dacha.linux import files


def _file(box: Box) -> str:
    return f"{box.path}/mount-points"


def read(box: Box) -> frozenset[str]:
    """All of them, as paths relative to the root."""
    try:
        with open(_file(box), "rb") as file:
            return frozenset(os.fsdecode(path) for path in file.read().split(b"\0") if path)
    except FileNotFoundError:
        return frozenset()


def record(box: Box, targets: Iterable[str]) -> None:
    """Add the targets of a start."""
    known = read(box)
    found = known | {target.strip("/") for target in targets}
    if found != known:
        files.replace_file(_file(box), b"\0".join(sorted(os.fsencode(path) for path in found)))
