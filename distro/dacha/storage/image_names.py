"""Give names to images and take them away, all of a command's or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from dacha.errors import UsageError
from dacha.storage import images
from dacha.storage.database import transaction


def tag(connection: sqlite3.Connection, reference: str, names: Sequence[str]) -> None:
    """Give an image more names, each of which moves if another image had it. Raises ImageNotFoundError."""
    with transaction(connection):
        image = images.get(connection, reference)
        connection.executemany(
            "INSERT OR REPLACE INTO image_names (name, image) VALUES (?, ?)",
            [(name, image.id) for name in names],
        )


def untag(connection: sqlite3.Connection, reference: str, names: Sequence[str]) -> list[str]:
    """Take names away from an image, all of them if none is given; those that were taken.

    The image stays, also without a name. Raises ImageNotFoundError and UsageError.
    """
    with transaction(connection):
        image = images.get(connection, reference)
        taken = []
        for name in names or image.names:
            own = next((each for each in (name, name.removesuffix(":latest")) if each in image.names), None)
            if own is None:
                known = f"it has {', '.join(image.names)}" if image.names else "it has no name"
                raise UsageError(f"'{name}' is no name of image '{reference}'", hint=known)
            taken.append(own)
        connection.executemany("DELETE FROM image_names WHERE name = ?", [(name,) for name in taken])
    return taken
