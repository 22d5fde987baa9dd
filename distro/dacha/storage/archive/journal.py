"""What makes an archive itself again: all of its bytes but those that became files.

A layer is kept unpacked, and known by the digest of its archive. To push or save it, that very
archive is needed, byte by byte, and nobody can make it up from the files: names, padding,
the order of records and the end differ between tools. So while a layer is unpacked, its
journal is written beside it: the headers as they came, and where the data between
them went. It has one hundredth of the layer's size.

The format, compressed with zlib: records of a kind, a size, and what the kind says.

    L  8 bytes: size          that many bytes of the archive follow
    F  8 bytes: size of name  the name of a file follows; it counts for the D after it
    D  8 + 8 bytes            offset and size of a piece of that file
    E                         the end: without it, the journal is cut off

`storage.reassemble` reads it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

LITERAL, NAME, DATA, END = b"L", b"F", b"D", b"E"

_SIZE = struct.Struct("<cQ")
_PIECE = struct.Struct("<cQQ")
_BUFFER_BYTES = 1 << 18
_LEVEL = 1  # headers are mostly zeros: more takes time and gains little


class JournalError(ValueError):
    """The journal is damaged."""


class Writer:
    """Writes the journal of one archive, while the archive passes by."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._compressor = zlib.compressobj(_LEVEL)
        self._buffer = bytearray()
        self.is_broken = False  # a file of the archive was replaced by a later entry: its data is nowhere

    def literal(self, data: bytes | memoryview) -> None:
        """Bytes of the archive that are in no file."""
        if len(data):
            self._buffer += _SIZE.pack(LITERAL, len(data))
            self._buffer += data
            self._flush(_BUFFER_BYTES)

    def file(self, name: bytes) -> None:
        """What follows is in that file, a real path of the layer."""
        self._buffer += _SIZE.pack(NAME, len(name))
        self._buffer += name

    def data(self, offset: int, size: int) -> None:
        """A piece of that file stands in the archive here."""
        if size:
            self._buffer += _PIECE.pack(DATA, offset, size)

    def finish(self) -> None:
        """Write what is left, and the end."""
        self._buffer += END
        self._flush(0)
        self._write(self._compressor.flush())

    def _flush(self, limit: int) -> None:
        if len(self._buffer) > limit:
            self._write(self._compressor.compress(self._buffer))
            self._buffer.clear()


class Literal(NamedTuple):
    """Bytes of the archive; long ones come in several."""

    data: bytes


class Piece(NamedTuple):
    """A piece of a file."""

    name: bytes
    offset: int
    size: int


def read_journal(read: Callable[[int], bytes]) -> Iterator[Literal | Piece]:
    """What the archive is made of, in order. Raises JournalError."""
    stream = _Inflated(read)
    name: bytes | None = None
    while True:
        kind = stream.take(1)
        if kind == END:
            return
        size = int.from_bytes(stream.take(8), "little")
        if kind == LITERAL:
            while size:
                data = stream.take(min(size, _BUFFER_BYTES))
                yield Literal(data)
                size -= len(data)
        elif kind == NAME and size < 1 << 16:
            name = stream.take(size)
        elif kind == DATA and name is not None:
            yield Piece(name, size, int.from_bytes(stream.take(8), "little"))
        else:
            raise JournalError(f"a record of the kind {kind!r} in the journal")


class _Inflated:
    """The journal without its compression."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._decompressor = zlib.decompressobj()
        self._buffer = b""

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._buffer) < size:
            data = self._decompressor.unconsumed_tail or self._read(_BUFFER_BYTES)
            try:
                more = self._decompressor.decompress(data, _BUFFER_BYTES)
            except zlib.error as error:
                raise JournalError(f"the journal is damaged: {error}") from error
            if not more and not data:
                raise JournalError("the journal is cut off")
            self._buffer += more
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found
