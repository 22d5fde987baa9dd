"""Volumes: directories that outlive the boxes they are mounted in.

A volume is a row; its files lie under volumes/NAME/_data, which comes into being with its
first use (`box.fill`), whole or not at all. Options are podman's
(podman-volume-create(1), `--opt`), as far as an ordinary user can mount what they say.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dacha import paths
from dacha.errors import DachaError, UsageError
from dacha.storage import staging
from dacha.storage.database import transaction

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MAX_NAME = 255
_OPTIONS = ("type", "device", "o")


class Volume(NamedTuple):
    """A volume of the store."""

    name: str
    created: float  # seconds since 1970
    labels: dict[str, str]
    options: dict[str, str]
    anonymous_of: str  # the id of the box with which it goes; empty for one with a name
    boxes: tuple[str, ...]  # the names of those that mount it

    @property
    def directory(self) -> str:
        """Its files, relative to the store; it may not be there yet."""
        return f"volumes/{self.name}/_data"

    @property
    def path(self) -> str:
        """Its files; a volume that only binds a directory of the host has none of its own."""
        return self.options["device"] if self.is_bind else f"{paths.data_root()}/{self.directory}"

    @property
    def is_bind(self) -> bool:
        """Whether it stands for a directory of the host."""
        return bool({"bind", "rbind"} & set(self.mount_options))

    @property
    def is_tmpfs(self) -> bool:
        """Whether it is a file system in memory, new at every start."""
        return self.options.get("type") == "tmpfs"

    @property
    def mount_options(self) -> tuple[str, ...]:
        """What `o=` says."""
        return tuple(word for word in self.options.get("o", "").split(",") if word)


class VolumeExistsError(DachaError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a volume named '{name}' already", hint="with --ignore that is no failure")


class VolumeNotFoundError(DachaError):
    """No such volume."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no volume named '{name}'", hint="see what there is: dacha volume ls")


class VolumeInUseError(DachaError):
    """Boxes mount it."""

    def __init__(self, volume: Volume) -> None:
        boxes = ", ".join(volume.boxes)
        super().__init__(
            f"volume '{volume.name}' is in use by {boxes}", hint="remove the boxes first, or --force"
        )


def check_name(name: str) -> str:
    """Return `name` if a volume may be called that. Raises UsageError."""
    if not name or set(name) - _NAME_CHARACTERS or not name[0].isalnum() or len(name) > _MAX_NAME:
        raise UsageError(
            f"'{name}' is no name for a volume",
            hint="use letters, digits, '_', '.' and '-', a letter or digit first",
        )
    return name


def check_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return podman's options if a volume can have them here. Raises UsageError and DachaError."""
    for key in options:
        if key not in _OPTIONS:
            raise UsageError(f"unknown volume option '{key}'", hint=f"there are {', '.join(_OPTIONS)}")
    kind, device = options.get("type", ""), options.get("device", "")
    words = options.get("o", "").split(",")
    if "bind" in words or "rbind" in words:
        if not device.startswith("/") or not os.path.isdir(device):
            raise UsageError(
                f"a volume with o=bind wants a directory of the host, not '{device}'", hint="device=/path"
            )
    elif kind == "tmpfs":
        if device not in ("", "tmpfs"):
            raise UsageError(f"a tmpfs has no device '{device}'")
    elif kind or device:
        raise DachaError(
            f"an ordinary user cannot mount a volume of the type '{kind or 'none'}'",
            hint="mount it on the host, and give the directory: -o type=none,o=bind,device=/path",
        )
    return dict(options)


_SELECT = """
SELECT name, created, labels, options, coalesce(anonymous_of, ''),
       (SELECT group_concat(b.name, char(10)) FROM box_volumes AS x JOIN boxes AS b ON b.id = x.box
        WHERE x.volume = v.name)
FROM volumes AS v
"""


def _from_row(row: tuple[str, float, str, str, str, str | None]) -> Volume:
    name, created, labels, options, anonymous_of, boxes = row
    users = tuple(sorted(boxes.split("\n"))) if boxes else ()
    return Volume(name, created, json.loads(labels), json.loads(options), anonymous_of, users)


def listing(connection: sqlite3.Connection) -> list[Volume]:
    """All volumes, by name."""
    return [_from_row(row) for row in connection.execute(f"{_SELECT} ORDER BY name")]


def find(connection: sqlite3.Connection, name: str) -> Volume | None:
    """The volume of that name, or None."""
    row = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    return None if row is None else _from_row(row)


def get(connection: sqlite3.Connection, name: str) -> Volume:
    """Like `find`, but raises VolumeNotFoundError."""
    volume = find(connection, name)
    if volume is None:
        raise VolumeNotFoundError(name)
    return volume


def create(
    connection: sqlite3.Connection,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Volume:
    """Make a volume; without a name it gets 64 hexadecimal digits. Raises VolumeExistsError, UsageError."""
    name = check_name(name) if name else os.urandom(32).hex()
    chosen = check_options(options or {})
    with transaction(connection):
        _insert(connection, name, labels or {}, chosen, None)
    return get(connection, name)


def _insert(
    connection: sqlite3.Connection,
    name: str,
    labels: Mapping[str, str],
    options: Mapping[str, str],
    box: str | None,
) -> None:
    try:
        connection.execute(
            "INSERT INTO volumes (name, created, labels, options, anonymous_of) VALUES (?, ?, ?, ?, ?)",
            (name, time.time(), json.dumps(dict(labels)), json.dumps(dict(options)), box),
        )
    except sqlite3.IntegrityError as error:
        raise VolumeExistsError(name) from error


def use(connection: sqlite3.Connection, box: str, names: Sequence[str], anonymous: Sequence[str]) -> None:
    """Record that a box mounts volumes, which are made where they are missing. Part of a transaction.

    The `anonymous` ones among them go with the box.
    """
    for name in names:
        if find(connection, name) is None:
            _insert(connection, name, {}, {}, box if name in anonymous else None)
        connection.execute("INSERT OR IGNORE INTO box_volumes (box, volume) VALUES (?, ?)", (box, name))


def release(connection: sqlite3.Connection, box: str) -> list[str]:
    """A box goes, and its anonymous volumes with it: their directories. Part of a transaction."""
    connection.execute("DELETE FROM box_volumes WHERE box = ?", (box,))
    rows = connection.execute("DELETE FROM volumes WHERE anonymous_of = ? RETURNING name", (box,)).fetchall()
    return [f"{paths.data_root()}/volumes/{name}" for (name,) in rows]


def remove(connection: sqlite3.Connection, name: str) -> None:
    """Remove a volume and all that is in it; the next sweep deletes the files.

    Raises VolumeNotFoundError and VolumeInUseError.
    """
    with transaction(connection):
        volume = get(connection, name)
        if volume.boxes:
            raise VolumeInUseError(volume)
        connection.execute("DELETE FROM volumes WHERE name = ?", (name,))
    directory = f"{paths.data_root()}/volumes/{name}"
    if os.path.isdir(directory):
        staging.move_to_trash(directory)
