"""What an upper directory says about the layers below it: what is new, changed or removed.

The directory is read as it lies on disk, never mounted: a box may be running on it, and a second
mount would break that box. It is a stranger's: everything is reached by descriptors, and no
symbolic link is followed. What disappears while it is read was never there.

A *scaffold* is what an engine has put there, and no change of anybody's: directories and
empty files that exist to mount something on, and copies of files that it had laid between the
upper and the image.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Protocol

from dacha.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from dacha.storage import marks

_COMPARED_BYTES = 1 << 20  # no file of a scaffold is larger


class Below(Protocol):
    """The layers below the upper, as one tree."""

    def status(self, path: str) -> os.stat_result | None:
        """What is at a path, which is relative; None for nothing."""

    def names(self, path: str) -> set[str]:
        """What is in the directory at a path; nothing where there is none."""


class Scaffold(NamedTuple):
    """What does not count."""

    mount_points: frozenset[str] = frozenset()  # relative paths
    layer: int | None = None  # an open directory: files of the upper that are like those in it do not count

    def directories(self) -> frozenset[str]:
        """The mount points and all directories on the way to them."""
        found = set(self.mount_points)
        for path in self.mount_points:
            while path := path.rpartition("/")[0]:
                found.add(path)
        return frozenset(found)


class Item(NamedTuple):
    """Something in the upper. Descriptors are good until the next one."""

    path: str  # relative; the root is ""
    name: str  # in the open directory `fd`, or empty for a directory, which is `fd` itself
    fd: int
    status: os.stat_result
    is_covering: bool = False  # the layers below may have something at this path, so far as is known
    is_opaque: bool = False  # a directory that hides what is below it
    is_whiteout: bool = False  # it only says that what was at its path is gone


class Upper:
    """An upper directory, open, on what lies below it; `has_mark_files` as `storage.marks` has it."""

    def __init__(
        self, root: int, below: Below, scaffold: Scaffold | None = None, *, has_mark_files: bool = False
    ) -> None:
        self._has_mark_files = has_mark_files
        self._root = root
        self._below = below
        self._scaffold = scaffold or Scaffold()
        self._scaffold_directories = self._scaffold.directories()

    def walk(self) -> Iterator[Item]:
        """All of it, the root first and a directory before what is in it, in the order of names."""
        todo = [("", True)]
        while todo:
            path, is_covering = todo.pop()
            try:
                fd = self._open(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                is_opaque = is_covering and marks.is_opaque(fd, ".", has_mark_files=self._has_mark_files)
                item = Item(path, "", fd, os.fstat(fd), is_covering, is_opaque)
                yield item
                is_covering = is_covering and not item.is_opaque and self._has_directory(path)
                inner = []
                for each in self._entries(fd, path, is_covering=is_covering or item.is_opaque):
                    if stat.S_ISDIR(each.status.st_mode):
                        inner.append((each.path, each.is_covering))
                    else:
                        yield each
                todo += reversed(inner)
            finally:
                os.close(fd)

    def _open(self, path: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY
        return openat2(self._root, path or ".", flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)

    def _has_directory(self, path: str) -> bool:
        if not path:
            return True
        status = self._below.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def _entries(self, fd: int, path: str, *, is_covering: bool) -> Iterator[Item]:
        """What counts among the entries of an open directory."""
        for name in sorted(os.listdir(fd), key=os.fsencode):
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                gone, is_mark = self._marked(name, status)
                if gone == marks.OPAQUE_FILE and is_mark:
                    continue
                where = f"{path}/{gone}" if path else gone
                item = Item(where, name, fd, status, is_covering, is_whiteout=is_mark)
                if not self._is_scaffold(item):
                    yield item

    def _marked(self, name: str, status: os.stat_result) -> tuple[str, bool]:
        """The name that an entry is about, and whether it says that this is gone."""
        if self._has_mark_files and name.startswith(marks.PREFIX):
            return (name if name == marks.OPAQUE_FILE else name.removeprefix(marks.PREFIX)), True
        return name, marks.is_whiteout(status)

    def _is_scaffold(self, item: Item) -> bool:
        path, status = item.path, item.status
        if item.is_whiteout:
            return not item.is_covering or self._below.status(path) is None
        if stat.S_ISDIR(status.st_mode):
            if path not in self._scaffold_directories and not self._is_in_layer(path, status):
                return False
            return self._looks_untouched(path, status) and not self._has_more(item)
        if path in self._scaffold.mount_points and stat.S_ISREG(status.st_mode) and not status.st_size:
            return self._below.status(path) is None
        return self._is_copy(item)

    def _looks_untouched(self, path: str, status: os.stat_result) -> bool:
        """Whether a directory was made for a mount, or changed only by what was made in it."""
        below = self._below.status(path)
        return below is None or (
            (below.st_mode, below.st_uid, below.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
        )

    def _has_more(self, item: Item) -> bool:
        """Whether anything in a directory counts; those are shallow."""
        fd = self._open(item.path)
        try:
            is_covering = item.is_covering and self._has_directory(item.path)
            return any(True for _ in self._entries(fd, item.path, is_covering=is_covering))
        finally:
            os.close(fd)

    def _is_in_layer(self, path: str, status: os.stat_result) -> bool:
        found = self._in_layer(path)
        return found is not None and stat.S_IFMT(found.st_mode) == stat.S_IFMT(status.st_mode)

    def _in_layer(self, path: str) -> os.stat_result | None:
        if self._scaffold.layer is None:
            return None
        try:
            return os.stat(path, dir_fd=self._scaffold.layer, follow_symlinks=False)
        except OSError:
            return None

    def _is_copy(self, item: Item) -> bool:
        """Whether it is one of the scaffold's files, copied up without a change of its contents."""
        found = self._in_layer(item.path)
        if found is None or stat.S_IFMT(found.st_mode) != stat.S_IFMT(item.status.st_mode):
            return False
        layer = self._scaffold.layer
        if stat.S_ISLNK(found.st_mode):
            return os.readlink(item.path, dir_fd=layer) == os.readlink(item.name, dir_fd=item.fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size != item.status.st_size:
            return False
        return _read(layer, item.path) == _read(item.fd, item.name)


def _read(directory: int | None, path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(fd, "rb") as file:
        return file.read(_COMPARED_BYTES)
