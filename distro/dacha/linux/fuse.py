"""Mount a FUSE file system oneself, and leave the serving of it to another process.

Who mounts gets a descriptor of the connection; the file system lives as long as it is mounted
somewhere, and its server as long as that. Requests wait until the server begins to answer.

Source: Linux' Documentation/filesystems/fuse/fuse.rst.
"""

from __future__ import annotations

import errno
import os

from dacha.errors import DachaError
from dacha.linux import mounts

_DEVICE = "/dev/fuse"


def open_device() -> int:
    """A new connection, not mounted yet. Raises DachaError where this host gives none."""
    try:
        return os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        message = f"{_DEVICE} cannot be opened: {error.strerror}"
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            raise DachaError(message, hint="sudo modprobe fuse") from error
        raise DachaError(message, hint=f"sudo chmod 666 {_DEVICE}") from error


def mount(source: str, target: str, connection: int) -> None:
    """Mount what the server of the connection will serve; `source` is what mountinfo shows for it.

    All of this user namespace and its descendants may enter, with the rights that the files'
    modes give them. Raises OSError.
    """
    root_mode = "40000"  # a directory, in octal
    data = f"fd={connection},rootmode={root_mode},user_id=0,group_id=0,default_permissions,allow_other"
    mounts.mount(source, target, "fuse.fuse-overlayfs", mounts.MS_NOATIME, data)
