"""Subvolumes of btrfs, by ioctl(2): they need no privilege where their directory is the caller's.

Source: Linux' include/uapi/linux/btrfs.h; btrfs-subvolume(8), and btrfs(5) on user_subvol_rm_allowed.
"""

from __future__ import annotations

import fcntl
import os

_SNAP_CREATE, _SUBVOL_CREATE, _SNAP_DESTROY = 0x50009401, 0x5000940E, 0x5000940F
_NAME_BYTES = 4088  # of struct btrfs_ioctl_vol_args, after its fd of 64 bits
_ROOT_INODE = 256  # BTRFS_FIRST_FREE_OBJECTID: of the top of every subvolume


def _control(path: str, request: int, fd: int = 0) -> None:
    """Raises OSError: ENOTTY where the file system is not btrfs, EPERM where it forbids this."""
    parent, name = os.path.split(path)
    # A bytearray: fcntl.ioctl() takes no bytes of that length.
    argument = bytearray(fd.to_bytes(8, "little") + os.fsencode(name).ljust(_NAME_BYTES, b"\0"))
    directory = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(directory, request, argument)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(directory)


def create_subvolume(path: str) -> None:
    """Make an empty subvolume. Raises OSError."""
    _control(path, _SUBVOL_CREATE)


def snapshot(source: str, path: str) -> None:
    """Make `path` a writable snapshot of the subvolume `source`: an instant copy. Raises OSError."""
    fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _control(path, _SNAP_CREATE, fd)
    finally:
        os.close(fd)


def delete_subvolume(path: str) -> None:
    """Delete a subvolume with all that is in it.

    Raises OSError: EPERM where the mount lacks user_subvol_rm_allowed and the caller is not the
    machine's root, ENOTEMPTY where another subvolume lies in it.
    """
    _control(path, _SNAP_DESTROY)


def is_subvolume(path: str) -> bool:
    """Whether a directory, on btrfs, is the top of a subvolume."""
    status = os.stat(path, follow_symlinks=False)
    return status.st_ino == _ROOT_INODE and status.st_dev != os.stat(os.path.dirname(path)).st_dev
