"""Directories that are to be deleted because their row is gone.

They are written down in the transaction that takes the row, and moved to the trash after it.
So the sweep deletes what somebody has removed, and never what merely has no row: that may be
all that is left of a box when a database was lost.
"""

from __future__ import annotations

import os
import sqlite3

from dacha import paths
from dacha.storage import staging
from dacha.storage.database import transaction


def doom(connection: sqlite3.Connection, directory: str) -> None:
    """Note a directory of the store. Part of a transaction.

    Whoever makes something of the same name again spares it first: `reclaim`.
    """
    connection.execute("INSERT OR IGNORE INTO doomed (directory) VALUES (?)", (directory,))


def listing(connection: sqlite3.Connection) -> list[str]:
    """What has been doomed and may still be there, relative to the store."""
    return [directory for (directory,) in connection.execute("SELECT directory FROM doomed")]


def take_away(connection: sqlite3.Connection) -> None:
    """Move all of them to the trash."""
    for directory in listing(connection):
        with transaction(connection):  # two at once do it one after the other
            reclaim(connection, directory)


def reclaim(connection: sqlite3.Connection, directory: str) -> None:
    """Move it to the trash now, if it is still doomed: its name is free then. Part of a transaction."""
    path = f"{paths.data_root()}/{directory}"
    is_doomed = connection.execute("DELETE FROM doomed WHERE directory = ?", (directory,)).rowcount
    if is_doomed and os.path.isdir(path):
        staging.move_to_trash(path)
