"""Layers: unpacked once, shared by every image and box that lists them.

A layer lies under layers/ in a directory of its own, with one subdirectory per *view*: the
id mapping its files have on disk. How it gets there is the business of `storage.unpack`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import NamedTuple

from dacha import paths
from dacha.storage import staging
from dacha.storage.database import transaction
from dacha.userns.outer import OuterMaps


class Layer(NamedTuple):
    """A layer in the store."""

    diff_id: str
    directory: str
    size_bytes: int
    uids: frozenset[int]
    gids: frozenset[int]

    def view(self, maps: OuterMaps) -> str:
        """Its files in the view that these maps call for, relative to the store."""
        return f"layers/{self.directory}/{maps.view}"


def find(connection: sqlite3.Connection, diff_id: str) -> Layer | None:
    """The layer with that diffID, if it is in the store."""
    row = connection.execute(
        "SELECT diff_id, directory, size, uids, gids FROM layers WHERE diff_id = ?", (diff_id,)
    ).fetchone()
    return None if row is None else _from_row(row)


def of_image(connection: sqlite3.Connection, image: str) -> list[Layer]:
    """The layers of an image, the lowest first."""
    rows = connection.execute(
        "SELECT l.diff_id, l.directory, l.size, l.uids, l.gids FROM image_layers AS i"
        " JOIN layers AS l ON l.diff_id = i.diff_id WHERE i.image = ? ORDER BY i.position",
        (image,),
    )
    return [_from_row(row) for row in rows]


def _from_row(row: tuple[str, str, int, str, str]) -> Layer:
    diff_id, directory, size, uids, gids = row
    return Layer(diff_id, directory, size, frozenset(json.loads(uids)), frozenset(json.loads(gids)))


def remove_unused(connection: sqlite3.Connection) -> list[str]:
    """Take layers that no image lists out of the store; returns the trees to delete.

    The rows go first: a crash in between leaves a directory that nobody names, never a
    name without its directory.
    """
    with transaction(connection):
        unused = connection.execute(
            "DELETE FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers) RETURNING directory"
        ).fetchall()
    trees = []
    for (directory,) in unused:
        with transaction(connection):  # keeps others from adding the same layer meanwhile
            back = connection.execute("SELECT 1 FROM layers WHERE directory = ?", (directory,)).fetchone()
            path = f"{paths.data_root()}/layers/{directory}"
            if back is None and os.path.isdir(path):
                trees.append(staging.move_to_trash(path))
    return trees
