"""An image with all that a storage driver can get wrong, and what it must look like in a box.

The reference is what `umoci unpack` makes of the same layers.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lib import tree_manifest
from tests.lib.oci import DIR, FIFO, HARDLINK, SYMLINK, Entry, Layer, opaque, whiteout, write_layout

TOP = "t"  # where all of it is
Manifest = dict[str, Any]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

# cap_net_raw, effective: struct vfs_cap_data of linux/capability.h, revision 2.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
# The owner rwx, user 7 rw-, group r--, mask rw-, others none: linux/posix_acl_xattr.h.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, owner)
    for tag, rights, owner in (
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 6, 7),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 6, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    )
)


def layers(uid: int, gid: int) -> list[list[Entry]]:
    """Three layers, the lowest first; some files have the owner that is the box's user."""
    long_name = "n" * 255
    odd_name = os.fsdecode(b"no-\xff-utf8")
    lowest = [
        Entry(TOP, DIR, mtime=1_500_000_000.25),
        Entry(f"{TOP}/plain", data=b"plain\n", mtime=1_600_000_000.123456),
        Entry(f"{TOP}/changed", data=b"old\n"),
        Entry(f"{TOP}/removed", data=b"x"),
        Entry(f"{TOP}/set-uid", mode=0o4755, uid=12, gid=34, data=b"elf"),
        Entry(f"{TOP}/set-gid", DIR, mode=0o2775, gid=50),
        Entry(f"{TOP}/sticky", DIR, mode=0o1777),
        Entry(f"{TOP}/closed", DIR, mode=0o000),
        Entry(f"{TOP}/closed-file", mode=0o000, data=b"secret"),
        Entry(f"{TOP}/capable", mode=0o755, data=b"elf", xattrs={"security.capability": CAPABILITY}),
        Entry(f"{TOP}/acl", mode=0o760, data=b"a", xattrs={"system.posix_acl_access": ACL}),
        Entry(f"{TOP}/attributed", data=b"x", xattrs={"user.mime_type": b"text/plain"}),
        Entry(f"{TOP}/attributed-dir", DIR, xattrs={"user.dacha.test": b"\0\1\xff"}),
        Entry(f"{TOP}/pipe", FIFO, mode=0o620, uid=3),
        Entry(f"{TOP}/link", SYMLINK, linkname="plain", uid=9, gid=9, mtime=1_400_000_000.5),
        Entry(f"{TOP}/dangling", SYMLINK, linkname="/no/" + "x" * 900),
        Entry(f"{TOP}/a-first", data=b"linked\n", uid=1, gid=2, mode=0o640),
        Entry(f"{TOP}/set-gid/second", HARDLINK, linkname=f"{TOP}/a-first"),
        Entry(f"{TOP}/third", HARDLINK, linkname=f"{TOP}/a-first"),
        Entry(f"{TOP}/link-again", HARDLINK, linkname=f"{TOP}/link"),
        Entry(f"{TOP}/{long_name}", data=b"long"),
        Entry(f"{TOP}/{odd_name}", data=b"odd"),
        Entry(f"{TOP}/empty", data=b""),
        Entry(f"{TOP}/large", data=b"0123456789abcdef" * 20_000),
        Entry(f"{TOP}/mine", DIR, uid=uid, gid=gid, mode=0o750, mtime=1_300_000_000),
        Entry(f"{TOP}/mine/notes", data=b"mine\n", uid=uid, gid=gid, mtime=1_300_000_001.5),
        Entry(f"{TOP}/mine/notes-again", HARDLINK, linkname=f"{TOP}/mine/notes"),
        Entry(f"{TOP}/mine/of-root", data=b"roots\n"),
        Entry(f"{TOP}/dir-to-file", DIR),
        Entry(f"{TOP}/dir-to-file/inside", data=b"x"),
        Entry(f"{TOP}/file-to-dir", data=b"x"),
        Entry(f"{TOP}/link-to-dir", SYMLINK, linkname="sticky"),
        Entry(f"{TOP}/removed-dir", DIR),
        Entry(f"{TOP}/removed-dir/inside", data=b"x"),
        Entry(f"{TOP}/hiding", DIR),
        Entry(f"{TOP}/hiding/old", data=b"old"),
        Entry(f"{TOP}/hiding/deep", DIR),
        Entry(f"{TOP}/hiding/deep/old", data=b"old"),
        Entry(f"{TOP}/back", data=b"first"),
    ]
    middle = [
        Entry(TOP, DIR, mtime=1_500_000_001.5, mode=0o751),
        Entry(f"{TOP}/changed", data=b"new\n", uid=5, mode=0o600, mtime=1_600_000_002.75),
        whiteout(f"{TOP}/removed"),
        whiteout(f"{TOP}/removed-dir"),
        whiteout(f"{TOP}/dir-to-file"),
        Entry(f"{TOP}/dir-to-file", data=b"a file now"),
        whiteout(f"{TOP}/file-to-dir"),
        Entry(f"{TOP}/file-to-dir", DIR, mode=0o711),
        Entry(f"{TOP}/file-to-dir/inside", data=b"x"),
        whiteout(f"{TOP}/link-to-dir"),
        Entry(f"{TOP}/link-to-dir", DIR),
        Entry(f"{TOP}/hiding", DIR, mode=0o700, mtime=1_200_000_000),
        opaque(f"{TOP}/hiding"),
        Entry(f"{TOP}/hiding/new", data=b"new"),
        Entry(f"{TOP}/hiding/deep", DIR),
        Entry(f"{TOP}/hiding/deep/new", data=b"new", uid=uid, gid=gid),
        whiteout(f"{TOP}/back"),
        Entry(f"{TOP}/mine", DIR, uid=uid, gid=gid, mode=0o700, mtime=1_300_000_002),
        Entry(f"{TOP}/mine/more", data=b"more\n", uid=uid, gid=0),
        Entry(f"{TOP}/of-middle", data=b"x"),
    ]
    topmost = [
        Entry(TOP, DIR, mtime=1_500_000_002.125),
        Entry(f"{TOP}/back", data=b"again"),
        whiteout(f"{TOP}/of-middle"),
        Entry(f"{TOP}/hiding", DIR, mode=0o755, mtime=1_200_000_001),
        Entry(f"{TOP}/hiding/newest", data=b"newest"),
    ]
    return [lowest, middle, topmost]


