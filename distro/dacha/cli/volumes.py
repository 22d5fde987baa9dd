"""`dacha volume`: directories that outlive boxes."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from dacha.cli import questions
from dacha.cli.report import report
from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line
from dacha.storage import database, volume_filters, volumes
from dacha.storage.volumes import DRIVER, Volume

_CHUNK = 1 << 20
_MISSING = 1


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    connection = database.open_database()
    try:
        yield connection
    finally:
        connection.close()


def _pairs(texts: tuple[str, ...], what: str) -> dict[str, str]:
    """KEY=VALUE, or KEY alone. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not key:
            raise UsageError(f"'{text}' is no {what}", hint="write KEY=VALUE")
        if key == "o" and found.get(key):
            value = f"{found[key]},{value}"
        found[key] = value
    return found


def create(line: Line) -> int:
    """Make a volume and print its name."""
    driver = line.text("driver") or DRIVER
    if driver != DRIVER:
        raise UsageError(f"there is no volume driver '{driver}'", hint=f"the only one is {DRIVER}")
    name = line.operands[0] if line.operands else ""
    options = _pairs(line.texts("opt"), "option")
    with _database() as connection:
        existing = volumes.find(connection, name) if name and line.flag("ignore") else None
        made = existing or volumes.create(
            connection, name, labels=_pairs(line.texts("label"), "label"), options=options
        )
    print(made.name)
    return 0


def list_volumes(line: Line) -> int:
    """List the volumes."""
    with _database() as connection:
        found = volume_filters.chosen(volumes.listing(connection), line.texts("filter"))
    form = line.text("format")
    if line.flag("quiet"):
        print("".join(f"{volume.name}\n" for volume in found), end="")
    elif form:
        _print_formatted(found, form)
    else:
        rows = [
            ("NAME", "DRIVER", "USED BY"),
            *((each.name, DRIVER, ", ".join(each.boxes)) for each in found),
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, driver, boxes in rows:
            print(f"{name.ljust(widths[0])}  {driver.ljust(widths[1])}  {boxes}".rstrip())
    return 0


def _facts(volume: Volume) -> dict[str, Any]:
    """A volume with podman's names for what is known of it (podman-volume-inspect(1))."""
    return {
        "Name": volume.name,
        "Driver": DRIVER,
        "Mountpoint": "" if volume.is_tmpfs else volume.path,
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(volume.created)),
        "Labels": volume.labels,
        "Scope": "local",
        "Options": volume.options,
        "Anonymous": bool(volume.anonymous_of),
        "NeedsCopyUp": volume.copies and not (volume.is_tmpfs or os.path.isdir(volume.path)),
        "MountCount": len(volume.boxes),
        "Boxes": list(volume.boxes),
    }


def _print_formatted(found: list[Volume], form: str) -> None:
    import json

    from dacha import template

    if form == "json":
        print(json.dumps([_facts(volume) for volume in found], indent=2))
        return
    is_table = form == "table" or form.startswith("table ")
    text = form.removeprefix("table").strip() if is_table else form
    text = (text or "{{.Name}}\\t{{.Driver}}").replace("\\t", "\t").replace("\\n", "\n")
    parsed = template.parse(text)
    values = [template.Struct(_facts(volume)) for volume in found]
    if is_table:
        values.insert(0, template.Struct({name: name.upper() for name in _facts(_NOBODY)}))
    rows = [template.render(parsed, value).split("\t") for value in values]
    if is_table:
        last = max(map(len, rows))
        widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(last)]
        rows = [[cell.ljust(width) for cell, width in zip(row, widths, strict=False)] for row in rows]
        print("".join("  ".join(row).rstrip() + "\n" for row in rows), end="")
    else:
        print("".join("\t".join(row) + "\n" for row in rows), end="")


_NOBODY = Volume("", 0.0, {}, {}, "", ())


def inspect(line: Line) -> int:
    """Print all that is known of volumes."""
    with _database() as connection:
        found = [volumes.get(connection, name) for name in line.operands]
    _print_formatted(found, line.text("format") or "json")
    return 0


