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
from dacha.storage import doomed
from dacha.storage.database import transaction

DRIVER = "local"  # the only one

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MAX_NAME = 255
_MAX_ID = (1 << 32) - 1
_OPTIONS = ("type", "device", "o", "copy", "nocopy")
_FLAGS = frozenset(("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noquota"))
_BIND = frozenset(("bind", "rbind"))
_NUMBERS = ("uid", "gid")
_OF_TMPFS = (*_NUMBERS, "size", "mode", "nr_inodes", "nr_blocks")  # tmpfs(5)
_OF_QUOTA = ("size", "inodes")


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
        return bool(_BIND & set(self.mount_options))

    @property
    def is_tmpfs(self) -> bool:
        """Whether it is a file system in memory, new at every start."""
        return self.options.get("type") == "tmpfs"

    @property
    def mount_options(self) -> tuple[str, ...]:
        """What `o=` says."""
        return _words(self.options)

    @property
    def copies(self) -> bool:
        """Whether it starts with what a box has at its mount point."""
        return "nocopy" not in self.options and "nocopy" not in self.mount_options

    @property
    def flags(self) -> tuple[str, ...]:
        """How it is mounted: `ro` and the like."""
        return tuple(word for word in self.mount_options if word in _FLAGS and word != "noquota")

    def number(self, key: str) -> int | None:
        """The number behind `uid=` or `gid=`, as a box has it; None where nothing is said."""
        found = [word.partition("=")[2] for word in self.mount_options if word.startswith(f"{key}=")]
        return int(found[-1]) if found else None


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
            f"volume '{volume.name}' is in use by {boxes}", hint=f"first: dacha rm {' '.join(volume.boxes)}"
        )


def check_name(name: str) -> str:
    """Return `name` if a volume may be called that. Raises UsageError."""
    if not name or set(name) - _NAME_CHARACTERS or not name[0].isalnum() or len(name) > _MAX_NAME:
        raise UsageError(
            f"'{name}' is no name for a volume",
            hint="use letters, digits, '_', '.' and '-', a letter or digit first",
        )
    return name


def new_name() -> str:
    """A name for a volume that was given none."""
    return os.urandom(32).hex()


def _words(options: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for word in options.get("o", "").split(",") if word)


def check_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return podman's options if a volume can have them here. Raises UsageError and DachaError."""
    for key in options:
        if key not in _OPTIONS:
            raise UsageError(f"unknown volume option '{key}'", hint=f"there are {', '.join(_OPTIONS)}")
    kind, device, words = options.get("type", ""), options.get("device", ""), _words(options)
    if _BIND & set(words):
        if not device.startswith("/") or not os.path.isdir(device):
            raise UsageError(
                f"a volume with o=bind wants a directory of the host, not '{device}'", hint="device=/path"
            )
        _check_words(words, _FLAGS | _BIND, ())
    elif kind == "tmpfs":
        if device not in ("", "tmpfs"):
            raise UsageError(f"a tmpfs has no device '{device}'")
        _check_words(words, _FLAGS, _OF_TMPFS)
    elif kind or device:
        raise DachaError(
            f"an ordinary user cannot mount a volume of the type '{kind or 'none'}'",
            hint="mount it on the host, and give the directory: -o type=none,o=bind,device=/path",
        )
    else:
        for word in words:
            if word.partition("=")[0] in _OF_QUOTA:
                raise DachaError(
                    f"'{word}' needs a quota of the file system, which an ordinary user cannot set",
                    hint="a volume in memory has a size: -o type=tmpfs,o=size=100m",
                )
        _check_words(words, _FLAGS | {"copy", "nocopy"}, _NUMBERS)
    return dict(options)


def _check_words(words: Sequence[str], flags: frozenset[str], keys: Sequence[str]) -> None:
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in keys:
            if key in _NUMBERS and not (value.isdecimal() and int(value) < _MAX_ID):
                raise UsageError(f"'{word}': that is no number of a user or group")
        elif word not in flags:
            known = ", ".join([*sorted(flags), *(f"{each}=…" for each in keys)])
            raise UsageError(f"unknown mount option '{word}' of a volume", hint=f"there are {known}")


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
    name = check_name(name) if name else new_name()
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
    doomed.reclaim(connection, f"volumes/{name}")  # of one that was called so before
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


def of_box(connection: sqlite3.Connection, box: str) -> dict[str, Volume]:
    """The volumes that a box mounts, by name."""
    rows = connection.execute("SELECT volume FROM box_volumes WHERE box = ?", (box,)).fetchall()
    return {name: get(connection, name) for (name,) in rows}


def release(connection: sqlite3.Connection, box: str) -> None:
    """A box goes, and its anonymous volumes with it. Part of a transaction."""
    connection.execute("DELETE FROM box_volumes WHERE box = ?", (box,))
    rows = connection.execute(
        "DELETE FROM volumes WHERE anonymous_of = ? AND name NOT IN (SELECT volume FROM box_volumes)"
        " RETURNING name",
        (box,),
    ).fetchall()
    for (name,) in rows:
        doomed.doom(connection, f"volumes/{name}")


def remove(connection: sqlite3.Connection, name: str) -> None:
    """Remove a volume and all that is in it; the next sweep deletes the files.

    Raises VolumeNotFoundError and VolumeInUseError.
    """
    with transaction(connection):
        volume = get(connection, name)
        if volume.boxes:
            raise VolumeInUseError(volume)
        connection.execute("DELETE FROM volumes WHERE name = ?", (name,))
        doomed.doom(connection, f"volumes/{name}")
