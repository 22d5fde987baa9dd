"""What a box has changed, where it has a whole tree of its own (`storage.drivers.tree`) and no upper.

The tree is compared with the layers that it was made from: kind, mode, owner, size, time of change
and extended attributes. Who changes the contents of a file, and not its size, and sets its time
back, is not found out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from dacha.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from dacha.storage import marks
from dacha.storage.upper import Below, Item, Scaffold, Upper

_Facts = tuple[int, ...]


class Compared(Upper):
    """A tree, open, and the layers that it was made from. It reads as an upper does."""

    def __init__(self, root: int, below: Below, scaffold: Scaffold, layers: list[int]) -> None:
        super().__init__(root, below, scaffold)
        self._layers = layers

    def walk(self) -> Iterator[Item]:
        """What an upper would have: what differs, the directories on the way, and what is gone."""
        # From the deepest up: a directory counts for itself, or for what is in it.
        names: dict[str, list[str]] = {}
        for path in reversed(self._directories()):
            found = self._differing(path, names)
            if found:
                names[path] = found
        todo = [""]
        while todo:
            path = todo.pop()
            try:
                fd = self._open(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                yield Item(path, "", fd, os.fstat(fd), is_covering=True)
                inner = []
                for name in names.get(path, ()):
                    item = self._item(fd, path, name)
                    if item is not None and stat.S_ISDIR(item.status.st_mode) and not item.is_whiteout:
                        inner.append(item.path)
                    elif item is not None:
                        yield item
                todo += reversed(inner)
            finally:
                os.close(fd)

    def _directories(self) -> list[str]:
        found, todo = [], [""]
        while todo:
            path = todo.pop()
            try:
                fd = self._open(path)
            except FileNotFoundError:
                continue
            try:
                found.append(path)
                for entry in os.scandir(fd):
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(f"{path}/{entry.name}" if path else entry.name)
            finally:
                os.close(fd)
        return found

    def _item(self, fd: int, path: str, name: str) -> Item | None:
        where = f"{path}/{name}" if path else name
        try:
            return Item(where, name, fd, os.stat(name, dir_fd=fd, follow_symlinks=False), is_covering=True)
        except FileNotFoundError:
            status = self._below.status(where)
            return (
                None if status is None else Item(where, name, fd, status, is_covering=True, is_whiteout=True)
            )

    def _differing(self, path: str, inside: dict[str, list[str]]) -> list[str]:
        """The names in a directory that count; `inside` has those of the directories in it."""
        try:
            fd = self._open(path)
        except FileNotFoundError:
            return []
        try:
            there = set(os.listdir(fd))
            found = {name for name in self._below.names(path) - there if not self._was_laid(path, name)}
            for name in there:
                item = self._item(fd, path, name)
                if item is not None and self._counts(item, inside):
                    found.add(name)
            return sorted(found, key=os.fsencode)
        finally:
            os.close(fd)

    def _was_laid(self, path: str, name: str) -> bool:
        return self._in_layer(f"{path}/{name}" if path else name) is not None

    def _counts(self, item: Item, inside: dict[str, list[str]]) -> bool:
        status, below = item.status, self._below.status(item.path)
        if stat.S_ISDIR(status.st_mode):
            if item.path in inside:
                return True
            is_ours = item.path in self._scaffold_directories or self._is_in_layer(item.path, status)
            return not ((is_ours and below is None) or self._is_same(item, below))
        if item.path in self._scaffold.mount_points and below is None and not status.st_size:
            return False
        return not (self._is_same(item, below) or self._is_copy(item))

    def _is_same(self, item: Item, below: os.stat_result | None) -> bool:
        if below is None or _facts(item.status) != _facts(below):
            return False
        if not (stat.S_ISREG(below.st_mode) or stat.S_ISDIR(below.st_mode)):
            return True
        return self._attributes(self._root, item.path) == self._attributes_below(item.path)

    def _attributes_below(self, path: str) -> dict[str, bytes]:
        for layer in self._layers:
            try:
                return self._attributes(layer, path)
            except OSError:
                continue
        return {}

    def _attributes(self, layer: int, path: str) -> dict[str, bytes]:
        flags = os.O_RDONLY | os.O_NONBLOCK
        fd = openat2(layer, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        try:
            names = [name for name in os.listxattr(fd) if not name.startswith(marks.PRIVATE_XATTRS)]
            return {name: os.getxattr(fd, name) for name in names}
        finally:
            os.close(fd)


def _facts(status: os.stat_result) -> _Facts:
    """What is compared; a directory's time says only that something was made in it."""
    facts = status.st_mode, status.st_uid, status.st_gid
    if stat.S_ISDIR(status.st_mode):
        return facts
    return (*facts, status.st_size, status.st_mtime_ns)
