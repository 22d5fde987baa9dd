"""The database itself: its pages, and rows that point nowhere."""

from __future__ import annotations

import contextlib
import os
import sqlite3

from dacha import paths
from dacha.storage.check.base import Finding, Repair, mendable
from dacha.storage.check.salvage import salvage
from dacha.storage.database import failure, transaction


def examine() -> list[Finding]:
    """What SQLite finds wrong; the rest of the store can be examined only if this is empty."""
    path = f"{paths.data_root()}/dacha.db"
    problems = _problems(path) if os.path.exists(path) else []
    if not problems:
        return []
    what = f"SQLite: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else "")
    cost = "images and boxes may be missing, and commands fail"
    if all("index" in problem for problem in problems):
        repair = Repair("made its indexes anew", _reindex)
    else:
        repair = Repair(f"saved what can be read; what it was is in {path}.damaged-…", _salvage)
    return [mendable("database", path, what, cost, repair)]


def _problems(path: str) -> list[str]:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            rows = [text for (text,) in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.OperationalError as error:
        raise failure("read", error) from error  # read-only or full, not damaged
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [
        line for text in rows for line in text.splitlines() if text != "ok" and not line.startswith("***")
    ]


def _reindex() -> list[str]:
    path = f"{paths.data_root()}/dacha.db"
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("REINDEX")
    return []


def _salvage() -> list[str]:
    salvage()
    return []


def dangling(connection: sqlite3.Connection) -> list[Finding]:
    """Rows that refer to what is not there. Boxes and layers have files of their own to speak for."""
    found = []
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchall():
        if (table, parent) in (("boxes", "images"), ("image_layers", "layers")):
            continue  # `box.check.boxes` and `storage.check.images` say what that means
        found.append(
            mendable(
                "dangling-row",
                f"{table} {_name(connection, table, row)}",
                f"points to {parent} that are not in the store",
                "what it says is not true" if table != "image_names" else "the name finds no image",
                Repair("removed the row", lambda table=table, row=row: _delete(connection, table, row)),  # type: ignore[misc]
            )
        )
    return found


def _name(connection: sqlite3.Connection, table: str, row: int) -> str:
    """What the first column of a row says; the table's name comes from SQLite itself."""
    return str(connection.execute(f"SELECT * FROM {table} WHERE rowid = ?", (row,)).fetchone()[0])  # noqa: S608


def _delete(connection: sqlite3.Connection, table: str, row: int) -> list[str]:
    with transaction(connection):
        connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))  # noqa: S608  (SQLite's own name)
    return []
