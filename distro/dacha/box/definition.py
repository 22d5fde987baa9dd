"""What a box is made with: the part that outlives every run."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import NamedTuple

from dacha import paths
from dacha.errors import BoxNotFoundError, DachaError, ImageNotFoundError, UsageError
from dacha.storage import database, volumes

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MAX_NAME = 63  # a box's name is in a cgroup's, a unit's and a host's name
_VOLUME_OPTIONS = frozenset(
    ("ro", "rw", "bind", "rbind", "nosuid", "nodev", "noexec", "suid", "dev", "exec")
) | frozenset(("rslave", "slave", "rprivate", "private", "rshared", "shared", "z", "Z"))


_NAMED_OPTIONS = frozenset(("copy", "nocopy", "nocreate"))
_NO_MOUNT_OPTIONS = _NAMED_OPTIONS | {"z", "Z", "rw"}


class Volume(NamedTuple):
    """What the box sees at `target`: a directory or file of the host, or a volume of the store.

    `source` is an absolute path, the name of a volume, or empty for a volume without a name.
    """

    source: str
    target: str
    options: tuple[str, ...] = ()

    @property
    def is_of_store(self) -> bool:
        """Whether it is a volume of the store."""
        return not self.source.startswith("/")

    @property
    def mount_options(self) -> tuple[str, ...]:
        """Those of its options that the mount gets."""
        return tuple(each for each in self.options if each not in _NO_MOUNT_OPTIONS)


class Box(NamedTuple):
    """A box as the database has it."""

    id: str
    name: str
    image: str  # the image's id
    image_name: str  # the reference it was made from
    created: float  # seconds since 1970
    hostname: str  # empty: the host's
    volumes: tuple[Volume, ...]
    is_single: bool = False  # made in single-id mode (`userns.single`), in which it stays

    @property
    def directory(self) -> str:
        """Its own layers, relative to the store."""
        return f"boxes/{self.id}"

    @property
    def path(self) -> str:
        """Its own layers."""
        return f"{paths.data_root()}/{self.directory}"


class BoxExistsError(DachaError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a box named '{name}' already", hint=f"enter it: dacha enter {name}")


def check_name(name: str) -> str:
    """Return `name` if a box may be called that. Raises UsageError."""
    if not name or set(name) - _NAME_CHARACTERS or not name[0].isalnum() or len(name) > _MAX_NAME:
        raise UsageError(
            f"'{name}' is no name for a box",
            hint=f"use letters, digits, '_', '.' and '-', a letter or digit first, at most {_MAX_NAME}",
        )
    return name


def check_hostname(name: str) -> str:
    """Return `name` if a host may be called that (RFC 1123, and 64 bytes for the kernel)."""
    allowed = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    labels = name.split(".")
    if len(name) > 64 or any(
        not label or set(label) - allowed or label[0] == "-" or label[-1] == "-" for label in labels
    ):
        raise UsageError(f"'{name}' is no host name", hint="letters, digits, '-' and '.', at most 64")
    return name


def parse_volume(text: str) -> Volume:
    """Read SOURCE:TARGET[:OPTIONS] (podman-run(1), --volume). Raises UsageError.

    A SOURCE without a slash names a volume; TARGET alone is a volume without a name; `SOURCE:`
    is a path of the host at the same path.
    """
    source, colon, rest = text.partition(":")
    target, _, listed = rest.partition(":")
    if not colon:
        source, target = "", source
    if source.startswith("~/"):
        source = os.path.expanduser(source)
    options = tuple(option for option in listed.split(",") if option)
    if source.startswith("/"):
        target = target or source
    volume = Volume(os.path.normpath(source) if "/" in source else source, os.path.normpath(target), options)
    if not target.startswith("/") or ("/" in source and not source.startswith("/")) or (colon and not source):
        raise UsageError(
            f"'{text}' is no volume: paths must be absolute",
            hint="write --volume /on/host:/in/box[:ro], or NAME:/in/box",
        )
    if volume.target == "/":
        raise UsageError(f"'{text}': that would hide the box's root", hint="give it a directory: /data")
    if source and volume.is_of_store:
        volumes.check_name(source)
    unknown = sorted(set(options) - _VOLUME_OPTIONS - (_NAMED_OPTIONS if volume.is_of_store else set()))
    if unknown:
        raise UsageError(f"'{text}': unknown volume option '{unknown[0]}'")
    if not volume.is_of_store and not os.path.exists(source):
        raise UsageError(f"'{text}': there is no {source} on the host", hint=f"mkdir -p {source}")
    return volume


_SELECT = "SELECT id, name, image, image_name, created, definition FROM boxes"


def _from_row(row: tuple[str, str, str, str, float, str]) -> Box:
    box, name, image, image_name, created, text = row
    definition = json.loads(text)
    volumes = tuple(
        Volume(source, target, tuple(options)) for source, target, options in definition.get("volumes", [])
    )
    hostname, is_single = definition.get("hostname", ""), definition.get("single_id", False)
    return Box(box, name, image, image_name, created, hostname, volumes, is_single)


def find(connection: sqlite3.Connection, name: str) -> Box | None:
    """The box of that name, or None."""
    row = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    return None if row is None else _from_row(row)


def get(connection: sqlite3.Connection, name: str) -> Box:
    """The box of that name. Raises BoxNotFoundError."""
    box = find(connection, name)
    if box is None:
        raise BoxNotFoundError(name)
    return box


def listing(connection: sqlite3.Connection) -> list[Box]:
    """All boxes, by name."""
    return [_from_row(row) for row in connection.execute(f"{_SELECT} ORDER BY name")]


def names() -> list[str]:
    """The names of all boxes."""
    connection = database.open_database()
    try:
        return [box.name for box in listing(connection)]
    finally:
        connection.close()


def insert(connection: sqlite3.Connection, box: Box) -> None:
    """Record a new box. Raises BoxExistsError if the name is taken."""
    definition = json.dumps(
        {"hostname": box.hostname, "volumes": box.volumes, "single_id": box.is_single},
    )
    try:
        connection.execute(
            "INSERT INTO boxes (id, name, image, image_name, created, definition) VALUES (?, ?, ?, ?, ?, ?)",
            (box.id, box.name, box.image, box.image_name, box.created, definition),
        )
    except sqlite3.IntegrityError as error:
        if find(connection, box.name) is not None:
            raise BoxExistsError(box.name) from error
        raise ImageNotFoundError(f"the image {box.image_name} was removed meanwhile") from error


def delete(connection: sqlite3.Connection, box: Box) -> None:
    """Take a box out of the database."""
    connection.execute("DELETE FROM boxes WHERE id = ?", (box.id,))


def new(name: str, image: str, image_name: str, hostname: str, volumes: tuple[Volume, ...]) -> Box:
    """A new box, not recorded yet."""
    return Box(os.urandom(8).hex(), name, image, image_name, time.time(), hostname, volumes)
