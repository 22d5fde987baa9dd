"""`dacha image tag` and `untag`."""

from __future__ import annotations

from dacha.errors import UsageError
from dacha.fast.grammar import Line
from dacha.storage import database, image_names


def tag_image(line: Line) -> int:
    """Give an image more names."""
    from dacha.registry import reference

    image, *names = line.operands
    if not names:
        raise UsageError("name the image, and what it shall be called too")
    for name in names:
        if reference.parse(name).transport or "@" in name:
            raise UsageError(f"'{name}' is no name for an image", hint="such as mine, mine:2 or host/mine")
    connection = database.open_database()
    try:
        image_names.tag(connection, image, [name.removesuffix(":latest") for name in names])
    finally:
        connection.close()
    return 0


def untag_image(line: Line) -> int:
    """Take names away, all of them if none is given."""
    image, *names = line.operands
    connection = database.open_database()
    try:
        image_names.untag(connection, image, names)
    finally:
        connection.close()
    return 0
