"""Save what can be read of a damaged database into a new one.

Debian's sqlite3(1) has no `.recover` that works (3.40.1 fails on any database), and `.dump` ends
a table at its first damaged page. Here a table is read from both ends, so that only what lies
between damaged pages is lost. The old database is kept beside the new one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time

from dacha import paths
from dacha.linux import files
from dacha.linux.lock import FileLock
from dacha.storage import database

Row = tuple[object, ...]


def salvage() -> None:
    """Put a new database in the place of the damaged one. Raises OSError and sqlite3.Error."""
    path = f"{paths.data_root()}/dacha.db"
    new = f"{path}.new"
    _remove(new)
    with FileLock(f"{path}.lock"):  # nobody opens it meanwhile
        with (
            contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old,
            contextlib.closing(database.create(new)) as target,
        ):
            target.execute("PRAGMA foreign_keys = OFF")  # what points nowhere is for `system check` to tell
            target.execute("BEGIN IMMEDIATE")
            for (table,) in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                _copy(old, target, table)
            target.execute("COMMIT")
        files.syncfs(paths.data_root())
        aside = f"{path}.damaged-{int(time.time())}"
        for ending in ("-wal", "-shm", ""):  # a log without its database would be taken for the new one's
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + ending, aside + ending)
        os.rename(new, path)


def _remove(path: str) -> None:
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ending)


def _copy(old: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    """Copy the rows that can be read; columns that the old one lacks get their defaults."""
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    with contextlib.suppress(sqlite3.DatabaseError):  # its schema may be what is damaged
        known = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
        columns = [column for column in columns if column in known]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    for order in ("ASC", "DESC"):
        for row in _read(old, f"SELECT {names} FROM {table} NOT INDEXED ORDER BY rowid {order}"):  # noqa: S608  (ours)
            with contextlib.suppress(sqlite3.IntegrityError):  # there already, or of the wrong type: damaged
                target.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608  (ours)


def _read(old: sqlite3.Connection, query: str) -> list[Row]:
    """The rows before the first that cannot be read."""
    rows: list[Row] = []
    with contextlib.suppress(sqlite3.DatabaseError):
        for row in old.execute(query):
            rows.append(row)  # one by one: what came before a failure counts
    return rows
