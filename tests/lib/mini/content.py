"""What is in the packages, the same in every miniature distribution.

`mini-base` is a system that can run scripts: a static busybox, accounts, os-release. `mini-extra` needs it,
and has what a package manager can get wrong: a script before its files come, which makes a user,
files of that user, a set-uid file, a file capability, a hard link, and a script afterwards that notes
how it was run.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

USER = "mini"
UID = 4242
NOTE = "etc/mini-note"  # what the script afterwards has found
_APPLETS = ("sh", "cat", "chown", "grep", "head", "id", "ls", "mkdir", "stat", "touch", "true", "uname")


class MiniFile(NamedTuple):
    """A file of a package. A directory has no data and no link."""

    path: str
    data: bytes | None = None
    link: str = ""
    hard_link: bool = False
    mode: int = 0o755
    owner: str = "root"
    capability: str = ""


class MiniPackage(NamedTuple):
    """A package of version 1.0-1."""

    name: str
    needs: str
    files: tuple[MiniFile, ...]
    before: str  # a shell script, run before the files come
    after: str


def _os_release(identity: str) -> bytes:
    return f'ID={identity}\nNAME="Mini {identity}"\nPRETTY_NAME="Mini {identity} 1"\nVERSION_ID=1\n'.encode()


def base(identity: str) -> MiniPackage:
    """The package that can run the scripts of others; `identity` is the ID of os-release(5)."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "scripts/setup test installs busybox-static"
    directories = ("etc", "root", "tmp", "usr", "usr/bin", "var", "var/lib")
    files = [MiniFile(path, mode=0o1777 if path == "tmp" else 0o755) for path in directories]
    files += [MiniFile("bin", link="usr/bin"), MiniFile("sbin", link="usr/bin")]
    files += [MiniFile("usr/sbin", link="bin")]
    files += [MiniFile("usr/bin/busybox", Path(busybox).read_bytes())]
    files += [MiniFile(f"usr/bin/{name}", link="busybox") for name in _APPLETS]
    for path, data in (
        ("etc/os-release", _os_release(identity)),
        ("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", b"root:x:0:\n"),
    ):
        files.append(MiniFile(path, data, mode=0o644))
    return MiniPackage("mini-base", "", tuple(files), "", "")


def extra() -> MiniPackage:
    """The package that is installed into what `base` has made."""
    before = (
        f"echo '{USER}:x:{UID}:{UID}::/var/lib/mini:/bin/sh' >>/etc/passwd\n"
        f"echo '{USER}:x:{UID}:' >>/etc/group\n"
    )
    after = (
        f"{{ id -u; echo hello >/dev/null && echo null; head -c1 /dev/urandom >/dev/null && echo random;\n"
        f"[ -r /proc/self/status ] && echo proc; [ -w /tmp ] && echo tmp; }} >/{NOTE}\n"
    )
    script = b"#!/bin/sh\necho mini\n"
    files = (
        *(MiniFile(path) for path in ("usr", "usr/bin", "var", "var/lib")),  # apk wants to hear of them
        MiniFile("usr/bin/mini", script),
        MiniFile("usr/bin/mini-again", link="usr/bin/mini", hard_link=True),
        MiniFile("usr/bin/mini-setuid", script, mode=0o4755),
        MiniFile("usr/bin/mini-capable", script, capability="cap_net_raw=ep"),
        MiniFile("var/lib/mini", mode=0o750, owner=USER),
        MiniFile("var/lib/mini/own", b"mine\n", mode=0o640, owner=USER),
    )
    return MiniPackage("mini-extra", "mini-base", files, before, after)
