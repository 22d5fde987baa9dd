"""Copy what is in a file: by sharing its blocks where the file system can, else with its holes."""

from __future__ import annotations

import errno
import fcntl
import os

from dacha.linux import files

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_MAX_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 20
# What ioctl_ficlone(2) and copy_file_range(2) say where this pair of files is not for them.
_UNSUITED = frozenset(
    (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EISDIR)
)


def share_blocks(source: int, target: int) -> bool:
    """Make the open file `target` share its blocks with `source` (a reflink); False where that cannot be.

    Raises OSError for other failures, such as a full disk.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _UNSUITED:
            return False
        raise
    return True


def copy_data(source: int, target: int) -> None:
    """Copy the contents of an open file into an empty one; holes stay holes (lseek(2), SEEK_DATA).

    Raises OSError.
    """
    size = os.fstat(source).st_size
    offset = 0
    while offset < size:
        try:
            start = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                break
            raise
        offset = os.lseek(source, start, os.SEEK_HOLE)
        _copy_range(source, target, start, offset)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            done = os.copy_file_range(source, target, min(end - start, _MAX_BYTES), start, start)
        except OSError as error:
            if error.errno not in _UNSUITED:
                raise
            done = 0
        if not done:  # also what old kernels do for files of other file systems
            return _copy_by_hand(source, target, start, end)
        start += done
    return None


def _copy_by_hand(source: int, target: int, start: int, end: int) -> None:
    os.lseek(target, start, os.SEEK_SET)
    while start < end:
        data = os.pread(source, min(end - start, _CHUNK_BYTES), start)
        if not data:
            return  # it has shrunk meanwhile
        files.write_whole(target, data)
        start += len(data)
