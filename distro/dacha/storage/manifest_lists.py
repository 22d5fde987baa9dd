"""Lists of images for several platforms, which a user puts together to push them under one name.

What is in a list is a name, and what it shall be called for; the images themselves stay where they
are until the list is pushed (`build.manifest_list`).
"""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from dacha.errors import DachaError
from dacha.storage.database import transaction


class Member(NamedTuple):
    """An image in a list.

    `source` is the id of an image of the store, or docker://HOST/PATH@DIGEST; `digest` is that of
    its manifest, or empty for one of the store, which has none until it is pushed.
    """

    source: str
    digest: str
    os: str
    architecture: str
    variant: str
    annotations: dict[str, str]


class ManifestListNotFoundError(DachaError):
    """No list goes by that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no manifest list '{name}'", hint=f"create it: dacha manifest create {name}")


def names(connection: sqlite3.Connection) -> list[str]:
    """The names of all lists."""
    return [name for (name,) in connection.execute("SELECT name FROM manifest_lists ORDER BY name")]


def get(connection: sqlite3.Connection, name: str) -> list[Member]:
    """The images in a list. Raises ManifestListNotFoundError."""
    row = connection.execute("SELECT body FROM manifest_lists WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise ManifestListNotFoundError(name)
    return [Member(**each) for each in json.loads(row[0])]


def create(connection: sqlite3.Connection, name: str, *, replaces: bool) -> None:
    """Make an empty list. Raises DachaError where there is one, unless it `replaces` it."""
    with transaction(connection):
        is_there = connection.execute("SELECT 1 FROM manifest_lists WHERE name = ?", (name,)).fetchone()
        if is_there and not replaces:
            raise DachaError(
                f"there is a manifest list '{name}'", hint=f"remove it first: dacha manifest rm {name}"
            )
        connection.execute("INSERT OR REPLACE INTO manifest_lists (name, body) VALUES (?, '[]')", (name,))


def put(connection: sqlite3.Connection, name: str, member: Member) -> None:
    """Put an image into a list, in place of what has the same source."""
    with transaction(connection):
        kept = [each for each in get(connection, name) if each.source != member.source]
        _store(connection, name, [*kept, member])


def take_out(connection: sqlite3.Connection, name: str, source: str) -> None:
    """Take an image out of a list."""
    with transaction(connection):
        _store(connection, name, [each for each in get(connection, name) if each.source != source])


def remove(connection: sqlite3.Connection, name: str) -> None:
    """Remove a list. Raises ManifestListNotFoundError."""
    if not connection.execute("DELETE FROM manifest_lists WHERE name = ?", (name,)).rowcount:
        raise ManifestListNotFoundError(name)


def _store(connection: sqlite3.Connection, name: str, members: list[Member]) -> None:
    body = json.dumps([each._asdict() for each in members])
    connection.execute("UPDATE manifest_lists SET body = ? WHERE name = ?", (body, name))
