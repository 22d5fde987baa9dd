"""Give memory back that a program needed only to get going.

Most pages of a Python process are those of the interpreter's file: they cost nothing while
others run it too, and 5 MB where nobody else does.
"""

from __future__ import annotations

import os

from dacha.linux.libc import Call

_MADV_DONTNEED = 4
_madvise = Call("madvise")

Mapping = tuple[int, int]  # address and size, in bytes


def open_mappings() -> int:
    """A descriptor of this process's list of mappings, for a box shows another /proc (proc(5), smaps)."""
    return os.open("/proc/self/smaps", os.O_RDONLY | os.O_CLOEXEC)


def release_files(fd: int) -> None:
    """Forget pages of files that have no change in them; those still needed come back from the page cache.

    madvise(2), MADV_DONTNEED. `fd` is of `open_mappings`, and closed.
    """
    with open(fd, "rb") as file:
        text = file.read()
    for address, size in unchanged_files(text):
        _madvise(address, size, _MADV_DONTNEED)


def unchanged_files(text: bytes) -> list[Mapping]:
    """What of files is mapped, in the words of smaps, is resident, and not even changed and locked again.

    The loader does that to the pages that it has put addresses in (RELRO): they look like
    any constants of the file, but for their number of anonymous bytes.
    """
    found = []
    mapping, is_unwritable, is_resident = (0, 0), False, False
    for line in text.splitlines():
        words = line.split(None, 5)
        if words[0][-1:] != b":":
            start, end = (int(number, 16) for number in words[0].split(b"-"))
            mapping = (start, end - start)
            is_unwritable = words[1][1:2] == b"-" and words[4] != b"0"
        elif words[0] == b"Rss:":
            is_resident = words[1] != b"0"
        elif words[0] == b"Anonymous:" and words[1] == b"0" and is_unwritable and is_resident:
            found.append(mapping)
    return found
