"""The names in the catalog, for completion, which cannot wait for 34 files of YAML to be read.

They are kept in the cache directory, beside a stamp of all that they come from: the files of the
catalog by size, inode and time of change, the host's os-release (which decides what a bare name
means) and the version of dacha. A cache that is stale, damaged or cannot be written costs time only.
"""

from __future__ import annotations

import os

from dacha import __version__, paths
from dacha.errors import DachaError

_FORMAT = "names of dacha's catalog, 1"


def titles() -> dict[str, str]:
    """All names that an image of the catalog goes by, and what each stands for."""
    stamp = _stamp()
    path = f"{paths.cache_root()}/catalog-names"
    found = _read(path, stamp)
    if found is None:
        from dacha.build import catalog

        found = catalog.titles()
        _write(path, stamp, found)
    return found


def _stamp() -> str:
    """One line that changes when an answer may."""
    parts = [_FORMAT, __version__]
    for directory in paths.catalog_directories():
        try:
            with os.scandir(directory) as entries:
                files = sorted((entry.name, entry.stat()) for entry in entries)
        except OSError:  # the user has none, or it changed under our eyes: read it anew next time, too
            parts.append("none")
            continue
        parts += [f"{name} {_identity(found)}" for name, found in files]
    try:
        parts.append(_identity(os.stat("/etc/os-release")))
    except OSError:
        parts.append("none")
    return repr("|".join(parts))


def _identity(found: os.stat_result) -> str:
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _read(path: str, stamp: str) -> dict[str, str] | None:
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if lines[0] != stamp or lines[-1] != "end":  # another time, or a write that did not get to its end
        return None
    return dict(line.split("\t", 1) for line in lines[1:-1] if "\t" in line)


def _write(path: str, stamp: str, found: dict[str, str]) -> None:
    from dacha.linux import files

    lines = [stamp]
    for name, title in found.items():
        if any(mark in name + title for mark in "\t\n"):
            continue  # no name that anybody could type
        lines.append(f"{name}\t{title}")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        files.replace_file(path, "\n".join([*lines, "end"]).encode(errors="replace"))
    except (OSError, DachaError):
        return  # a full or read-only disk: the next Tab takes as long as this one
