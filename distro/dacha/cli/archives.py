"""`dacha tar` and `dacha image import`: root file systems as plain archives."""

from __future__ import annotations

from contextlib import ExitStack, closing

from dacha.box import changes, definition
from dacha.box.changes import Subject
from dacha.box.start import get_locked, lock_box
from dacha.fast.grammar import Line
from dacha.linux import account
from dacha.storage import database, layers
from dacha.userns import outer, single


def write_box(line: Line) -> int:
    """Write all of a box's root file system as a tar."""
    from dacha.cli.volumes import write_archive
    from dacha.storage.outer_stream import OuterStream

    name = definition.check_name(line.operands[0])
    with ExitStack() as exits:
        lock = exits.enter_context(lock_box(name))  # so that nobody removes it meanwhile
        connection = database.open_database()
        try:
            box = get_locked(connection, name, lock)
            box_layers = layers.of_image(connection, box.image)
        finally:
            connection.close()
        caller = account.calling_account()
        maps = outer.outer_maps(caller, is_single=box.is_single)
        subject = Subject(box, box_layers, caller, maps)
        stream = exits.enter_context(
            closing(OuterStream(maps, lambda sink: changes.write_tree(subject, sink)))
        )
        write_archive(stream, line.text("output"))
    return 0


def import_image(line: Line) -> int:
    """Make an image of a tar, and print its id."""
    from dacha.build import import_image as importing
    from dacha.cli.changes import image_name
    from dacha.cli.progress import show_progress

    path = line.operands[0]
    name = image_name(line.operands[1]) if len(line.operands) > 1 else ""
    maps = single.choose(account.calling_account()).maps
    connection = database.open_database()
    try:
        with show_progress(quiet=line.flag("quiet")) as progress:
            image = importing.import_image(
                connection,
                maps,
                path,
                name,
                progress,
                instructions=line.texts("change"),
                message=line.text("message"),
            )
    finally:
        connection.close()
    print(image.id)
    return 0
