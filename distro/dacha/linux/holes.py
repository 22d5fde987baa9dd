"""Where a file has data, and where only holes (lseek(2), SEEK_DATA)."""

from __future__ import annotations

import errno
import os

_MAX_PIECES = 10_000  # later holes are told as data


def data_pieces(fd: int, facts: os.stat_result, *, block: int) -> list[tuple[int, int]]:
    """The parts of an open file that hold data, offset and size; for most files that is one, the whole.

    All but the last are multiples of `block`, as formats of archives want them.
    """
    end = facts.st_size
    if facts.st_blocks * 512 >= end:  # stat(2) counts in these, whatever the file system has
        return [(0, end)]
    pieces: list[tuple[int, int]] = []
    stop = 0
    while stop < end:
        try:
            start = os.lseek(fd, stop, os.SEEK_DATA) // block * block
            stop = end if len(pieces) == _MAX_PIECES else os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole follows
        stop = min(stop + -stop % block, end)
        pieces.append((start, stop - start))
    return pieces
