"""What the host contributes, where a box has a whole tree of its own instead of layers.

There nothing stands between what the image has and what the box has changed, so what was
contributed is remembered (in the box's `integration` directory, which is a layer elsewhere).
Before the next start it is withdrawn again, where the box has left it as it was: then a file
that is not the image's is the box's own.
"""

from __future__ import annotations

import os
import stat

from dacha.box.edits import Edit, Editor
from dacha.box.tree import LayerStack
from dacha.linux import copying, files

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SAFE = files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS


def withdraw(contributed: str, root: int, image: LayerStack) -> None:
    """Put back into the open `root` what the image has, for all in `contributed` that is unchanged there."""
    record = os.open(contributed, _DIRECTORY)
    try:
        for path in _files_of(contributed):
            if not _is_same(record, root, path):
                continue
            parent = _open_parent(root, path)
            try:
                _replace(parent, path, image)
            finally:
                os.close(parent)
    finally:
        os.close(record)


def _files_of(directory: str) -> list[str]:
    """All that is no directory, relative to it."""
    return [
        os.path.relpath(f"{where}/{name}", directory)
        for where, directories, names in os.walk(directory)
        for name in [*names, *(each for each in directories if os.path.islink(f"{where}/{each}"))]
    ]


def _is_same(record: int, root: int, path: str) -> bool:
    tree = LayerStack([root])
    ours, theirs = os.stat(path, dir_fd=record, follow_symlinks=False), tree.find(path)
    if theirs is None or _facts(ours) != _facts(theirs.status):
        return False
    if stat.S_ISLNK(ours.st_mode):
        return os.readlink(path, dir_fd=record) == os.readlink(path, dir_fd=root)
    return files.read_regular(record, path) == tree.read(path)


def _facts(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid, status.st_size


def _open_parent(root: int, path: str) -> int:
    return files.openat2(root, os.path.dirname(path) or ".", _DIRECTORY, _SAFE)


def _replace(parent: int, path: str, layers: LayerStack) -> None:
    """Put what the layers have at `path` into the open directory, or nothing; all else there stays."""
    name = os.path.basename(path)
    found = layers.find(path)
    new = f".dacha-{name}~"[:255]
    if files.is_there(parent, new):  # of a start that was killed
        os.unlink(new, dir_fd=parent)
    if found is None or stat.S_ISDIR(found.status.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    source, status = layers.layers[found.layer], found.status
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(path, dir_fd=source), new, dir_fd=parent)
        os.chown(new, status.st_uid, status.st_gid, dir_fd=parent, follow_symlinks=False)
    else:
        _copy_file(source, path, parent, new, status)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=parent, follow_symlinks=False)
    os.rename(new, name, src_dir_fd=parent, dst_dir_fd=parent)


def _copy_file(layer: int, path: str, parent: int, name: str, status: os.stat_result) -> None:
    source = files.openat2(layer, path, os.O_RDONLY | os.O_NONBLOCK, _SAFE)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
        try:
            if not copying.share_blocks(source, target):
                copying.copy_data(source, target)
            os.fchown(target, status.st_uid, status.st_gid)
            os.fchmod(target, stat.S_IMODE(status.st_mode))  # after chown(2), which clears the set-uid bit
        finally:
            os.close(target)
    finally:
        os.close(source)


class TreeEditor(Editor):
    """Carries out edits in the box's tree; `layer` is the record of them, and `upper` is the tree."""

    def carry_out(self, edits: list[Edit]) -> None:
        """Carry out all of them; one whose directory is gone from the tree is left out."""
        super().carry_out(edits)
        record = LayerStack([self._layer])
        for edit in edits:
            if record.find(edit.path) is None:
                continue
            if self._make_tree_parents(edit.path):
                parent = _open_parent(self._upper, edit.path)
                try:
                    _replace(parent, edit.path, record)
                finally:
                    os.close(parent)

    def _is_own(self, path: str) -> bool:
        """Whether the box's tree has there something else than the image: rsync's rule."""
        own, image = LayerStack([self._upper]).find(path), self._stack.find(path)
        if own is None:
            return False
        if image is None:
            return True
        facts = [(*_facts(each.status), each.status.st_mtime_ns) for each in (own, image)]
        return facts[0] != facts[1]

    def _is_removed(self, path: str) -> bool:
        """The image has it, and the box has not: nothing else says so here."""
        return LayerStack([self._upper]).find(path) is None and self._stack.find(path) is not None

    def _clear_whiteout(self, path: str) -> None:
        """There are none."""

    def _make_tree_parents(self, path: str) -> bool:
        """Make directories on the way that neither image nor tree has; False if one was removed."""
        tree = LayerStack([self._upper])
        parent = ""
        for part in path.split("/")[:-1]:
            parent = f"{parent}/{part}" if parent else part
            found = tree.find(parent)
            if found is not None and not stat.S_ISDIR(found.status.st_mode):
                return False
            if found is None:
                if self._stack.find(parent) is not None:
                    return False
                status = os.stat(parent, dir_fd=self._layer)
                os.mkdir(parent, 0o755, dir_fd=self._upper)
                os.chown(parent, status.st_uid, status.st_gid, dir_fd=self._upper)
                os.chmod(parent, stat.S_IMODE(status.st_mode), dir_fd=self._upper)
        return True
