"""Look into a stack of layers as overlayfs would show it, without mounting it.

The layers are a stranger's. Nothing here follows a symbolic link that is in them: where
one stands on the way, the path is taken for absent, unless `resolve` is asked to walk it
inside the stack.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from dacha.linux import files
from dacha.storage import marks
from dacha.storage.marks import is_whiteout

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)  # the last for links that lead to nonsense
_INSIDE = files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS
_MAX_LINKS = 40  # as the kernel has it: path_resolution(7)


class Found(NamedTuple):
    """Something in the stack: in which layer (0 is the top), and what it is."""

    layer: int
    status: os.stat_result


class LayerStack:
    """Open layers, the top one first. The caller closes the descriptors.

    `has_mark_files`: what is gone may be marked by files, too (`storage.marks`).
    """

    def __init__(self, layers: list[int], *, has_mark_files: bool = False) -> None:
        self.layers = layers
        self._has_mark_files = has_mark_files

    def find(self, path: str) -> Found | None:
        """What the merged tree has at `path`, which is relative; a final link is not followed."""
        parts = path.split("/")
        for number, layer in enumerate(self.layers):
            is_last_layer = False
            walked = ""
            for depth, part in enumerate(parts):
                walked = f"{walked}/{part}" if walked else part
                try:
                    status = os.stat(walked, dir_fd=layer, follow_symlinks=False)
                except OSError as error:
                    if error.errno not in _ABSENT:
                        raise
                    is_last_layer = is_last_layer or self._is_marked(layer, walked)
                    break
                if depth == len(parts) - 1:
                    return None if is_whiteout(status) else Found(number, status)
                if not stat.S_ISDIR(status.st_mode):
                    return None
                is_last_layer = is_last_layer or marks.is_opaque(
                    layer, walked, has_mark_files=self._has_mark_files
                )
            if is_last_layer:
                return None
        return None

    def _is_marked(self, layer: int, path: str) -> bool:
        """Whether a file says that what lower layers have at `path` is gone."""
        return self._has_mark_files and files.is_there(layer, marks.whiteout_file(path))

    def status(self, path: str) -> os.stat_result | None:
        """The same without saying in which layer it is."""
        found = self.find(path)
        return None if found is None else found.status

    def names(self, path: str) -> set[str]:
        """What the merged tree has in a directory; nothing where it has none."""
        found: set[str] = set()
        for layer in self.layers:
            try:
                fd = files.openat2(layer, path or ".", os.O_RDONLY | os.O_DIRECTORY, _INSIDE)
            except OSError as error:
                if error.errno not in (*_ABSENT, errno.ELOOP):
                    raise
                continue
            try:
                found.update(os.listdir(fd))
            finally:
                os.close(fd)
        return {name for name in found if self.find(f"{path}/{name}" if path else name) is not None}

    def read(self, path: str) -> bytes | None:
        """The contents of the regular file at `path`, or None. Raises DachaError if it is huge."""
        found = self.find(path)
        return None if found is None else files.read_regular(self.layers[found.layer], path)

    def is_directory(self, path: str) -> bool:
        """Whether the merged tree has a directory there, reached by directories alone."""
        found = self.find(path)
        return found is not None and stat.S_ISDIR(found.status.st_mode)

    def resolve(self, path: str) -> str | None:
        """Where an absolute path ends, all links followed inside the stack; None if nowhere."""
        pending = [part for part in path.split("/") if part][::-1]
        resolved: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part in (".", ".."):
                resolved = resolved[:-1] if part == ".." else resolved
                continue
            where = "/".join([*resolved, part])
            found = self.find(where)
            if found is None:
                return None
            if not stat.S_ISLNK(found.status.st_mode):
                resolved.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            target = os.readlink(where, dir_fd=self.layers[found.layer])
            if target.startswith("/"):
                resolved = []
            pending += [each for each in target.split("/") if each][::-1]
        return "/".join(resolved)

    def is_executable(self, path: str) -> bool:
        """Whether an absolute path ends at a program."""
        real = self.resolve(path)
        found = self.find(real) if real else None
        return found is not None and stat.S_ISREG(found.status.st_mode) and bool(found.status.st_mode & 0o111)
