"""Copy a tree exactly: owners, modes, extended attributes, hard links, holes and times.

Both trees are reached by descriptors and no symbolic link is followed, since what is copied is a
stranger's. Sockets and devices are left out. In H, which has every right over both.
"""

from __future__ import annotations

import os
import stat

from dacha.linux import copying
from dacha.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from dacha.storage.ownership import ACLS, CAPABILITY

_STRICTLY = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copy_tree(source: int, target: int) -> None:
    """Copy what is in the open directory `source` into the empty one `target`, and make that look like it.

    Raises OSError.
    """
    links: dict[tuple[int, int], str] = {}
    todo, done = [""], [""]
    while todo:
        path = todo.pop()
        inner, outer = _open(source, path), _open(target, path)
        try:
            for name in sorted(os.listdir(inner)):
                status = os.stat(name, dir_fd=inner, follow_symlinks=False)
                where = f"{path}/{name}" if path else name
                if stat.S_ISDIR(status.st_mode):
                    os.mkdir(name, 0o700, dir_fd=outer)
                    todo.append(where)
                    done.append(where)
                    continue
                key = status.st_dev, status.st_ino
                if status.st_nlink > 1 and key in links:
                    os.link(links[key], name, src_dir_fd=target, dst_dir_fd=outer, follow_symlinks=False)
                elif _copy_entry(inner, outer, name, status):
                    links[key] = where
        finally:
            os.close(inner)
            os.close(outer)
    for path in reversed(done):  # nothing is made in them any more, so their times stay
        inner, outer = _open(source, path), _open(target, path)
        try:
            copy_metadata(inner, outer, os.fstat(inner))
        finally:
            os.close(inner)
            os.close(outer)


def _open(root: int, path: str) -> int:
    return openat2(root, path or ".", os.O_RDONLY | os.O_DIRECTORY, _STRICTLY)


def _copy_entry(source: int, target: int, name: str, status: os.stat_result) -> bool:
    """Copy what is no directory; whether it is of a kind that is copied."""
    if stat.S_ISREG(status.st_mode):
        inner = os.open(name, _READ, dir_fd=source)
        outer = os.open(name, _NEW, 0o600, dir_fd=target)
        try:
            if not copying.share_blocks(inner, outer):
                copying.copy_data(inner, outer)
            copy_metadata(inner, outer, status)
        finally:
            os.close(inner)
            os.close(outer)
        return True
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    elif stat.S_ISFIFO(status.st_mode):
        os.mkfifo(name, 0o600, dir_fd=target)
    else:
        return False
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    if stat.S_ISFIFO(status.st_mode):
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)
    return True


def copy_metadata(source: int, target: int, status: os.stat_result) -> None:
    """Owner, attributes, mode and times, in the order in which none undoes another. Raises OSError."""
    os.fchown(target, status.st_uid, status.st_gid)
    for name in os.listxattr(source):
        if name.startswith("user.") or name == CAPABILITY or name in ACLS:
            os.setxattr(target, name, os.getxattr(source, name))
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
