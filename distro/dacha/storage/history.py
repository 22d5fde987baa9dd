"""How an image came to be, layer by layer: the `history` of its configuration (OCI, config.md)."""

from __future__ import annotations

import datetime
import sqlite3
from typing import NamedTuple

from dacha.storage import images
from dacha.storage.images import Image


class Step(NamedTuple):
    """One step in the making of an image."""

    diff_id: str  # of the layer it made; empty if it made none
    created: float | None  # seconds since 1970, where the image says it
    created_by: str
    size_bytes: int
    comment: str


def of_image(connection: sqlite3.Connection, image: Image) -> list[Step]:
    """The steps, the last one first. Layers of which the image tells nothing come as steps without words."""
    sizes = dict(connection.execute("SELECT diff_id, size FROM layers").fetchall())
    told = images.config(connection, image.id).get("history")
    layers = list(image.layers)
    steps = []
    for entry in told if isinstance(told, list) else ():
        if not isinstance(entry, dict):
            continue
        makes_layer = not entry.get("empty_layer") and bool(layers)
        diff_id = layers.pop(0) if makes_layer else ""
        created = seconds(entry.get("created"))
        words = [str(entry.get(key) or "") for key in ("created_by", "comment")]
        steps.append(Step(diff_id, created, words[0], sizes.get(diff_id, 0), words[1]))
    steps += [Step(diff_id, None, "", sizes.get(diff_id, 0), "") for diff_id in layers]
    return steps[::-1]


def seconds(text: object) -> float | None:
    """A time as RFC 3339 has it, in seconds since 1970; None if it is none."""
    if not isinstance(text, str):
        return None
    whole, dot, rest = text.partition(".")
    # Python 3.11 reads neither nine digits of a second nor anything but six.
    zone = rest.lstrip("0123456789") if dot else ""
    try:
        moment = datetime.datetime.fromisoformat((whole + zone).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
