"""`dacha create`, and the box that `enter` finds missing."""

from __future__ import annotations

import os
import sqlite3
import sys

from dacha.box import definition
from dacha.box.create import Request
from dacha.box.definition import Box
from dacha.cli import questions
from dacha.errors import BoxNotFoundError
from dacha.fast.grammar import Line
from dacha.storage import database
from dacha.storage.images import Image


def create(line: Line) -> int:
    """Create a box and print its name."""
    from dacha.box import remove
    from dacha.registry import reference

    name = line.text("name") or (definition.check_name(line.operands[0]) if line.operands else "")
    image = line.text("image") or (name if _is_image(name) else "")
    if not image:
        image = default_image()
    request = Request(
        name=definition.check_name(name or reference.parse(image).box_name),
        image=image,
        hostname=line.text("hostname"),
        volumes=tuple(definition.parse_volume(text) for text in line.texts("volume")),
    )
    if line.flag("dry_run"):
        hostname = request.hostname or os.uname().nodename
        print(f"box '{request.name}' of image '{request.image}', host name '{hostname}'")
        for volume in request.volumes:
            print(f"volume {volume.source} at {volume.target} {','.join(volume.options)}".rstrip())
        return 0
    _create(request, quiet=line.flag("quiet"))
    remove.sweep()
    print(request.name)
    return 0


def create_missing(name: str, image: str, missing: BoxNotFoundError, *, answers_yes: bool) -> None:
    from dacha.registry import reference

    if not reference.parse(image).transport and not _is_image(image):
        missing.hint = _suggestion(name) or missing.hint
        raise missing
    if not answers_yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise missing
        if not questions.confirm(f"There is no box '{name}'. Create it from the image '{image}'?"):
            raise missing
    _create(Request(name=name, image=image))


def _suggestion(name: str) -> str:
    """The box or image that somebody may have meant who wrote `name`."""
    import difflib

    from dacha.build import catalog

    close = difflib.get_close_matches(name, [*definition.names(), *catalog.entries()], n=1)
    return f"did you mean '{close[0]}'?" if close else ""


def _create(request: Request, *, quiet: bool = False) -> Box:
    from dacha.box.create import create
    from dacha.storage import images

    connection = database.open_database()
    try:
        if definition.find(connection, request.name) is not None:
            raise definition.BoxExistsError(request.name)
        image = images.find(connection, request.image)
        if image is None:
            image = _obtain(connection, request.image, quiet=quiet)
    finally:
        connection.close()
    return create(request, image)


def _obtain(connection: sqlite3.Connection, reference: str, *, quiet: bool) -> Image:
    """Bring an image into the store, with progress."""
    from dacha.build.obtain import obtain
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.userns import outer

    maps = outer.outer_maps(account.calling_account())
    with show_progress(quiet=quiet) as progress:
        return obtain(connection, maps, reference, progress)


def _is_image(name: str) -> bool:
    """Whether a box's name is also the name of an image: `dacha create debian` means both."""
    from dacha.storage import images

    if not name:
        return False
    connection = database.open_database()
    try:
        if images.find(connection, name) is not None:
            return True
    finally:
        connection.close()
    from dacha.build import catalog

    return catalog.find(name) is not None


def default_image() -> str:
    from dacha.build import catalog

    return catalog.default_name()
