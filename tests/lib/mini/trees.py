"""The files of a miniature package as a tar, or on disk."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tests.lib.mini.content import UID, USER, MiniFile

_CAP_NET_RAW = 13
# A capability set of version 2, permitted and effective (linux/capability.h).
_CAPABLE = struct.pack("<IIIII", 0x02000001, 1 << _CAP_NET_RAW, 0, 0, 0)
MTIME = 1_700_000_000


def tar_entry(file: MiniFile) -> tarfile.TarInfo:
    """What stands in a tar before the file's data."""
    info = tarfile.TarInfo(file.path)
    info.mode = file.mode
    info.mtime = MTIME
    info.uname = info.gname = file.owner
    info.uid = info.gid = UID if file.owner == USER else 0
    if file.data is not None:
        info.size = len(file.data)
    elif file.link:
        info.type = tarfile.LNKTYPE if file.hard_link else tarfile.SYMTYPE
        info.linkname = file.link
        info.mode = 0o777
    else:
        info.type = tarfile.DIRTYPE
    if file.capability:
        value = _CAPABLE.decode("utf-8", "surrogateescape")
        info.pax_headers = {"SCHILY.xattr.security.capability": value}
    return info


def write_tar(target: io.BufferedIOBase, files: Iterable[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Write a tar of entries and their data."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in files:
            tar.addfile(info, io.BytesIO(data))


def meta_file(name: str, data: bytes, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A file of root's, such as what describes a package."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), MTIME, mode
    info.uname = info.gname = "root"
    return info, data


def write_tree(root: Path, files: Iterable[MiniFile]) -> None:
    """Lay the files out below `root`, owners and capabilities aside."""
    for file in files:
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.data is not None:
            path.write_bytes(file.data)
            path.chmod(file.mode)
        elif file.hard_link:
            path.hardlink_to(root / file.link)
        elif file.link:
            path.symlink_to(file.link)
        else:
            path.mkdir(exist_ok=True)
