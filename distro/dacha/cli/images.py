"""`dacha image`: the images in the store."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from dacha.box import remove as sweeping
from dacha.build import obtain
from dacha.cli.progress import show_progress
from dacha.errors import DachaError, UsageError
from dacha.linux import account
from dacha.registry import reference
from dacha.storage import database, images, layers
from dacha.storage.images import Image
from dacha.userns import outer

app = typer.Typer(help="Images in the store.", no_args_is_help=True)


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


@app.command("list", epilog="Example: dacha image list --json")
def list_images(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the ids.")] = False,
) -> None:
    """List the images."""
    connection = database.open_database()
    try:
        found = images.listing(connection)
    finally:
        connection.close()
    if quiet:
        for image in found:
            print(image.id.removeprefix("sha256:")[:12])
    elif as_json:
        print(json.dumps([image._asdict() for image in found], indent=2))
    else:
        _print_table(found)


def _print_table(found: list[Image]) -> None:
    rows = [("NAME", "ID", "CREATED", "SIZE")]
    for image in found:
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(image.created))
        for name in image.names or ("<none>",):
            rows.append((name, image.id.removeprefix("sha256:")[:12], created, _size(image.size_bytes)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@app.command("load", epilog="Example: dacha image load tar:rootfs.tar.xz --name mine")
def load_image(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="A catalog name, a path, TRANSPORT:PATH, or - for stdin.")
    ],
    name: Annotated[str, typer.Option("--name", "-n", help="What to call it (default: as REF says).")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Bring an image into the store and print its id."""
    parsed = reference.parse(ref)
    if name and reference.parse(name).transport:
        raise UsageError(f"'{name}' is no name for an image")
    maps = outer.outer_maps(account.calling_account())
    connection = database.open_database()
    try:
        with show_progress(quiet=quiet) as progress:
            if name and parsed.transport:
                image = obtain.load(connection, maps, parsed, name, progress)
            else:
                image = obtain.obtain(connection, maps, ref, progress)
                if name:
                    images.tag(connection, image, name)
    finally:
        connection.close()
    print(image.id)


@app.command("rm", epilog="Example: dacha image rm debian:trixie")
def remove_images(
    refs: Annotated[list[str] | None, typer.Argument(metavar="IMAGE...", help="Names or ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All images that no box uses.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="A missing image is no failure.")] = False,
) -> None:
    """Remove images, and the layers that no other image needs."""
    connection = database.open_database()
    failures: list[DachaError] = []
    try:
        wanted = list(refs or [])
        if everything:
            wanted += [
                image.id for image in images.listing(connection) if not images.users(connection, image)
            ]
        elif not wanted:
            raise UsageError("name an image", hint="see what there is: dacha image list")
        for ref in wanted:
            try:
                if force and images.find(connection, ref) is None:
                    continue
                images.remove(connection, ref)
                print(ref)
            except DachaError as error:
                failures.append(error)
        layers.remove_unused(connection)
    finally:
        connection.close()
    sweeping.sweep()
    if failures:
        raise failures[0]
