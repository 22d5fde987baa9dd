"""`dacha list`, `inspect` and `version`: what there is."""

from __future__ import annotations

import os
import sqlite3

from dacha import __version__
from dacha.box import definition
from dacha.box.definition import Box
from dacha.engine import emulation, state
from dacha.fast.grammar import Line
from dacha.registry.platform import Platform, host_platform
from dacha.storage import database, images


def list_boxes(line: Line) -> int:
    """List the boxes: distrobox's columns, or JSON."""
    connection = database.open_database()
    try:
        boxes = definition.listing(connection)
        platforms = _platforms(connection)
    finally:
        connection.close()
    if line.flag("quiet"):
        print("".join(f"{box.name}\n" for box in boxes), end="")
        return 0
    if line.flag("json"):
        import json

        print(json.dumps([_summary(box, platforms) for box in boxes], indent=2))
        return 0
    rows = [("ID", "NAME", "STATUS", "IMAGE")]
    rows += [
        (
            box.id[:12],
            box.name,
            "running" if state.is_running(box.name) else "stopped",
            _image(box, platforms[box.image]),
        )
        for box in boxes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print(" | ".join([*(row[column].ljust(widths[column]) for column in range(3)), row[3]]))
    return 0


def _platforms(connection: sqlite3.Connection) -> dict[str, Platform]:
    """The platforms of all images, by their ids."""
    return {image.id: emulation.platform_of(image) for image in images.listing(connection)}


def _image(box: Box, platform: Platform) -> str:
    """What a box was made of, and for which platform that is, where it is another than this machine's."""
    if platform == host_platform() or box.image_name.endswith(f"@{platform.short}"):
        return box.image_name
    return f"{box.image_name} ({platform})"


def _summary(box: Box, platforms: dict[str, Platform]) -> dict[str, object]:
    running = state.open_running(box.name)
    if running is not None:
        os.close(running[1])
    return {
        "id": box.id,
        "name": box.name,
        "status": "running" if running else "stopped",
        "image": box.image_name,
        "platform": str(platforms[box.image]),
        "created": box.created,
        "pid": running[0].pid if running else None,
    }


def inspect(line: Line) -> int:
    """Print all that is known of boxes, as a JSON list."""
    import json

    found = []
    connection = database.open_database()
    try:
        platforms = _platforms(connection)
        for name in line.operands:
            box = definition.get(connection, name)
            details: dict[str, object] = _summary(box, platforms)
            details["imageId"] = box.image
            details["hostname"] = box.hostname or os.uname().nodename
            details["volumes"] = [volume._asdict() for volume in box.volumes]
            details["directory"] = box.path
            details["singleId"] = box.is_single
            running = state.read(box.name) if details["pid"] else None
            if running is not None:
                details["cgroup"] = running.cgroup
                details["user"] = running.user
                details["home"] = running.home
                details["shell"] = running.shell
            found.append(details)
    finally:
        connection.close()
    print(json.dumps(found, indent=2))
    return 0


def version(_line: Line) -> int:
    """Print the version."""
    print(f"dacha {__version__}")
    return 0
