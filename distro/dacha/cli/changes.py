"""`dacha diff` and `commit`: what a box has changed, and an image with that."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

from dacha.box import changes, definition
from dacha.box.changes import Changes, Subject
from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line
from dacha.linux import account
from dacha.storage import database, images, layers
from dacha.storage.differences import differences
from dacha.storage.outer_stream import OuterStream
from dacha.userns import outer, single
from dacha.userns.outer import OuterMaps

_CHUNK = 1 << 16
_KEYS = {"C": "changed", "A": "added", "D": "deleted"}


def diff(line: Line) -> int:
    """Print what is added, changed and deleted: podman's lines, or its JSON."""
    connection = database.open_database()
    try:
        maps, opened = _subject(connection, line.operands[0])
    finally:
        connection.close()

    def task(sink: int) -> None:
        with opened() as found, os.fdopen(sink, "wb", closefd=False) as file:
            if found.upper is not None:
                for kind, path in differences(found.upper, found.below):
                    file.write(kind.encode() + os.fsencode(path) + b"\0")

    with closing(OuterStream(maps, task)) as stream:
        if line.flag("json"):
            _print_json(stream)
        else:
            _print_lines(stream)
    return 0


def _subject(
    connection: sqlite3.Connection, name: str
) -> tuple[OuterMaps, Callable[[], AbstractContextManager[Changes]]]:
    """How to look into a box or, where none is called that, an image, and with which ids."""
    caller = account.calling_account()
    box = definition.find(connection, name)
    if box is not None:
        maps = outer.outer_maps(caller, is_single=box.is_single)
        subject = Subject(box, layers.of_image(connection, box.image), caller, maps)
        return maps, lambda: changes.open_box(subject)
    image = images.find(connection, name)
    if image is None:
        raise DachaError(
            f"neither a box nor an image is called '{name}'", hint="see: dacha list, dacha image list"
        )
    image_layers = layers.of_image(connection, image.id)
    fitting = [
        each for each in single.all_maps(caller) if all(layer.has_view(each) for layer in image_layers)
    ]
    maps = fitting[0] if fitting else single.widest_maps(caller)
    return maps, lambda: changes.open_image(image_layers, maps)


def _print_lines(stream: OuterStream) -> None:
    rest = b""
    while data := stream.read(_CHUNK):
        *records, rest = (rest + data).split(b"\0")
        text = "".join(f"{record[:1].decode()} {_printable(record[1:])}\n" for record in records)
        sys.stdout.write(text)


def _printable(path: bytes) -> str:
    """A path on one line of a terminal, whatever is in it."""
    shown = path.decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in shown)


def _print_json(stream: OuterStream) -> None:
    import json

    data = bytearray()
    while more := stream.read(_CHUNK):
        data += more
    found: dict[str, list[str]] = {key: [] for key in _KEYS.values()}
    for record in bytes(data).split(b"\0")[:-1]:
        found[_KEYS[record[:1].decode()]].append(os.fsdecode(record[1:]))
    print(json.dumps(found, indent=2))


def commit(line: Line) -> int:
    """Make an image of a box, and print its id."""
    from dacha.box.commit import Request
    from dacha.box.commit import commit as make

    box, name = line.operands
    request = Request(
        definition.check_name(box),
        image_name(name),
        line.text("author"),
        line.text("message"),
        line.texts("change"),
    )
    if not line.flag("quiet"):
        print(f"packing what box '{box}' has changed", file=sys.stderr)
    print(make(request).id)
    return 0


def image_name(text: str) -> str:
    """What an image may be called in the store. Raises UsageError."""
    from dacha.registry import reference

    parsed = reference.parse(text)
    if parsed.transport:
        raise UsageError(f"'{text}' is no name for an image", hint="write NAME or NAME:TAG")
    return text.removesuffix(":latest")
