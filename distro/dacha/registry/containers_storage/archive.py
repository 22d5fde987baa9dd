"""The archive of a layer, put together again from its tar-split and its files.

A child in H writes it into a pipe: files of a rootless store belong to subordinate ids, and what is
0600 there only H may read. podman and dacha map the same ids, but who owns a file on disk does not
matter here: the archive's own headers say it.

Whether it is the archive that the layer came as, the digest tells whoever unpacks it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from dacha.errors import BadImageError
from dacha.linux import files
from dacha.linux.child import ChildStream
from dacha.registry.containers_storage.tar_split import Contents, read_parts
from dacha.registry.digest import Stream
from dacha.userns import outer
from dacha.userns.outer import OuterMaps

_BATCH_BYTES = 1 << 18
_SMALL_BYTES = 1 << 16  # up to here a file is copied through memory, together with what surrounds it
_BENEATH = files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS
# Names are the archive's, and may lead through its own symlinks: as they did when it was unpacked.
_INSIDE = files.RESOLVE_IN_ROOT | files.RESOLVE_NO_MAGICLINKS

OpenTarSplit = Callable[[], Stream]


def open_archive(maps: OuterMaps, store: int, tree: str, open_tar_split: OpenTarSplit) -> ChildStream:
    """The uncompressed archive of the layer whose files are in `tree`, a path below the directory `store`.

    Reading it raises ChildError if it cannot be put together.
    """

    def write(sink: int) -> None:
        outer.enter(maps, None)
        try:
            root = files.openat2(store, tree, os.O_RDONLY | os.O_DIRECTORY, _BENEATH)
        except OSError as error:
            raise BadImageError(
                f"its files are not to be had: {os.strerror(error.errno or 0)}: {tree}"
            ) from error
        _write_parts(root, read_parts(open_tar_split()), sink)

    return ChildStream(write)


def _write_parts(root: int, parts: Iterator[bytes | Contents], sink: int) -> None:
    batch = bytearray()
    for part in parts:
        if isinstance(part, bytes):
            batch += part
        elif part.size_bytes <= _SMALL_BYTES:
            batch += _read(root, part)
        else:
            files.write_whole(sink, memoryview(batch))
            batch.clear()
            _copy(root, part, sink)
        if len(batch) > _BATCH_BYTES:
            files.write_whole(sink, memoryview(batch))
            batch.clear()
    files.write_whole(sink, memoryview(batch))


def _open(root: int, name: str) -> int:
    try:
        fd = files.openat2(root, name, os.O_RDONLY | os.O_NONBLOCK, _INSIDE)
    except OSError as error:
        raise BadImageError(f"cannot read {name!r:.200} of it: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BadImageError(f"{name!r:.200} of it is no regular file")
    return fd


def _read(root: int, part: Contents) -> bytes:
    fd = _open(root, part.name)
    try:
        data = os.read(fd, part.size_bytes)
        while len(data) < part.size_bytes:
            more = os.read(fd, part.size_bytes - len(data))
            if not more:
                raise _shorter(part)
            data += more
    finally:
        os.close(fd)
    return data


def _copy(root: int, part: Contents, sink: int) -> None:
    fd = _open(root, part.name)
    try:
        offset = 0
        while offset < part.size_bytes:
            count = os.sendfile(sink, fd, offset, part.size_bytes - offset)
            if count == 0:
                raise _shorter(part)
            offset += count
    finally:
        os.close(fd)


def _shorter(part: Contents) -> BadImageError:
    return BadImageError(f"{part.name!r:.200} of it is shorter than it was")
