"""Layers: directories without rows, rows without directories, damage, and what is half-made."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from dacha import paths
from dacha.storage import staging
from dacha.storage.check.base import Content, Finding, Repair, Store, mendable
from dacha.storage.database import transaction

_COSTS_SPACE = "takes space"


class _Row:
    """A row of `layers`."""

    __slots__ = ("diff_id", "directory", "files", "is_used", "size_bytes")

    def __init__(self, row: tuple[str, str, int, int | None, int]) -> None:
        self.diff_id, self.directory, self.size_bytes, self.files, used = row
        self.is_used = bool(used)


def directories(connection: sqlite3.Connection) -> list[str]:
    """The names of all layers' directories."""
    return [name for (name,) in connection.execute("SELECT directory FROM layers")]


def examine(store: Store) -> list[Finding]:
    """All that is wrong with layers."""
    base = f"{paths.data_root()}/layers"
    with transaction(store.connection):  # an unpacked layer is renamed and named in one transaction
        names = sorted(os.listdir(base)) if os.path.isdir(base) else []
        rows = [
            _Row(row)
            for row in store.connection.execute(
                "SELECT diff_id, directory, size, files,"
                " EXISTS (SELECT 1 FROM image_layers AS i WHERE i.diff_id = l.diff_id) FROM layers AS l"
            )
        ]
    known = {row.directory for row in rows}
    found = [_stray(store.connection, name) for name in names if name not in known]
    for name in names:
        if name in known:
            found += _half_made(name)
    for row in rows:
        finding = _examine_row(store, row, is_there=row.directory in names)
        if finding is not None:
            found.append(finding)
    return found


def _stray(connection: sqlite3.Connection, name: str) -> Finding:
    path = f"{paths.data_root()}/layers/{name}"

    def apply() -> list[str]:
        with transaction(connection):
            row = connection.execute("SELECT 1 FROM layers WHERE directory = ?", (name,)).fetchone()
            if row is None and os.path.lexists(path):
                staging.move_to_trash(path)
        return []

    return mendable(
        "stray-layer", f"layers/{name}", "no row names it", _COSTS_SPACE, Repair("deleted", apply)
    )


def _half_made(name: str) -> list[Finding]:
    """Deltas that a dead process did not finish: delta-U-G.PID~."""
    found = []
    for entry in sorted(os.listdir(f"{paths.data_root()}/layers/{name}")):
        pid = entry.removesuffix("~").rpartition(".")[2]
        if entry.endswith("~") and pid.isdigit() and not os.path.isdir(f"/proc/{pid}"):
            where = f"layers/{name}/{entry}"
            path = f"{paths.data_root()}/{where}"
            repair = Repair("deleted", lambda path=path: [path])  # type: ignore[misc]
            found.append(mendable("half-made-delta", where, "its maker is dead", _COSTS_SPACE, repair))
    return found


def _examine_row(store: Store, row: _Row, *, is_there: bool) -> Finding | None:
    if not is_there:
        if row.is_used:
            return None  # images name it: `storage.check.images`
        repair = Repair("removed the row", lambda: _forget(store.connection, row))
        return mendable(
            "lost-layer", f"layers/{row.directory}", "is not there", "nothing: no image has it", repair
        )
    damage = _damage(row, store.contents.get(row.directory))
    if not damage:
        return None
    cost = "boxes on it lack files"
    if row.directory in store.busy:
        mend = "dacha stop --all; dacha system check --repair"
        return Finding("damaged-layer", f"layers/{row.directory}", damage, cost, mend)
    repair = Repair("taken away: its images must be fetched again", lambda: _take_away(store.connection, row))
    return mendable("damaged-layer", f"layers/{row.directory}", damage, cost, repair)


def _damage(row: _Row, contents: Sequence[Content] | None) -> str:
    """How what is there differs from what was unpacked; empty if it does not, or could not be measured."""
    if contents is None:
        return ""
    if not contents:
        return "its files are not there"
    return next((damage for content in contents if (damage := _difference(row, content))), "")


def _difference(row: _Row, content: Content) -> str:
    if row.files is not None and row.files != content.files:
        return f"has {content.files} files, not {row.files}"
    if row.size_bytes != content.size_bytes:
        return f"has {content.size_bytes} bytes in files, not {row.size_bytes}"
    return ""


def _forget(connection: sqlite3.Connection, row: _Row) -> list[str]:
    with transaction(connection):
        if not os.path.isdir(f"{paths.data_root()}/layers/{row.directory}"):
            connection.execute(
                "DELETE FROM layers WHERE diff_id = ? AND diff_id NOT IN (SELECT diff_id FROM image_layers)",
                (row.diff_id,),
            )
    return []


def _take_away(connection: sqlite3.Connection, row: _Row) -> list[str]:
    """Its row stays, for the images that list it: without a directory it counts as absent."""
    with transaction(connection):
        if os.path.isdir(path := f"{paths.data_root()}/layers/{row.directory}"):
            staging.move_to_trash(path)
    return []
