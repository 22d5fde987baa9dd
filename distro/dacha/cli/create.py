"""`dacha create`, and the box that `enter` finds missing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys

from dacha import paths
from dacha.box import definition
from dacha.box.create import Request
from dacha.box.definition import Box
from dacha.cli import questions
from dacha.errors import BoxNotFoundError
from dacha.fast.grammar import Line
from dacha.storage import database
from dacha.storage.images import Image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dacha.registry.platform import Platform
    from dacha.registry.reference import Reference


def create(line: Line) -> int:
    """Create a box and print its name."""
    from dacha.box import remove
    from dacha.registry import reference

    wanted = _platform(line.text("platform"))
    name = line.text("name") or (definition.check_name(line.operands[0]) if line.operands else "")
    image = line.text("image") or (name if _is_image(name) else "")
    if not image:
        image = default_image()
    request = Request(
        name=definition.check_name(name or _box_name(reference.parse(image), wanted)),
        image=image,
        hostname=line.text("hostname"),
        volumes=tuple(definition.parse_volume(text) for text in line.texts("volume")),
    )
    if line.flag("dry_run"):
        hostname = request.hostname or os.uname().nodename
        kind = f" for {wanted}" if wanted else ""
        print(f"box '{request.name}' of image '{request.image}'{kind}, host name '{hostname}'")
        for volume in request.volumes:
            print(f"volume {volume.source} at {volume.target} {','.join(volume.options)}".rstrip())
        return 0
    _create(request, wanted, quiet=line.flag("quiet"))
    with contextlib.suppress(remove.LostIdsError):  # `rm` has said so, and this box is there all the same
        remove.sweep()
    print(request.name)
    return 0


def _platform(text: str) -> Platform | None:
    """What --platform says. Raises UsageError, and ForeignPlatformError where that cannot be run here."""
    if not text:
        return None
    from dacha.engine import emulation
    from dacha.registry import platform

    wanted = platform.parse(text)
    emulation.plan(wanted, is_root=paths.is_rootful())
    return wanted


def _box_name(reference: Reference, wanted: Platform | None) -> str:
    """How a box is called if nobody says: a second one of another platform gets a name of its own."""
    from dacha.registry.platform import host_platform

    if wanted is None or wanted.architecture == host_platform().architecture:
        return reference.box_name
    return f"{reference.box_name}-{wanted.short.replace('/', '-')}"


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


def _create(request: Request, wanted: Platform | None = None, *, quiet: bool = False) -> Box:
    from dacha.box.create import create
    from dacha.build import naming
    from dacha.storage import layers

    connection = database.open_database()
    try:
        if definition.find(connection, request.name) is not None:
            raise definition.BoxExistsError(request.name)
        image = naming.find(connection, request.image, wanted)
        if image is None or layers.missing(connection, image.id):
            image = _obtain(connection, request.image, wanted, quiet=quiet)
    finally:
        connection.close()
    if wanted is not None and (name := naming.qualified(request.image, wanted)) in image.names:
        request = request._replace(image=name)
    elif wanted is None:
        _tell_of_emulation(image)
    from dacha.cli.progress import show_progress

    with show_progress(quiet=quiet) as progress:
        box = create(request, image, progress)
    if box.is_single and not quiet:
        _say_that_it_is_single(box)
    return box


def _say_that_it_is_single(box: Box) -> None:
    """Once, where the box is made: it stays so, and entering it is for those who know."""
    from dacha.linux import account
    from dacha.userns import single

    reason = single.choose(account.calling_account()).reason
    mode = f"box '{box.name}' is in single-id mode, since {reason}"
    sys.stderr.write(f"dacha: {mode}; what that costs: dacha doctor\n")


def _tell_of_emulation(image: Image) -> None:
    """Say that an image is a foreign one, if nobody asked for that. Raises ForeignPlatformError."""
    from dacha.engine import emulation

    found = emulation.plan(emulation.platform_of(image), is_root=paths.is_rootful())
    if found is not None:
        program = os.path.basename(found.interpreter)
        sys.stderr.write(f"the image is for {found.platform}: {program} runs its programs, slowly\n")


def _obtain(connection: sqlite3.Connection, reference: str, wanted: Platform | None, *, quiet: bool) -> Image:
    """Bring an image into the store, with progress."""
    from dacha.build.obtain import obtain
    from dacha.build.registries import Access
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.userns import single

    maps = single.choose(account.calling_account()).maps
    with show_progress(quiet=quiet) as progress:
        return obtain(connection, maps, reference, progress, wanted, Access(choose=questions.chooser()))


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

    if catalog.find(name) is not None:
        return True
    from dacha.build import podman

    return podman.is_read_only(name)


def default_image() -> str:
    from dacha.build import catalog

    return catalog.default_name()
