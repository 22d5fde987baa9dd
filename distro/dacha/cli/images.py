"""`dacha image list`, `load` and `rm`: the images in the store."""

from __future__ import annotations

import json
import time

from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line
from dacha.storage import database, images
from dacha.storage.images import Image


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def list_images(line: Line) -> int:
    """List the images."""
    connection = database.open_database()
    try:
        found = images.listing(connection)
    finally:
        connection.close()
    if line.flag("quiet"):
        for image in found:
            print(image.id.removeprefix("sha256:")[:12])
    elif line.flag("json"):
        print(json.dumps([image._asdict() for image in found], indent=2))
    else:
        _print_table(found)
    return 0


def _print_table(found: list[Image]) -> None:
    rows = [("NAME", "ID", "CREATED", "SIZE")]
    for image in found:
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(image.created))
        for name in image.names or ("<none>",):
            rows.append((name, image.id.removeprefix("sha256:")[:12], created, _size(image.size_bytes)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def load_image(line: Line) -> int:
    """Bring an image into the store and print its id."""
    from dacha.build import obtain
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.registry import reference
    from dacha.userns import outer

    name = line.text("name")
    parsed = reference.parse(line.operands[0])
    if name and reference.parse(name).transport:
        raise UsageError(f"'{name}' is no name for an image")
    maps = outer.outer_maps(account.calling_account())
    connection = database.open_database()
    try:
        with show_progress(quiet=line.flag("quiet")) as progress:
            if name and parsed.transport:
                image = obtain.load(connection, maps, parsed, name, progress)
            else:
                image = obtain.obtain(connection, maps, line.operands[0], progress)
                if name:
                    images.tag(connection, image, name)
    finally:
        connection.close()
    print(image.id)
    return 0


def remove_images(line: Line) -> int:
    """Remove images, and the layers that no other image needs; a failure does not spare the others."""
    from dacha.box import remove
    from dacha.cli.report import report
    from dacha.storage import layers

    connection = database.open_database()
    code = 0
    try:
        wanted = list(line.operands)
        if line.flag("all"):
            unused = [image for image in images.listing(connection) if not images.users(connection, image)]
            wanted += [image.id for image in unused]
        elif not wanted:
            raise UsageError("name an image", hint="see what there is: dacha image list")
        for reference in wanted:
            if line.flag("force") and images.find(connection, reference) is None:
                continue
            try:
                images.remove(connection, reference)
            except DachaError as error:
                code = report(error)
            else:
                print(reference)
        layers.remove_unused(connection)
    finally:
        connection.close()
    remove.sweep()
    return code
