"""`dacha image list`, `load` and `rm`: the images in the store."""

from __future__ import annotations

import json
import sys
import time

from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line
from dacha.storage import database, images
from dacha.storage.images import Image


def list_images(line: Line) -> int:
    """List the images, and those that stores for all users have."""
    from dacha.build import podman
    from dacha.cli.progress import LineProgress

    connection = database.open_database()
    try:
        found = images.listing(connection)
    finally:
        connection.close()
    own = {image.id for image in found}
    found += podman.read_only_images(own, LineProgress())
    if line.flag("quiet"):
        for image in found:
            print(image.id.removeprefix("sha256:")[:12])
    elif line.flag("json"):
        rows = [{**image._asdict(), "read_only": image.id not in own} for image in found]
        print(json.dumps(rows, indent=2))
    else:
        _print_table(found, own)
    return 0


def _print_table(found: list[Image], own: set[str]) -> None:
    """The platform has a column where it is not everywhere this machine's, R/O where an image is that."""
    from dacha.build.progress import in_bytes
    from dacha.engine.emulation import platform_of
    from dacha.registry.platform import host_platform

    rows = [("NAME", "ID", "PLATFORM", "CREATED", "SIZE", "R/O")]
    for image in found:
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(image.created))
        platform = str(platform_of(image))
        for name in image.names or ("<none>",):
            short = image.id.removeprefix("sha256:")[:12]
            mark = "" if image.id in own else "true"
            rows.append((name, short, platform, created, in_bytes(image.size_bytes), mark))
    shown = [0, 1, 2, 3, 4, 5]
    if {row[2] for row in rows[1:]} <= {str(host_platform())}:
        shown.remove(2)
    if all(image.id in own for image in found):
        shown.remove(5)
    widths = [max(len(row[column]) for row in rows) for column in shown]
    for row in rows:
        cells = [row[column].ljust(width) for column, width in zip(shown, widths, strict=True)]
        print("  ".join(cells).rstrip())


def load_image(line: Line) -> int:
    """Bring an image into the store and print its id."""
    from dacha.build import naming, obtain
    from dacha.cli.progress import show_progress
    from dacha.engine import emulation
    from dacha.linux import account
    from dacha.registry import platform, reference
    from dacha.userns import single

    name = line.text("name")
    parsed = reference.parse(line.operands[0])
    if name and reference.parse(name).transport:
        raise UsageError(f"'{name}' is no name for an image")
    wanted = platform.parse(line.text("platform")) if line.text("platform") else None
    maps = single.choose(account.calling_account()).maps
    connection = database.open_database()
    try:
        with show_progress(quiet=line.flag("quiet")) as progress:
            if name and parsed.transport:
                image = obtain.load(connection, maps, parsed, name, progress, wanted)
            else:
                image = obtain.obtain(connection, maps, line.operands[0], progress, wanted)
                if name:
                    found = emulation.platform_of(image)
                    name = naming.free_name(connection, name, found, was_wanted=wanted is not None)
                    images.tag(connection, image, name)
    finally:
        connection.close()
    found = emulation.platform_of(image)
    if not line.flag("quiet") and found.architecture != platform.host_platform().architecture:
        names = " and ".join(f"'{each}'" for each in image.names)
        sys.stderr.write(f"the image is for {found}; it is called {names}\n")
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
