"""Write a layer to disk while it is being unpacked.

A layer counts only once it is on disk, and a disk that has been idle meanwhile makes that
last step long: a quarter of the whole for an image of 170 MB. So a thread calls syncfs(2)
now and then; unpacking is no slower for it, since it waits for processors, not for the disk.
It costs the rest of the file system an early writeback, so it happens by the amount unpacked,
not by the clock: a slow download causes no more of it than a fast one.

The thread ends with the `with` block, and never fails it: the sync that counts comes
after, and says what is wrong.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

from dacha.linux import files

_STEP_BYTES = 16 << 20
_PERIOD_S = 0.05  # how often the thread looks; it costs next to nothing


class Source(Protocol):
    """Where the archive comes from; one that has a `readinto` as well is read by that."""

    def read(self, size: int, /) -> bytes: ...


class CountedSource:
    """A source that knows how many bytes were taken from it."""

    def __init__(self, source: Source) -> None:
        self.taken_bytes = 0
        self._read = source.read
        self._readinto = getattr(source, "readinto", None)

    def read(self, size: int, /) -> bytes:
        data = self._read(size)
        self.taken_bytes += len(data)
        return data

    def readinto(self, view: memoryview) -> int:
        if self._readinto is None:
            data = self._read(len(view))
            count = len(data)
            view[:count] = data
        else:
            count = self._readinto(view)
        self.taken_bytes += count
        return count


@contextlib.contextmanager
def writing_back(source: Source, place: str) -> Iterator[CountedSource]:
    """Read from what this yields; what becomes of it on the file system of `place` goes to disk soon."""
    counted = CountedSource(source)
    done = threading.Event()
    thread = threading.Thread(target=_write_back, args=(counted, place, done), daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        done.set()
        thread.join()


def _write_back(source: CountedSource, place: str, done: threading.Event) -> None:
    written = 0
    while not done.wait(_PERIOD_S):
        taken = source.taken_bytes
        if taken - written >= _STEP_BYTES:
            with contextlib.suppress(OSError):
                files.syncfs(place)
            written = taken
