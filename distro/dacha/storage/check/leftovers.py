"""What commands that were killed have left in staging/, and directories that wait for their deletion."""

from __future__ import annotations

import os
import sqlite3

from dacha import paths
from dacha.linux import lock
from dacha.storage import doomed
from dacha.storage.check.base import Finding, Repair, mendable

_COST = "takes space until the next command that removes something"


def examine(connection: sqlite3.Connection) -> list[Finding]:
    """All that a sweep would delete. The sweep itself comes after all repairs."""
    swept = Repair("deleted", list)
    found = [
        mendable("leftover", directory, "was removed, and is still there", _COST, swept)
        for directory in doomed.listing(connection)
    ]
    base = f"{paths.data_root()}/staging"
    for entry in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        try:
            fd = lock.try_lock_directory(f"{base}/{entry}")
        except OSError:  # gone by now, or no directory: not ours
            continue
        if fd is not None:
            os.close(fd)
            what = "is trash" if entry.startswith("trash-") else "its maker is dead"
            found.append(mendable("leftover", f"staging/{entry}", what, _COST, swept))
    return found
