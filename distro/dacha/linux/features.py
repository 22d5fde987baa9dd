"""What the kernel and a file system can do, found out by trying. Nothing here needs privileges."""

from __future__ import annotations

import errno
import fcntl
import os

from dacha.linux import files
from dacha.linux.libc import syscall

_SYS_CLONE3 = 435
_FICLONE = 0x40049409  # ioctl_ficlonerange(2)
_DT_DIR = 4
_DIRENT_TYPE_AT = 18  # struct dirent of readdir(3): ino64, off64, reclen16, type8


def missing_system_calls() -> list[str]:
    """Which of those that dacha calls the kernel, or a seccomp filter, does not let it call."""

    def open_pidfd() -> None:
        os.close(os.pidfd_open(os.getpid()))

    def open_beneath() -> None:
        os.close(files.openat2(-100, "/", os.O_PATH, files.RESOLVE_NO_MAGICLINKS))

    def clone() -> None:
        syscall(_SYS_CLONE3, b"", 0)  # EINVAL from who knows it: the size is none

    missing = []
    for name, call in (("pidfd_open", open_pidfd), ("openat2", open_beneath), ("clone3", clone)):
        try:
            call()
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EPERM):
                missing.append(name)
    return missing


def has_entry_types(directory: str) -> bool:
    """Whether reading a directory, which has subdirectories, says what they are (d_type)."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.opendir(os.fsencode(directory)))
    if not stream:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), directory)
    try:
        while entry := libc.readdir(stream):
            head = ctypes.string_at(entry, _DIRENT_TYPE_AT + 2)
            if head[_DIRENT_TYPE_AT + 1] != ord(".") and head[_DIRENT_TYPE_AT] == _DT_DIR:
                return True
    finally:
        libc.closedir(stream)
    return False


def clone_file(source: str, target: str) -> None:
    """Make `target` a file that shares its blocks with `source` (a reflink). Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    reader, writer = os.open(source, os.O_RDONLY | os.O_CLOEXEC), os.open(target, flags, 0o600)
    try:
        fcntl.ioctl(writer, _FICLONE, reader)
    finally:
        os.close(reader)
        os.close(writer)


def set_user_xattr(path: str) -> None:
    """Give a file an extended attribute, and take it away again. Raises OSError."""
    os.setxattr(path, "user.dacha.doctor", b"y")
    os.removexattr(path, "user.dacha.doctor")
