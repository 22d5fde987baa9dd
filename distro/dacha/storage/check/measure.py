"""Measure unpacked layers: how many regular files there are, and their bytes."""

from __future__ import annotations

import os
import stat

from dacha.storage import marks
from dacha.storage.check.base import Content

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def measure(path: str) -> Content | None:
    """What is in the tree at `path`, each inode once; None where it is not. Call it in H.

    Every directory is opened below the root by its path there, which an unpacked archive keeps
    shorter than the kernel's limit: neither the depth of the tree nor its place matters.
    """
    try:
        root = os.open(path, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    linked: set[int] = set()
    pending = [""]
    files = size = 0
    try:
        while pending:
            where = pending.pop()
            fd = os.open(where or ".", _DIRECTORY, dir_fd=root)
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(f"{where}/{entry.name}" if where else entry.name)
                        elif entry.name.startswith(marks.PREFIX):
                            continue  # which this driver's store has in the place of whiteouts
                        elif entry.is_file(follow_symlinks=False):
                            status = os.stat(entry.name, dir_fd=fd, follow_symlinks=False)
                            if not _is_again(status, linked):
                                files += 1
                                size += status.st_size
            finally:
                os.close(fd)
    finally:
        os.close(root)
    return Content(files, size)


def _is_again(status: os.stat_result, linked: set[int]) -> bool:
    """Whether it is another name of a file that was counted. A layer is on one file system."""
    if status.st_nlink == 1 or not stat.S_ISREG(status.st_mode):
        return False
    if status.st_ino in linked:
        return True
    linked.add(status.st_ino)
    return False
