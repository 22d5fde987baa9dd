"""How a layer says that something of the layers below is gone.

In the *kernel's* form, which overlayfs reads, a removed name is a character device 0/0 and a
directory that hides what is below it has an extended attribute. Some file systems take
neither; there the marks are *files* with the names that image layers have for them (layer.md
of the OCI image specification), which fuse-overlayfs reads as well. All readers here know
both; which one is written is decided once for a store (`storage.drivers.choice`).
"""

from __future__ import annotations

import os
import stat

KERNEL, FILES = FORMS = ("kernel", "files")

PREFIX = ".wh."
OPAQUE_FILE = ".wh..wh..opq"
OPAQUE_XATTR = "user.overlay.opaque"  # overlayfs with userxattr: Documentation/filesystems/overlayfs.rst
# fuse-overlayfs writes its own, and reads both.
_OPAQUE_XATTRS = (OPAQUE_XATTR, "user.fuseoverlayfs.opaque")
# Attributes that speak to a driver, and are no part of an image.
PRIVATE_XATTRS = ("user.overlay.", "user.fuseoverlayfs.", "trusted.overlay.")


def is_whiteout(status: os.stat_result) -> bool:
    """Whether overlayfs reads this as "removed"."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(layer: int, path: str, *, has_mark_files: bool) -> bool:
    """Whether the directory at `path` of an open layer hides those below it.

    Without `has_mark_files` only the kernel's form is looked for, with one call.
    """
    where = f"/proc/self/fd/{layer}/{path}"
    for name in _OPAQUE_XATTRS if has_mark_files else _OPAQUE_XATTRS[:1]:
        try:
            if os.getxattr(where, name, follow_symlinks=False) == b"y":
                return True
        except OSError:
            continue
    return has_mark_files and os.path.lexists(f"{where}/{OPAQUE_FILE}")


def make_opaque(directory: int, form: str) -> None:
    """Have an open directory hide those below it. Its times stay as they are."""
    if form == KERNEL:
        os.setxattr(directory, OPAQUE_XATTR, b"y")
        return
    status = os.fstat(directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    os.close(os.open(OPAQUE_FILE, flags, 0o600, dir_fd=directory))
    os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))


def whiteout_file(path: str) -> str:
    """The name of the file that says that `path` is gone."""
    parent, _, name = path.rpartition("/")
    return f"{parent}/{PREFIX}{name}" if parent else PREFIX + name
