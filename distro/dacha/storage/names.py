"""The names of boxes, images and volumes, for completion: read only, without making or locking anything."""

from __future__ import annotations

import os
import sqlite3

from dacha import paths

_BOXES = "SELECT name, image_name FROM boxes ORDER BY name"
_LISTS = "SELECT name, '' FROM manifest_lists ORDER BY name"
_IMAGES = "SELECT name, source FROM image_names JOIN images ON id = image ORDER BY name"
_VOLUMES = """
SELECT name, coalesce((SELECT 'used by ' || group_concat(b.name, ', ') FROM box_volumes AS x
                       JOIN boxes AS b ON b.id = x.box WHERE x.volume = v.name), 'used by no box')
FROM volumes AS v ORDER BY name
"""


def boxes() -> list[tuple[str, str]]:
    """The names of all boxes, each with that of the image it was made from."""
    return _query(_BOXES)


def images() -> list[tuple[str, str]]:
    """All names of images in the store, each with where the image came from."""
    return _query(_IMAGES)


def manifest_lists() -> list[tuple[str, str]]:
    """The names of all manifest lists."""
    return _query(_LISTS)


def volumes() -> list[tuple[str, str]]:
    """The names of all volumes, each with who uses it."""
    return _query(_VOLUMES)


def _query(query: str) -> list[tuple[str, str]]:
    path = f"{paths.data_root()}/dacha.db"
    if not os.path.exists(path):
        return []
    # A URI, whose special characters SQLite decodes (https://sqlite.org/uri.html).
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=0.2)
    try:
        return [(str(name), str(text)) for name, text in connection.execute(query)]
    except sqlite3.OperationalError:  # being made at this moment
        return []
    finally:
        connection.close()
