"""Boxes: their definitions and images, and directories that belong to none of them.

A box's own layers are what nobody can get again: nothing here deletes them.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3

from dacha import paths
from dacha.storage import doomed, images
from dacha.storage.check import images as image_check
from dacha.storage.check.base import Finding, Repair, mendable
from dacha.storage.database import transaction
from dacha.userns.outer import OuterMaps

_SAFE = "it does not start; what it has changed is safe"


class Row:
    """A row of `boxes`, its definition unread."""

    __slots__ = ("definition", "id", "image", "image_name", "name")

    def __init__(self, row: tuple[str, str, str, str, str]) -> None:
        self.id, self.name, self.image, self.image_name, self.definition = row


def rows(connection: sqlite3.Connection) -> list[Row]:
    """All boxes, by name."""
    query = "SELECT id, name, image, image_name, definition FROM boxes ORDER BY name"
    return [Row(row) for row in connection.execute(query)]


def examine(connection: sqlite3.Connection, maps: OuterMaps) -> list[Finding]:
    """All that is wrong with boxes."""
    found = []
    broken = image_check.broken(connection)
    boxes = rows(connection)
    for box in boxes:
        found += _examine_image(connection, box, broken)
        if not _is_readable(box.definition):
            found.append(_unreadable(connection, box))
    found += _strays("boxes", {box.id for box in boxes} | _doomed(connection, "boxes"), maps)
    volumes = {name for (name,) in connection.execute("SELECT name FROM volumes")}
    return found + _strays("volumes", volumes | _doomed(connection, "volumes"), maps)


def _examine_image(connection: sqlite3.Connection, box: Row, broken: dict[str, str]) -> list[Finding]:
    image = images.find(connection, box.image)
    if image is None:
        mend = f"dacha image load {shlex.quote(box.image_name)}"
        return [Finding("broken-box", f"box {box.name}", f"its image {box.image[:19]} is gone", _SAFE, mend)]
    if image.id in broken:
        what = f"its {image_check.title(image)}: {broken[image.id]}"
        return [Finding("broken-box", f"box {box.name}", what, _SAFE, image_check.fetch(image))]
    return []


def _is_readable(definition: str) -> bool:
    try:
        return isinstance(json.loads(definition), dict)
    except ValueError:
        return False


def _unreadable(connection: sqlite3.Connection, box: Row) -> Finding:
    did = f"reset its settings; they were {box.definition!r}"
    cost = "commands fail; mending it loses its volumes and host name, not its files"
    repair = Repair(did, lambda: _reset(connection, box))
    return mendable("broken-box", f"box {box.name}", "its settings cannot be read", cost, repair)


def _reset(connection: sqlite3.Connection, box: Row) -> list[str]:
    with transaction(connection):
        connection.execute(
            "UPDATE boxes SET definition = '{}' WHERE id = ? AND definition = ?", (box.id, box.definition)
        )
    return []


def _doomed(connection: sqlite3.Connection, kind: str) -> set[str]:
    return {directory.removeprefix(f"{kind}/") for directory in doomed.listing(connection)}


def _strays(kind: str, known: set[str], maps: OuterMaps) -> list[Finding]:
    """Directories that no row names: somebody's work, perhaps, whose row was lost."""
    base = f"{paths.data_root()}/{kind}"
    found = []
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        if name not in known:
            delete = "rm -rf" if maps.is_initial else "unshare --map-root-user --map-auto rm -rf"
            found.append(
                Finding(
                    f"stray-{kind.removesuffix('es').removesuffix('s')}",
                    f"{kind}/{name}",
                    "no row names it",
                    "takes space; it may hold somebody's work, so it is never deleted",
                    f"save what you need of it, then: {delete} {shlex.quote(f'{base}/{name}')}",
                )
            )
    return found
