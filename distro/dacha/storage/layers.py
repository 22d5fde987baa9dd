"""Layers: unpacked once, shared by every image and box that lists them.

A layer lies under layers/ in a directory of its own, with one subdirectory per *view*: the
id mapping its files have on disk. How it gets there is the business of `storage.unpack`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dacha import paths
from dacha.errors import DachaError
from dacha.storage import staging
from dacha.storage.archive.journal import Writer
from dacha.storage.database import transaction
from dacha.userns.outer import OuterMaps

_JOURNAL = "journal"


class Layer(NamedTuple):
    """A layer in the store."""

    diff_id: str
    directory: str
    size_bytes: int
    uids: frozenset[int]
    gids: frozenset[int]

    @property
    def journal(self) -> str:
        """What its archive is put together from, beside its files (`storage.archive.journal`)."""
        return f"{paths.data_root()}/layers/{self.directory}/{_JOURNAL}"

    @property
    def is_there(self) -> bool:
        """Whether its files are; a row alone is a layer that was lost."""
        return os.path.isdir(f"{paths.data_root()}/layers/{self.directory}")

    def view(self, maps: OuterMaps) -> str:
        """Its files in the view that these maps call for, relative to the store."""
        return f"layers/{self.directory}/{maps.view}"

    def has_view(self, maps: OuterMaps) -> bool:
        """Whether its files are there in that view."""
        return os.path.isdir(f"{paths.data_root()}/{self.view(maps)}")


class MissingLayersError(DachaError):
    """An image has lost layers."""

    def __init__(self, image: str, lost: Sequence[Layer], *, fetch: str = "") -> None:
        count = f"{len(lost)} layers" if len(lost) > 1 else "a layer"
        hint = f"bring it again: {fetch}" if fetch else "what mends it: dacha system check"
        super().__init__(f"image '{image}' has lost {count}: {lost[0].diff_id}", hint=hint)


@contextlib.contextmanager
def writing_journal(place: str) -> Iterator[Writer]:
    """The journal of a layer that grows at `place`; one that could not serve is removed again."""
    path = f"{place}/{_JOURNAL}"
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:

        def write(data: bytes) -> None:
            try:
                file.write(data)
            except OSError as error:
                raise DachaError(
                    f"cannot write the layer: {error.strerror}", hint="free some space"
                ) from error

        journal = Writer(write)
        yield journal
    if journal.is_broken:
        remove_journal(place)


def remove_journal(place: str) -> None:
    """Remove the journal of a layer that grows at `place`, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{place}/{_JOURNAL}")


def is_missing(connection: sqlite3.Connection, diff_id: str, maps: OuterMaps) -> bool:
    """Whether the layer with that diffID is not in the store in the view that these maps call for."""
    found = find(connection, diff_id)
    return found is None or not found.has_view(maps)


def find(connection: sqlite3.Connection, diff_id: str) -> Layer | None:
    """The layer with that diffID, if it is in the store with its files."""
    found = find_row(connection, diff_id)
    return found if found is not None and found.is_there else None


def find_row(connection: sqlite3.Connection, diff_id: str) -> Layer | None:
    """The layer with that diffID, whether its files are there or not."""
    row = connection.execute(
        "SELECT diff_id, directory, size, uids, gids FROM layers WHERE diff_id = ?", (diff_id,)
    ).fetchone()
    return None if row is None else _from_row(row)


class Blob(NamedTuple):
    """A layer as a repository has it: compressed."""

    repository: str
    digest: str
    size_bytes: int
    media_type: str


def blobs(connection: sqlite3.Connection, diff_id: str) -> list[Blob]:
    """Where a layer is known to be had compressed."""
    rows = connection.execute(
        "SELECT repository, digest, size, media_type FROM layer_blobs WHERE diff_id = ?", (diff_id,)
    )
    return [Blob(*row) for row in rows]


def remember_blob(connection: sqlite3.Connection, diff_id: str, blob: Blob) -> None:
    """Keep where a layer of the store is to be had."""
    connection.execute(
        "INSERT OR REPLACE INTO layer_blobs (diff_id, repository, digest, size, media_type)"
        " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM layers WHERE diff_id = ?)",
        (diff_id, *blob, diff_id),
    )


def of_image(connection: sqlite3.Connection, image: str) -> list[Layer]:
    """The layers of an image, the lowest first."""
    rows = connection.execute(
        "SELECT l.diff_id, l.directory, l.size, l.uids, l.gids FROM image_layers AS i"
        " JOIN layers AS l ON l.diff_id = i.diff_id WHERE i.image = ? ORDER BY i.position",
        (image,),
    )
    return [_from_row(row) for row in rows]


def missing(connection: sqlite3.Connection, image: str) -> list[Layer]:
    """The layers of an image that have lost their files: none in a store that is whole."""
    return [layer for layer in of_image(connection, image) if not layer.is_there]


def require(stack: Sequence[Layer], image: str) -> None:
    """Raise MissingLayersError unless all of these layers of `image` are there."""
    lost = [layer for layer in stack if not layer.is_there]
    if lost:
        raise MissingLayersError(image, lost)


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
