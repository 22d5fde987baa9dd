"""Decompression of layers while they stream, told by their first bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from dacha import paths
from dacha.errors import BadImageError
from dacha.registry.digest import Readable

_CHUNK = 1 << 20
# What goes into zlib and zstd at a time: all that comes out is held, and zstd makes 32768 bytes of one.
_SLICE = 1 << 11
_ZSTD_WINDOW_LOG_MAX = 27  # 128 MB: what zstd itself takes without being told otherwise
_XZ_MEMORY_LIMIT = 1 << 28  # `xz -9` needs 65 MB


class _Decompressor(Protocol):
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes | memoryview, /, max_length: int) -> bytes: ...


class _Unlimited(Protocol):
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes | memoryview, /) -> bytes: ...


class _Eager:
    """A decompressor that gives out at once all that it can make of a slice."""

    needs_input = True

    def __init__(self, decompressor: _Unlimited) -> None:
        self._decompressor = decompressor

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    def decompress(self, data: bytes | memoryview, /, max_length: int) -> bytes:
        return self._decompressor.decompress(data)


def _zstd() -> _Decompressor:
    paths.find_packages()
    import zstandard

    return _Eager(zstandard.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG_MAX).decompressobj())


# (first bytes, how it is undone)
_FORMATS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", lambda: _Eager(zlib.decompressobj(31))),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_LIMIT)),
    (b"BZh", bz2.BZ2Decompressor),
)


class _Decompressed:
    """The uncompressed stream; frames or members may follow one another.

    What is held of it is bounded: a few bytes may stand for gigabytes.
    """

    def __init__(self, source: Readable, first: bytes, make: Callable[[], _Decompressor], what: str) -> None:
        self._what = what
        self._source = source
        self._input = memoryview(first)
        self._unused: bytes | memoryview = b""  # what a frame has left of a slice
        self._make = make
        self._decompressor = make()
        self._output = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._output:
            has_more = not (self._decompressor.needs_input or self._decompressor.eof)
            data = b"" if has_more else self._unused or self._slice()
            if self._decompressor.eof:
                if not bytes(data).strip(b"\0"):
                    self._drain()
                    return b""
                self._decompressor = self._make()
            if not data and not has_more:
                raise BadImageError(f"the compressed {self._what} is cut off")
            try:
                self._output = memoryview(self._decompressor.decompress(data, max_length=_CHUNK))
            except Exception as error:  # each library has its own class for damage
                raise BadImageError(f"the compressed {self._what} is damaged: {error}") from error
            self._unused = self._decompressor.unused_data
        piece, self._output = bytes(self._output[:size]), self._output[size:]
        return piece

    def _slice(self) -> memoryview:
        if not self._input:
            self._input = memoryview(self._source.read(_CHUNK))
        data, self._input = self._input[:_SLICE], self._input[_SLICE:]
        return data

    def _drain(self) -> None:
        """Padding may follow; what is below us checks the digest at its end."""
        while data := self._slice():
            if bytes(data).strip(b"\0"):
                raise BadImageError(f"garbage follows the compressed {self._what}")


class Prefixed:
    """A stream whose first bytes have been read already."""

    def __init__(self, source: Readable, first: bytes) -> None:
        self._source = source
        self._first = first

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self._first:
            data, self._first = self._first[:size], self._first[size:]
            return data
        return self._source.read(size)


def is_compressed(first: bytes) -> bool:
    """Whether a stream that begins like that has a compression that `decompressed` undoes."""
    return any(first.startswith(magic) for magic, _ in _FORMATS)


def decompressed(source: Readable, what: str = "layer") -> Readable:
    """The stream without its gzip, zstd, xz or bzip2 compression, if it has one; errors say `what` it is."""
    first = source.read(_CHUNK)
    while first and len(first) < 6 and (more := source.read(_CHUNK)):
        first += more
    for magic, make in _FORMATS:
        if first.startswith(magic):
            return _Decompressed(source, first, make, what)
    return Prefixed(source, first)
