"""Locks between processes: flock(2) on a file, let go by the kernel when the holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable


class FileLock:
    """An exclusive lock on `path`, held inside `with`.

    The file stays, empty, for the next holder. Only a holder may remove it: who waited for
    a file that is gone then starts again with the new one.
    """

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def __enter__(self) -> FileLock:
        while True:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if os.fstat(self._fd).st_nlink:
                return self
            self.release()

    def try_take(self) -> bool:
        """Take the lock if nobody has it; the file is not made. Raises FileNotFoundError."""
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go before the `with` ends; a second time does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def try_lock_directory(path: str) -> int | None:
    """An open descriptor that holds the lock on the directory `path`, or None if another has it.

    Raises FileNotFoundError, also where it was removed while we reached for it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if not os.fstat(fd).st_nlink:
        os.close(fd)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return fd


def try_lock_file(path: str) -> FileLock | None:
    """A FileLock that is held already, or None if another has it or the file is not there."""
    lock = FileLock(path)
    try:
        return lock if lock.try_take() else None
    except FileNotFoundError:
        return None


class RecordLock:
    """An exclusive lock of fcntl(2)'s kind on `path`, held inside `with`: the kind that podman takes.

    It does not exclude a FileLock, nor another RecordLock of the same process. The file stays.
    """

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def __enter__(self) -> RecordLock:
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX)
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        self._fd = -1


def lock_directory(path: str) -> int:
    """An open descriptor that holds the lock on the directory `path`; waits for whoever has it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except BaseException:
        os.close(fd)
        raise
    return fd


def share_record_lock(fd: int, wait: Callable[[], object]) -> None:
    """Take the lock that readers of podman's stores take, on the open lock file `fd`.

    It keeps writers away, not other readers, until this process closes any descriptor of that file.
    `wait` is called if a writer has it, before it is waited for.
    """
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        wait()
        fcntl.lockf(fd, fcntl.LOCK_SH)
