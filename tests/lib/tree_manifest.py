"""What is in a tree, to the last bit: `tree_manifest.py PATH`, or `tree_manifest.py --box PID PATH` in a box.

A program of its own, so that it can be run as another user and in other namespaces. It
prints JSON: for each path its facts, the tree's own top being ".".
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(sys.path[0]))  # noqa: PTH120  (tests/lib has a dacha of its own)

from dacha.linux import namespaces


def manifest(top: str) -> dict[str, Any]:
    """The facts of all that is in the tree; names that are no UTF-8 are surrogate-escaped."""
    os.chdir(top)
    found: dict[str, Any] = {}
    first_names: dict[tuple[int, int], str] = {}
    for path in sorted(_walk(".")):
        status = os.lstat(path)
        facts: dict[str, Any] = {
            "mode": oct(status.st_mode),
            "owner": f"{status.st_uid}:{status.st_gid}",
            "mtime": status.st_mtime_ns,
            "xattrs": {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in _xattrs(path)},
        }
        if stat.S_ISLNK(status.st_mode):
            facts["target"] = os.readlink(path)  # noqa: PTH115  (bytes that are no UTF-8 must survive)
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:  # noqa: PTH123
                facts["sha256"] = hashlib.sha256(file.read()).hexdigest()
        if not stat.S_ISDIR(status.st_mode):
            facts["links"] = status.st_nlink
            facts["same as"] = first_names.setdefault((status.st_dev, status.st_ino), path)
        found[path] = facts
    return found


def _walk(top: str) -> Iterator[str]:
    yield top
    for entry in os.scandir(top):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        else:
            yield entry.path


def _xattrs(path: str) -> list[str]:
    return sorted(os.listxattr(path, follow_symlinks=False))


def main(words: list[str]) -> None:
    if words[0] == "--box":
        pidfd = os.pidfd_open(int(words[1]))
        kinds = namespaces.NEWNS
        if namespaces.inode(words[1], "user") != namespaces.inode("self", "user"):
            kinds |= namespaces.NEWUSER
        namespaces.setns(pidfd, kinds)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    print(json.dumps(manifest(words[-1])))


if __name__ == "__main__":
    main(sys.argv[1:])
