"""The files of volumes: their first contents, archives of them, and archives into them.

A volume's directory comes into being whole: it grows under another name and is renamed. Who makes,
fills or removes one holds its lock.
"""

from __future__ import annotations

import errno
import os
import stat

from dacha import paths
from dacha.errors import DachaError
from dacha.linux import child, files
from dacha.linux.lock import FileLock
from dacha.storage import staging
from dacha.storage.archive.buffer import Source
from dacha.storage.extract import extract
from dacha.storage.ownership import Ownership
from dacha.storage.pack import Packer
from dacha.storage.tree_copy import copy_metadata, copy_tree
from dacha.storage.unpack import remove_in_outer
from dacha.storage.upper import Upper
from dacha.storage.volumes import Volume
from dacha.userns import outer
from dacha.userns.outer import OuterMaps

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def lock(name: str) -> FileLock:
    """The lock on a volume's files."""
    directory = paths.runtime_root() + "/locks"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    return FileLock(f"{directory}/volume-{name}")


def fill(volume: Volume, root: int, target: str, owners: Ownership, *, copies: bool) -> None:
    """Make the directory of a volume that is mounted for the first time; else do nothing. In H.

    It looks like what is at `target` in the open `root`, and with `copies` has the same in it.
    Where there is nothing, it is the user's. Raises DachaError and OSError.
    """
    with lock(volume.name):
        if os.path.isdir(volume.path):
            return
        growing = f"{volume.path}~"
        if os.path.lexists(growing):
            staging.move_to_trash(growing)
        os.makedirs(os.path.dirname(growing), mode=0o700, exist_ok=True)
        os.mkdir(growing, 0o755)
        new = os.open(growing, _DIRECTORY)
        source = _open_in_root(root, target)
        try:
            if source is not None and copies:
                copy_tree(source, new)
            elif source is not None:
                copy_metadata(source, new, os.fstat(source))
            _give_to(new, volume, owners)
        finally:
            os.close(new)
            if source is not None:
                os.close(source)
        files.syncfs(growing)
        os.rename(growing, volume.path)


def _open_in_root(root: int, target: str) -> int | None:
    """The directory at `target`, all symbolic links resolved inside the root; None for nothing."""
    resolve = files.RESOLVE_IN_ROOT | files.RESOLVE_NO_MAGICLINKS
    try:
        return files.openat2(root, target, os.O_RDONLY | os.O_DIRECTORY, resolve)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise DachaError(f"no volume can be mounted at {target}: {os.strerror(error.errno or 0)}") from error


def _give_to(directory: int, volume: Volume, owners: Ownership) -> None:
    """Carry out `o=uid=…,gid=…`."""
    uid, gid = volume.number("uid"), volume.number("gid")
    if (uid is not None or gid is not None) and not owners.is_single:
        os.fchown(
            directory,
            -1 if uid is None else owners.outer_uid(uid),
            -1 if gid is None else owners.outer_gid(gid),
        )


class _Nothing:
    """There is nothing below a volume."""

    def status(self, _path: str) -> os.stat_result | None:
        return None

    def names(self, _path: str) -> set[str]:
        return set()


def export(volume: Volume, owners: Ownership, sink: int) -> None:
    """Write all that is in a volume as an archive, with the owners that a box sees. In H."""
    packer = Packer(sink, owners)
    if os.path.isdir(volume.path):
        root = os.open(volume.path, _DIRECTORY)
        try:
            for item in Upper(root, _Nothing()).walk():
                packer.add(item)
        finally:
            os.close(root)
    packer.finish()


def import_archive(maps: OuterMaps, owners: Ownership, volume: Volume, source: Source) -> None:
    """Put what is in an archive into a volume; of two files with one name the archive's stays.

    Raises BadImageError for a damaged or hostile archive, and DachaError; nothing has changed then,
    unless a directory of the volume is in the way of a file.
    """
    with (
        lock(volume.name),
        staging.staging_directory("volume", lambda path: remove_in_outer(maps, [path])) as place,
    ):
        extract(maps, owners, source, f"{place}/_data")
        files.syncfs(place)

        def task() -> bytes:
            outer.enter(maps, None)
            _put(f"{place}/_data", volume)
            return b""

        child.run_in_child(task)


def _put(new: str, volume: Volume) -> None:
    if not os.path.isdir(volume.path):
        os.makedirs(os.path.dirname(volume.path), mode=0o700, exist_ok=True)
        os.rename(new, volume.path)
        return
    source, target = os.open(new, _DIRECTORY), os.open(volume.path, _DIRECTORY)
    try:
        _merge(source, target, "")  # the volume itself stays whose it is
    finally:
        os.close(source)
        os.close(target)


def _merge(source: int, target: int, path: str) -> None:
    """Move what is in one open directory into another, file by file, each in one step."""
    flags = _DIRECTORY | os.O_NOFOLLOW
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        there = _stat(target, name)
        is_directory = stat.S_ISDIR(status.st_mode)
        if there is not None and stat.S_ISDIR(there.st_mode):
            if not is_directory:
                raise DachaError(
                    f"{path}/{name} is a directory in the volume, and a file in the archive",
                    hint="remove it from the volume first",
                )
            inner = os.open(name, flags, dir_fd=source)
            outer_fd = os.open(name, flags, dir_fd=target)
            try:
                _merge(inner, outer_fd, f"{path}/{name}")
                copy_metadata(inner, outer_fd, os.fstat(inner))
            finally:
                os.close(inner)
                os.close(outer_fd)
            continue
        if there is not None and is_directory:
            os.unlink(name, dir_fd=target)
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)


def _stat(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
