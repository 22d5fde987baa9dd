"""Files that the host puts into a box before it starts.

They are planned as values and carried out here, in a layer of their own between the box's
upper and the image: what the box itself has written wins, unless an edit says that it
belongs `into_upper` (the user's line in the passwd that the box has changed).
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from dacha.box.tree import LayerStack
from dacha.linux import files
from dacha.storage import marks


class Edit(NamedTuple):
    """A file (`data`) or a symbolic link (`link`) at `path`, which is relative to the box's root.

    `owner` and `group` are ids as H has them; -1 is the box's root.
    """

    path: str
    data: bytes = b""
    link: str = ""
    mode: int = 0o644
    owner: int = -1
    group: int = -1
    into_upper: bool = False
    restores: bool = False  # comes back where the box has removed it


class Editor:
    """Carries out edits: in `layer`, an empty directory; or in `upper`. In H."""

    def __init__(self, stack: LayerStack, upper: int, layer: int, root: int) -> None:
        self._stack = stack  # the image's layers
        self._upper = upper
        self._layer = layer
        self._root = root  # the box's root as H has it
        self._made = {""}

    def carry_out(self, edits: list[Edit]) -> None:
        """Carry out all of them; one whose directory is none in the image is left out."""
        self._copy_metadata("")
        for edit in edits:
            if self._is_own(edit.path):
                if edit.into_upper:
                    self._rewrite_upper(edit)
                continue
            if edit.restores:
                self._clear_whiteout(edit.path)
            elif self._is_removed(edit.path):
                continue
            if self._make_parents(edit.path):
                self._write(edit)

    def _is_own(self, path: str) -> bool:
        """Whether the box has written something there itself."""
        return LayerStack([self._upper]).find(path) is not None

    def _is_removed(self, _path: str) -> bool:
        """Whether the box has removed it, and nothing else would hide it."""
        return False

    def _make_parents(self, path: str) -> bool:
        parent = ""
        for part in path.split("/")[:-1]:
            parent = f"{parent}/{part}" if parent else part
            if parent in self._made:
                continue
            found = self._stack.find(parent)
            if found is not None and not stat.S_ISDIR(found.status.st_mode):
                return False
            os.mkdir(parent, 0o755, dir_fd=self._layer)
            self._copy_metadata(parent)
            self._made.add(parent)
        return True

    def _copy_metadata(self, path: str) -> None:
        """A merged directory looks like its topmost one, so that must look like the image's."""
        where = path or "."
        uid = gid = self._root
        if path:
            found = self._stack.find(path)
            status = found.status if found is not None else None
        else:
            status = os.fstat(self._stack.layers[0]) if self._stack.layers else None
        if status is not None:
            uid, gid = status.st_uid, status.st_gid
        os.chown(where, uid, gid, dir_fd=self._layer)
        os.chmod(where, stat.S_IMODE(status.st_mode) if status is not None else 0o755, dir_fd=self._layer)

    def _write(self, edit: Edit) -> None:
        owner = self._root if edit.owner < 0 else edit.owner
        group = self._root if edit.group < 0 else edit.group
        if edit.link:
            os.symlink(edit.link, edit.path, dir_fd=self._layer)
            os.chown(edit.path, owner, group, dir_fd=self._layer, follow_symlinks=False)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(edit.path, flags, 0o600, dir_fd=self._layer)
        try:
            files.write_whole(fd, edit.data)
            os.fchown(fd, owner, group)
            os.fchmod(fd, edit.mode)  # after chown(2), which clears the set-uid bit
        finally:
            os.close(fd)

    def _rewrite_upper(self, edit: Edit) -> None:
        """Replace the contents of a file that the box owns, keeping its owner and mode."""
        if files.read_regular(self._upper, edit.path) in (edit.data, None):
            return
        resolve = files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS
        fd = files.openat2(self._upper, edit.path, os.O_WRONLY | os.O_NOFOLLOW, resolve)
        try:
            files.write_whole(fd, edit.data)
            os.ftruncate(fd, len(edit.data))
        finally:
            os.close(fd)

    def _clear_whiteout(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        resolve = files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS
        try:
            fd = files.openat2(self._upper, parent or ".", os.O_RDONLY | os.O_DIRECTORY, resolve)
        except OSError:
            return
        try:
            if files.is_there(fd, marks.whiteout_file(name)):
                os.unlink(marks.whiteout_file(name), dir_fd=fd)
            if marks.is_whiteout(os.stat(name, dir_fd=fd, follow_symlinks=False)):
                os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            pass
        finally:
            os.close(fd)
