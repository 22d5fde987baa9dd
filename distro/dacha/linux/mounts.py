"""mount(2), umount2(2) and pivot_root(2)."""

from __future__ import annotations

import os

from dacha.linux.libc import Call

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_NOATIME = 1024
MS_BIND = 4096
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2

_mount = Call("mount")
_umount2 = Call("umount2", label="umount")
_pivot_root = Call("pivot_root")


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); an empty string is passed as NULL."""

    def c_string(text: str) -> bytes | None:
        return os.fsencode(text) if text else None

    args = (c_string(source), os.fsencode(target), c_string(fstype), flags, c_string(data))
    _mount(*args, path=target)


def bind(source: str, target: str, *, recursive: bool = False) -> None:
    """Show the tree at `source` also at `target`."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def set_propagation(target: str, kind: int) -> None:
    """Make `target` and all below it MS_PRIVATE or MS_SLAVE (mount_namespaces(7))."""
    mount("", target, flags=MS_REC | kind)


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _umount2(os.fsencode(target), flags, path=target)


def pivot_root(new_root: str) -> None:
    """Make the mount `new_root` this process's root, and let go of the old one.

    The old root is stacked below the new one and detached from there, so no directory is needed
    for it (pivot_root(2), NOTES).
    """
    os.chdir(new_root)
    _pivot_root(b".", b".", path=new_root)
    _umount2(b".", MNT_DETACH, path="/")
    os.chdir("/")
