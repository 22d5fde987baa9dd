"""Which processes are there because of us, and what memory they take."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.programs import Command, ProgramError, output

# What has just been started is given this long to be what it stays.
_SETTLE_S = 0.7


def all_pids() -> set[int]:
    """The processes that /proc shows."""
    return {int(entry.name) for entry in Path("/proc").glob("[0-9]*")}


def started_since(before: set[int]) -> list[int]:
    """The processes that have come, and stayed, since `before`, and have to do with us."""
    time.sleep(_SETTLE_S)
    return [pid for pid in sorted(all_pids() - before) if _is_related(pid)]


def descendants(ancestor: int) -> list[int]:
    """The process and all below it, as they are now."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        children.setdefault(_parent(pid), []).append(pid)
    found = [ancestor]
    for pid in found:  # grows meanwhile
        found += children.get(pid, [])
    return found


def rss_bytes(pids: list[int]) -> int:
    """Resident set size of these processes together: a page that n of them share counts n times."""
    total = 0
    for pid in pids:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):  # gone, or about to
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def arguments(pid: int) -> list[str]:
    """The command line; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def pss_bytes(pids: list[int], reader: Path | None) -> int:
    """Proportional set size of these processes together; one that is gone counts as nothing.

    A page that n processes share counts as 1/n of a page for each. `reader` is a cat(1) that
    may read what a process such as dacha's shows to nobody else. Raises ProgramError.
    """
    total = 0
    for pid in pids:
        path = Path(f"/proc/{pid}/smaps_rollup")
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError as error:
            if reader is None:
                raise ProgramError(f"only root may see the memory of process {pid}") from error
            text = output(Command((str(reader), str(path)), {}))
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def _is_related(pid: int) -> bool:
    """Whether it descends from us, or has another user or mount namespace, as all of a box has."""
    return _is_descendant(pid) or _has_namespace(pid, "user") or _has_namespace(pid, "mnt")


def _is_descendant(pid: int) -> bool:
    while pid > 1:
        pid = _parent(pid)
        if pid == os.getpid():
            return True
    return False


def _parent(pid: int) -> int:
    """The parent's pid; 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _has_namespace(pid: int, kind: str) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()
    except OSError:  # of another user, or gone
        return False
