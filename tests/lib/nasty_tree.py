"""Change a tree in all the ways that an archive can get wrong: `nasty_tree.py --box PID PATH`, in a box.

A program of its own, as `tests.lib.tree_manifest` is. It starts from `BELOW`, which is an image's.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import sys

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(sys.path[0]))  # tests/lib has a dacha of its own

from dacha.linux import namespaces

# cap_net_raw, effective: struct vfs_cap_data of linux/capability.h, revision 2.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


def acl(user: int) -> bytes:
    """The owner rwx, `user` rw-, group r--, mask rw-, others none: linux/posix_acl_xattr.h."""
    nobody = 0xFFFFFFFF
    entries = ((1, 7, nobody), (2, 6, user), (4, 4, nobody), (0x10, 6, nobody), (0x20, 0, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def change(top: bytes, uid: int, *, is_plain: bool) -> None:
    """Make it nasty; `uid` is the box's user. `is_plain`: as far as fuse-overlayfs goes."""
    os.chdir(top)
    os.unlink("removed")
    shutil.rmtree("gone")
    shutil.rmtree("remade")
    os.mkdir("remade")
    _write(b"remade/new", b"new")
    shutil.rmtree("into-file")
    _write(b"into-file", b"a file now")
    os.unlink("into-directory")
    os.mkdir("into-directory")
    _write(b"into-directory/inner", b"x")
    os.unlink("link-to-be")
    os.symlink(b"/no/\xff/" + b"x" * 900, "link-to-be")
    os.chmod("touched", 0o4711)
    with open("linked", "ab") as file:
        file.write(b"more")
    _write(b"n" * (240 if is_plain else 255), b"long name")
    deep = b"/".join([b"d" * 200] * 6)
    os.makedirs(deep)
    _write(deep + b"/file", b"long path")
    _write(b"no-\xff-utf8\n", b"odd")
    _write(b"set-uid", b"elf", 0o6755)
    os.mkdir("sticky")
    os.chmod("sticky", 0o3777)
    os.mkdir("closed")
    _write(b"closed/inner", b"x", 0o000)
    os.chmod("closed", 0)
    _write(b"hard-1", b"hard" * 1000, 0o640)
    os.link("hard-1", "sticky/hard-2")
    os.symlink("hard-1", "symlink")
    os.link("symlink", "hard-symlink", follow_symlinks=False)
    os.mkfifo("pipe", 0o620)
    os.link("pipe", "pipe-2")
    _write(b"capable", b"elf", 0o755)
    os.setxattr("capable", "security.capability", CAPABILITY)
    os.setxattr("capable", "user.name=%41", bytes(range(256)))
    os.mkdir("attributed")
    os.setxattr("attributed", "user.empty", b"")
    _write(b"listed", b"a")
    if not is_plain:
        for owner, name in ((7, "listed"), (uid, "attributed")):
            os.setxattr(name, "system.posix_acl_access", acl(owner))
        os.setxattr("attributed", "system.posix_acl_default", acl(uid))
    _sparse(b"sparse", [(1 << 20, b"middle"), (5 << 20, b"later")], 8 << 20)
    _sparse(b"only-a-hole", [], 3_000_001)
    _sparse(b"tail", [(0, b"x" * 700)], 1 << 21)
    _write(b"of-user", b"mine")
    os.chown("of-user", uid, uid)
    os.symlink("of-user", "link-of-user")
    os.chown("link-of-user", uid, uid, follow_symlinks=False)
    _write(b"of-other", b"theirs")
    os.chown("of-other", 1234, 4321)
    os.chown("attributed", uid, 77)
    _write(b".whiteout", b"no mark")
    _write(b"large", os.urandom(3 << 20))
    for nanoseconds, each in enumerate(sorted(os.listdir("."), reverse=True), 999_999_000):
        time = 1_600_000_000_000_000_000 + nanoseconds
        os.utime(each, ns=(time, time), follow_symlinks=False)
    if not is_plain:
        os.utime("pipe", ns=(-1_500_000_001, -1_500_000_001))


def _write(name: bytes, data: bytes, mode: int = 0o644) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, data)
    os.fchmod(fd, mode)
    os.close(fd)


def _sparse(name: bytes, pieces: list[tuple[int, bytes]], size: int) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
    for offset, data in pieces:
        os.pwrite(fd, data, offset)
    os.ftruncate(fd, size)
    assert stat.S_ISREG(os.fstat(fd).st_mode)
    os.close(fd)


def main(words: list[str]) -> None:
    pidfd = os.pidfd_open(int(words[1]))
    kinds = namespaces.NEWNS
    uid = os.getuid()
    if namespaces.inode(words[1], "user") != namespaces.inode("self", "user"):
        kinds |= namespaces.NEWUSER
    namespaces.setns(pidfd, kinds)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    change(os.fsencode(words[2]), uid, is_plain="--plain" in words)


if __name__ == "__main__":
    main(sys.argv[1:])
