"""Images: their configurations, and whether their layers are there."""

from __future__ import annotations

import hashlib
import json
import shlex
import sqlite3

from dacha.storage import images, layers
from dacha.storage.check.base import Finding
from dacha.storage.images import Image


def examine(connection: sqlite3.Connection) -> list[Finding]:
    """The images that boxes cannot be made of."""
    found = []
    for image in images.listing(connection):
        problem = _problem(connection, image)
        if problem:
            cost = "no box of it can be created or started"
            found.append(Finding("broken-image", title(image), problem, cost, fetch(image)))
    return found


def broken(connection: sqlite3.Connection) -> dict[str, str]:
    """What is wrong with images, by their ids."""
    problems = {image.id: _problem(connection, image) for image in images.listing(connection)}
    return {image: problem for image, problem in problems.items() if problem}


def title(image: Image) -> str:
    """What people call an image."""
    return f"image {image.names[0] if image.names else image.id.removeprefix('sha256:')[:12]}"


def fetch(image: Image) -> str:
    """The command that brings an image again, by where it came from."""
    name = image.names[0] if image.names else ""
    if ":" not in image.source or " " in image.source:  # made of packages: a name of the catalog
        return f"dacha image load {shlex.quote(name or image.source)}"
    command = f"dacha image load {shlex.quote(image.source)}"
    return f"{command} --name {shlex.quote(name)}" if name and name != image.source else command


def _problem(connection: sqlite3.Connection, image: Image) -> str:
    text = str(connection.execute("SELECT config FROM images WHERE id = ?", (image.id,)).fetchone()[0])
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    if image.id != f"sha256:{digest}":
        return "its configuration is not the one its id stands for"
    try:
        wanted = json.loads(text)["rootfs"]["diff_ids"]
    except (ValueError, KeyError, TypeError):
        return "its configuration lists no layers"
    if list(image.layers) != wanted:
        return "its list of layers is not that of its configuration"
    lost = [diff_id for diff_id in dict.fromkeys(image.layers) if layers.find(connection, diff_id) is None]
    if lost:
        return f"layer {lost[0][:19]} is missing" + (f" (and {len(lost) - 1} more)" if lost[1:] else "")
    return ""