def exists(line: Line) -> int:
    """Say by the exit code whether there is a volume of that name."""
    with _database() as connection:
        return 0 if volumes.find(connection, line.operands[0]) is not None else _MISSING


def remove(line: Line) -> int:
    """Remove volumes; a failure does not spare the others."""
    if line.flag("all") == bool(line.operands):
        raise UsageError("name volumes, or give --all", hint="see what there is: dacha volume ls")
    with _database() as connection:
        names = line.operands or [each.name for each in volumes.listing(connection) if not each.boxes]
        return _remove(connection, names, ignores_missing=line.flag("force"))


def _remove(connection: sqlite3.Connection, names: list[str], *, ignores_missing: bool) -> int:
    from dacha.box import remove as boxes
    from dacha.storage.volume_files import lock

    code = 0
    for name in names:
        try:
            if volumes.find(connection, name) is None and ignores_missing:
                continue
            volumes.get(connection, name)  # before a name that is none becomes that of a lock
            with lock(name) as held:
                volumes.remove(connection, name)
                os.unlink(held.path)
        except DachaError as error:
            code = report(error)
        else:
            print(name)
    boxes.sweep()
    return code


def prune(line: Line) -> int:
    """Remove the volumes that no box uses, after a question."""
    with _database() as connection:
        found = volume_filters.chosen(volumes.listing(connection), line.texts("filter"))
        names = [volume.name for volume in found if not volume.boxes]
        if not names:
            return 0
        if not line.flag("force"):
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise UsageError("nobody is there to be asked", hint="dacha volume prune --force")
            if not questions.confirm(f"Remove {', '.join(names)}, and all that is in them?"):
                return 1
        return _remove(connection, names, ignores_missing=True)


def export(line: Line) -> int:
    """Write what is in a volume as a tar."""
    from dacha.linux import account
    from dacha.storage import volume_files
    from dacha.storage.outer_stream import OuterStream
    from dacha.storage.ownership import Ownership
    from dacha.userns import single

    with _database() as connection:
        volume = _with_files(volumes.get(connection, line.operands[0]))
    caller = account.calling_account()
    maps = single.widest_maps(caller)
    owners = Ownership(caller.uid, caller.gid, maps.is_initial, maps.is_single)
    with closing(OuterStream(maps, lambda sink: volume_files.export(volume, owners, sink))) as stream:
        write_archive(stream, line.text("output"))
    return 0


def write_archive(stream: Any, output: str) -> None:
    """Write a stream to a file, which is there as a whole or not at all, or to standard output."""
    if output in ("", "-"):
        if sys.stdout.isatty():
            raise UsageError("an archive is nothing for a terminal", hint="write it to a file: -o FILE")
        while data := stream.read(_CHUNK):
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    growing = f"{output}.{os.getpid()}~"
    try:
        with open(growing, "xb") as file:
            while data := stream.read(_CHUNK):
                file.write(data)
        os.rename(growing, output)
    except OSError as error:
        raise DachaError(f"cannot write {output}: {error.strerror}") from error
    finally:
        if os.path.exists(growing):
            os.unlink(growing)


def _with_files(volume: Volume) -> Volume:
    if volume.is_tmpfs:
        raise DachaError(f"volume '{volume.name}' is in memory: there is nothing of it outside of a box")
    return volume


def import_archive(line: Line) -> int:
    """Put what is in a tar into a volume."""
    from dacha.linux import account
    from dacha.registry.compression import decompressed
    from dacha.storage import volume_files
    from dacha.storage.ownership import Ownership
    from dacha.userns import single

    name, path = line.operands
    with _database() as connection:
        volume = _with_files(volumes.get(connection, name))
    if volume.is_bind:
        raise DachaError(
            f"volume '{name}' is the directory {volume.path} of the host",
            hint=f"tar -C {volume.path} -xf FILE",
        )
    caller = account.calling_account()
    maps = single.widest_maps(caller)
    owners = Ownership(caller.uid, caller.gid, maps.is_initial, maps.is_single)
    try:
        fd = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    with open(fd, "rb", buffering=0) as source:
        volume_files.import_archive(maps, owners, volume, decompressed(source, "archive"))
    return 0
