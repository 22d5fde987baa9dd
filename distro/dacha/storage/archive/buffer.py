"""The two ends of an archive on its way: a window over what comes, and the pieces that go.

Data is not copied between them: pieces are views of the window, which therefore
moves on only after they are written.

All that comes is hashed by a thread of its own, since hashlib lets go of the
interpreter. The window has two buffers. While one is parsed, written, and the other
filled, the thread hashes the first; before it is given the second it must be done
with the first, so nobody writes to what it reads. It never waits for input or output,
and ends with `finish`, or where the `with` block of the input does.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from dacha.storage.archive.header import BLOCK, BadTarError

_BUFFER_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20  # the most that Linux gives to ordinary users
_RECORD_BYTES = 10240  # tar pads archives to a multiple
_MAX_PIECES = 1024  # IOV_MAX


class Source(Protocol):
    """An uncompressed archive; `read` may return less than was asked for, and nothing only at the end.

    Where it has a `readinto`, that is used instead, and saves a copy.
    """

    def read(self, size: int, /) -> bytes: ...


class Journal(Protocol):
    """Keeps the bytes of the archive that are in no file (`storage.archive.journal`)."""

    def literal(self, data: memoryview, /) -> None: ...


class Output:
    """Pieces for a descriptor, written together. Views among them must stay as they are until `flush`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = 0
        self.pieces: list[bytes | memoryview] = []
        with contextlib.suppress(OSError):  # not a pipe, or the user has too many: only slower
            # With the usual 64 KiB, writer and reader take turns on one core: 1.5 times as long.
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def flush(self) -> None:
        pieces = self.pieces
        for start in range(0, len(pieces), _MAX_PIECES):
            self._write(pieces[start : start + _MAX_PIECES])
        pieces.clear()

    def finish(self) -> None:
        """Write what is left and the end mark."""
        self.flush()
        end = self._size + 2 * BLOCK
        self.pieces.append(bytes(2 * BLOCK + -end % _RECORD_BYTES))
        self.flush()

    def _write(self, pieces: list[bytes | memoryview]) -> None:
        rest = sum(map(len, pieces))
        self._size += rest
        while rest:
            written = os.writev(self._fd, pieces)
            rest -= written
            if rest:
                while written >= len(pieces[0]):
                    written -= len(pieces.pop(0))
                pieces[0] = memoryview(pieces[0])[written:]


class Input:
    """A window that moves over a source; what is not consumed yet is `view[start:end]`."""

    def __init__(self, source: Source, output: Output, journal: Journal | None = None) -> None:
        self._journal = journal
        self._mark = 0  # the first byte of the view that the journal has not got; -1 within a file's data
        self._read = source.read
        self._readinto = getattr(source, "readinto", None)
        self._output = output
        self.view = memoryview(bytearray(_BUFFER_BYTES))
        self._other = memoryview(bytearray(_BUFFER_BYTES))
        self.start = 0
        self.end = 0
        self._base = 0  # where the view starts in the source
        self._hash = _HashThread()

    @property
    def position(self) -> int:
        return self._base + self.start

    def fill(self) -> bool:
        """Bring in more, keeping what is not consumed; false at the end of the source."""
        self._output.flush()
        self._note()
        view = self._other
        kept = end = self.end - self.start
        view[:kept] = self.view[self.start : self.end]
        while end < _BUFFER_BYTES and (count := self._read_some(view[end:])):
            end += count
        self._other, self.view = self.view, view
        self._base += self.start
        self._mark = min(self._mark, 0)
        self.start = 0
        self.end = end
        self._hash.update(view[kept:end])
        return end > kept

    def _read_some(self, view: memoryview) -> int:
        if self._readinto is not None:
            count: int = self._readinto(view)
            return count
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)

    def has(self, count: int) -> bool:
        """Whether `count` more bytes, at most a buffer's worth, are there to be looked at."""
        while self.end - self.start < count:
            if not self.fill():
                return False
        return True

    def peek(self, count: int) -> bytes:
        """What `has` found, without consuming it."""
        return self.view[self.start : self.start + count].tobytes()

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, piece by piece; each is good until the next `flush`."""
        while size:
            if self.start == self.end and not self.fill():
                raise BadTarError("the archive ends in the middle of it")
            step = min(size, self.end - self.start)
            self.start += step
            yield self.view[self.start - step : self.start]
            size -= step

    def take(self, size: int) -> bytes:
        """The next `size` bytes, copied."""
        if size <= self.end - self.start:
            self.start += size
            return self.view[self.start - size : self.start].tobytes()
        return b"".join([bytes(piece) for piece in self.pieces(size)])

    def skip_padding(self, size: int) -> None:
        """Pass over what fills a block up; at the end of the source, umoci leaves it out."""
        is_whole = self.has(size)
        self.start = self.start + size if is_whole else self.end

    def begin_data(self) -> None:
        """From here on comes what will be in a file: the journal keeps only where."""
        self._note()
        self._mark = -1

    def end_data(self) -> None:
        """The file's data ends here."""
        self._mark = self.start

    def _note(self) -> None:
        """Give the journal what was consumed and is in no file."""
        if self._journal is not None and self._mark >= 0:
            self._journal.literal(self.view[self._mark : self.start])
            self._mark = self.start

    def finish(self) -> str:
        """Read to the end of the source; returns the SHA-256 of all that came."""
        self.start = self.end
        while self.fill():
            self.start = self.end
        self._note()
        return self._hash.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hash.close()


class _HashThread:
    """Makes a SHA-256 in the background, of one buffer at a time."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._job: memoryview | None = None
        self._has_job = threading.Lock()
        self._has_job.acquire()
        self._is_idle = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self._has_job.acquire()
            if self._job is None:
                return
            self._hash.update(self._job)
            self._is_idle.release()

    def update(self, view: memoryview) -> None:
        """Wait until the last buffer is done, then start with this one."""
        self._is_idle.acquire()
        self._job = view
        self._has_job.release()

    def finish(self) -> str:
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        if self._thread.is_alive():
            self._is_idle.acquire()
            self._job = None
            self._has_job.release()
            self._thread.join()
