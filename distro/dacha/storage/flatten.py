"""Merge layers into one plain tree, as overlayfs would show them.

Each file is copied once, from the topmost layer that has it; its blocks are shared where the
file system can do that. Owners, modes, extended attributes, times, holes and hard links are
those of the layers. Call it in H.

Only directories are walked into, and only those that were found to be some: no symbolic link
of a layer is ever followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from dacha.linux import copying
from dacha.storage import marks

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Entry(NamedTuple):
    """A name in a merged directory: in which layers, the top one first, and what it is there."""

    layers: list[int]
    status: os.stat_result


def flatten(layers: Sequence[int], target: int) -> None:
    """Copy what the open `layers`, the top one first, show together into the open, empty directory `target`.

    Raises OSError.
    """
    _Flattening(layers, target).run()


class _Flattening:
    def __init__(self, layers: Sequence[int], target: int) -> None:
        self._layers = layers
        self._target = target
        self._links: dict[tuple[int, int], str] = {}  # inode -> path of its first copy
        self._can_share = True

    def run(self) -> None:
        done: list[tuple[str, int]] = []
        todo: list[tuple[str, list[int]]] = [("", self._until_opaque("", list(range(len(self._layers)))))]
        while todo:
            path, layers = todo.pop()
            done.append((path, layers[0]))
            for name, entry in self._merge(path, layers).items():
                where = f"{path}/{name}" if path else name
                if stat.S_ISDIR(entry.status.st_mode):
                    os.mkdir(where, 0o700, dir_fd=self._target)
                    todo.append((where, self._until_opaque(where, entry.layers)))
                else:
                    self._copy(entry.layers[0], where, entry.status)
        # Their times can be set when nothing more is made in them.
        for path, layer in reversed(done):
            source = os.open(path or ".", _DIRECTORY, dir_fd=self._layers[layer])
            try:
                self._carry_over(source, path or ".", os.fstat(source))
            finally:
                os.close(source)

    def _until_opaque(self, path: str, layers: list[int]) -> list[int]:
        """Of the layers that have a directory, those of which something is seen."""
        for index, layer in enumerate(layers):
            if marks.is_opaque(self._layers[layer], path or ".", has_mark_files=True):
                return layers[: index + 1]
        return layers

    def _merge(self, path: str, layers: list[int]) -> dict[str, _Entry]:
        found: dict[str, _Entry] = {}
        gone: set[str] = set()
        for layer in layers:
            hidden: set[str] = set()  # for the layers below this one
            directory = os.open(path or ".", _DIRECTORY, dir_fd=self._layers[layer])
            try:
                for name in os.listdir(directory):
                    if name.startswith(marks.PREFIX):
                        hidden.add(name.removeprefix(marks.PREFIX))
                        continue
                    if name in gone:
                        continue
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    if marks.is_whiteout(status):
                        hidden.add(name)
                    elif name not in found:
                        found[name] = _Entry([layer], status)
                        if not stat.S_ISDIR(status.st_mode):
                            hidden.add(name)
                    elif stat.S_ISDIR(status.st_mode):
                        found[name].layers.append(layer)
                    else:
                        hidden.add(name)
            finally:
                os.close(directory)
            gone |= hidden
        return found

    def _copy(self, layer: int, path: str, status: os.stat_result) -> None:
        root, mode = self._layers[layer], status.st_mode
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1:
            first = self._links.setdefault(key, path)
            if first != path:
                os.link(first, path, src_dir_fd=self._target, dst_dir_fd=self._target, follow_symlinks=False)
                return
        if stat.S_ISREG(mode):
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
            try:
                self._copy_file(source, path)
                self._carry_over(source, path, status)
            finally:
                os.close(source)
            return
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(path, dir_fd=root), path, dir_fd=self._target)
        else:
            os.mknod(path, mode, status.st_rdev, dir_fd=self._target)
        self._carry_over(None, path, status)

    def _copy_file(self, source: int, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(path, flags, 0o600, dir_fd=self._target)
        try:
            self._can_share = self._can_share and copying.share_blocks(source, target)
            if not self._can_share:
                copying.copy_data(source, target)
        finally:
            os.close(target)

    def _carry_over(self, source: int | None, path: str, status: os.stat_result) -> None:
        """Owner, xattrs, mode and times, in the order in which none undoes another."""
        os.chown(path, status.st_uid, status.st_gid, dir_fd=self._target, follow_symlinks=False)
        if source is not None:
            self._copy_xattrs(source, path)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(path, stat.S_IMODE(status.st_mode), dir_fd=self._target)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(path, ns=times, dir_fd=self._target, follow_symlinks=False)

    def _copy_xattrs(self, source: int, path: str) -> None:
        try:
            names = [name for name in os.listxattr(source) if not name.startswith(marks.PRIVATE_XATTRS)]
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return  # a file system without any
        if not names:
            return
        target = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._target)
        try:
            for name in names:
                os.setxattr(target, name, os.getxattr(source, name))
        finally:
            os.close(target)
