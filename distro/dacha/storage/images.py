"""Images: a configuration and a list of layers, under names.

An image's id is the digest of its configuration, as everywhere in the field (OCI image
specification, config.md).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from dacha.errors import DachaError, ImageNotFoundError
from dacha.storage.database import transaction

MIN_ID_PREFIX = 4


class Image(NamedTuple):
    """An image in the store."""

    id: str
    names: tuple[str, ...]
    source: str
    created: float
    size_bytes: int
    layers: tuple[str, ...]
    # For what it is, as its configuration says; empty where it says nothing.
    os: str = ""
    architecture: str = ""
    variant: str = ""


class LayersRemovedError(DachaError):
    """Somebody has removed layers that no image listed yet."""


class ImageInUseError(DachaError):
    """Boxes stand on the image."""

    def __init__(self, name: str, boxes: Sequence[str]) -> None:
        super().__init__(
            f"image '{name}' is in use by {', '.join(boxes)}", hint=f"first: dacha rm {' '.join(boxes)}"
        )


_SELECT = """
SELECT i.id, i.source, i.created,
       (SELECT group_concat(name, char(10)) FROM image_names WHERE image = i.id),
       (SELECT sum(l.size) FROM image_layers AS x JOIN layers AS l ON l.diff_id = x.diff_id
        WHERE x.image = i.id),
       (SELECT group_concat(diff_id, ' ') FROM
           (SELECT diff_id FROM image_layers WHERE image = i.id ORDER BY position)),
       json_extract(c.value, '$.os'), json_extract(c.value, '$.architecture'),
       json_extract(c.value, '$.variant')
FROM images AS i JOIN (SELECT id, iif(json_valid(config), config, '{}') AS value FROM images) AS c USING (id)
"""


def _from_row(row: tuple[Any, ...]) -> Image:
    image, source, created, names, size, layers, *platform = row
    return Image(
        image,
        tuple(sorted(names.split("\n"))) if names else (),
        source,
        created,
        size or 0,
        tuple(layers.split()) if layers else (),
        *(
            field if isinstance(field, str) else "" for field in platform
        ),  # a stranger may have put in numbers
    )


def listing(connection: sqlite3.Connection) -> list[Image]:
    """All images, the newest first."""
    return [_from_row(row) for row in connection.execute(f"{_SELECT} ORDER BY i.created DESC")]


def names_meant(reference: str) -> tuple[str, ...]:
    """The names in the store that `reference` may stand for, the likeliest first.

    What podman has built or imported it calls localhost/NAME, and finds again as NAME.
    """
    bare = reference.removesuffix(":latest")
    return (reference, bare, f"localhost/{bare}")


def find(connection: sqlite3.Connection, reference: str) -> Image | None:
    """The image of that name, or whose id begins like that. Raises DachaError if several do."""
    for name in names_meant(reference):
        row = connection.execute(
            _SELECT + " WHERE i.id = (SELECT image FROM image_names WHERE name = ?)",  # noqa: S608  (constants)
            (name,),
        ).fetchone()
        if row is not None:
            return _from_row(row)
    prefix = reference.removeprefix("sha256:")
    if len(prefix) < MIN_ID_PREFIX or set(prefix) - set("0123456789abcdef"):
        return None
    rows = connection.execute(
        f"{_SELECT} WHERE substr(i.id, 1, ?) = ?", (len(prefix) + 7, f"sha256:{prefix}")
    ).fetchall()
    if len(rows) > 1:
        raise DachaError(f"several images begin with {reference}", hint="give more of the id")
    return _from_row(rows[0]) if rows else None


def get(connection: sqlite3.Connection, reference: str) -> Image:
    """Like `find`, but raises ImageNotFoundError."""
    image = find(connection, reference)
    if image is None:
        raise ImageNotFoundError(
            f"no image '{reference}' in the store", hint="see what there is: dacha image list"
        )
    return image


def config(connection: sqlite3.Connection, image: str) -> dict[str, object]:
    """The OCI configuration of the image with that id."""
    value: dict[str, object] = json.loads(configuration(connection, image))
    return value


def configuration(connection: sqlite3.Connection, image: str) -> str:
    """The same, as it was stored, character by character: its digest is the image's id."""
    row = connection.execute("SELECT config FROM images WHERE id = ?", (image,)).fetchone()
    if row is None:
        raise ImageNotFoundError(f"no image {image} in the store")
    text: str = row[0]
    return text


def add(
    connection: sqlite3.Connection,
    image: str,
    configuration: str,
    layers: Sequence[str],
    name: str,
    source: str,
) -> Image:
    """Record an image whose layers are in the store, under `name`, which moves if another image had it.

    An empty name is none.
    """
    try:
        with transaction(connection):
            connection.execute(
                # The configuration was held to its digest, whatever has become of the one in the store.
                "INSERT INTO images (id, config, source, created) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET config = excluded.config",
                (image, configuration, source, time.time()),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO image_layers (image, position, diff_id) VALUES (?, ?, ?)",
                [(image, position, diff_id) for position, diff_id in enumerate(layers)],
            )
            if name:
                connection.execute(
                    "INSERT OR REPLACE INTO image_names (name, image) VALUES (?, ?)", (name, image)
                )
    except sqlite3.IntegrityError as error:  # no image listed them yet, so an `image rm` has swept them away
        text = f"layers of '{name or image}' were removed meanwhile"
        raise LayersRemovedError(text, hint="do it again") from error
    return get(connection, image)


def names(connection: sqlite3.Connection) -> dict[str, str]:
    """The id of the image that each name stands for."""
    return dict(connection.execute("SELECT name, image FROM image_names").fetchall())


def tag(connection: sqlite3.Connection, image: Image, name: str) -> None:
    """Give an image one more name, which moves if another image had it."""
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO image_names (name, image) VALUES (?, ?)", (name, image.id))


def users(connection: sqlite3.Connection, image: Image) -> list[str]:
    """The boxes that stand on an image."""
    rows = connection.execute("SELECT name FROM boxes WHERE image = ? ORDER BY name", (image.id,))
    return [name for (name,) in rows]


def remove(connection: sqlite3.Connection, reference: str) -> Image:
    """Take a name away, and the image with its last one; its layers stay until `layers.remove_unused`.

    Raises ImageNotFoundError, and ImageInUseError while boxes stand on it.
    """
    with transaction(connection):
        image = get(connection, reference)
        name = next((name for name in names_meant(reference) if name in image.names), "")
        if name and len(image.names) > 1:
            connection.execute("DELETE FROM image_names WHERE name = ?", (name,))
            return image
        boxes = users(connection, image)
        if boxes:
            raise ImageInUseError(reference, boxes)
        connection.execute("DELETE FROM images WHERE id = ?", (image.id,))
    return image
