"""Files that strangers may have laid traps in, and files that must not get lost."""

from __future__ import annotations

import os
import stat

from dacha.errors import DachaError
from dacha.linux.libc import Call

_SYS_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_openat2 = Call("syscall", label="openat2")
_syncfs = Call("syncfs")


def openat2(dir_fd: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """openat2(2), always close-on-exec. The caller closes the descriptor."""
    how = b"".join(value.to_bytes(8, "little") for value in (flags | os.O_CLOEXEC, mode, resolve))
    return _openat2(_SYS_OPENAT2, dir_fd, os.fsencode(path), how, len(how), path=path)


def syncfs(path: str) -> None:
    """Write to disk all that the file system holding `path` has in memory (syncfs(2))."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _syncfs(fd, path=path)
    finally:
        os.close(fd)


def is_there(dir_fd: int, path: str) -> bool:
    """Whether there is anything at `path`, which is relative; a final link is not followed."""
    try:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def read_regular(root_fd: int, path: str, *, max_bytes: int = 1 << 20) -> bytes | None:
    """The contents of a regular file below `root_fd`, or None if there is no such thing.

    For trees that strangers made: no symbolic link is followed, a FIFO or a device is
    nothing, and a file of more than `max_bytes` is refused with DachaError.
    """
    try:
        fd = openat2(root_fd, path, os.O_RDONLY | os.O_NONBLOCK, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with os.fdopen(fd, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise DachaError(f"{path} is larger than {max_bytes} bytes")
    return data


def write_whole(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`, however many write(2) calls that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def replace_file(path: str, data: bytes, mode: int = 0o600) -> None:
    """Put a file in place in one step: readers see the old one or the new one, whole."""
    temporary = f"{path}.{os.getpid()}~"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)  # whatever the umask is
            write_whole(fd, data)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