def sparse_layer(directory: Path) -> bytes:
    """A layer with a file of a megabyte that is a hole, but for its ends, as GNU tar writes it."""
    (directory / TOP).mkdir(parents=True)
    with (directory / TOP / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 20)
        file.write(b"end")
    os.utime(directory / TOP, (1, 1_500_000_003))
    argv = ["tar", "--create", "--sparse", "--format=pax", "--owner=0", "--group=0", "--numeric-owner"]
    done = subprocess.run([*argv, "--directory", directory, TOP], capture_output=True, check=True)
    return done.stdout


def write_image(directory: Path, base: bytes, uid: int, gid: int) -> Path:
    """The image as a layout, on a base that has a shell; `uid` and `gid` are those of the box's user."""
    stack: list[Layer] = [base, *layers(uid, gid), sparse_layer(directory / "sparse")]
    return write_layout(directory / "layout", stack)


def unpacked_by_umoci(layout: Path, place: Path) -> Manifest:
    """The reference."""
    mapped = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto", "--"]
    bundle = place / "bundle"
    unpack = ["umoci", "unpack", "--image", f"{layout}:latest", str(bundle)]
    subprocess.run([*mapped, *unpack], capture_output=True, check=True)
    try:
        return read_manifest([*mapped], str(bundle / "rootfs" / TOP))
    finally:
        subprocess.run([*mapped, "rm", "-rf", str(bundle)], check=True)


def read_manifest(prefix: list[str], *words: str) -> Manifest:
    """Run `tests.lib.tree_manifest` behind a prefix."""
    program = os.fspath(Path(tree_manifest.__file__))
    done = subprocess.run([*prefix, sys.executable, program, *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: Manifest = json.loads(done.stdout)
    return found
