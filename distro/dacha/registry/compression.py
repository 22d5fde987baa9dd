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
_ZSTD_WINDOW_LOG_MAX = 27  # 128 MB: what zstd itself takes without being told otherwise


class _Decompressor(Protocol):
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _zstd() -> _Decompressor:
    paths.find_packages()
    import zstandard

    decompressor: _Decompressor = zstandard.ZstdDecompressor(
        max_window_size=1 << _ZSTD_WINDOW_LOG_MAX
    ).decompressobj()
    return decompressor


# (first bytes, how it is undone)
_FORMATS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
    (b"BZh", bz2.BZ2Decompressor),
)


class _Decompressed:
    """The uncompressed stream; frames or members may follow one another."""

    def __init__(self, source: Readable, first: bytes, make: Callable[[], _Decompressor]) -> None:
        self._source = source
        self._input = first
        self._make = make
        self._decompressor = make()
        self._output = b""

    def read(self, size: int, /) -> bytes:
        while not self._output:
            if self._decompressor.eof:
                self._input = self._decompressor.unused_data or self._source.read(_CHUNK)
                if not self._input.strip(b"\0"):
                    self._drain()
                    return b""
                self._decompressor = self._make()
            data = self._input or self._source.read(_CHUNK)
            self._input = b""
            if not data:
                raise BadImageError("the compressed layer is cut off")
            try:
                self._output = self._decompressor.decompress(data)
            except Exception as error:  # each library has its own class for damage
                raise BadImageError(f"the compressed layer is damaged: {error}") from error
        data, self._output = self._output[:size], self._output[size:]
        return data

    def _drain(self) -> None:
        """Padding may follow; what is below us checks the digest at its end."""
        while data := self._source.read(_CHUNK):
            if data.strip(b"\0"):
                raise BadImageError("garbage follows the compressed layer")


class _Prefixed:
    def __init__(self, source: Readable, first: bytes) -> None:
        self._source = source
        self._first = first

    def read(self, size: int, /) -> bytes:
        if self._first:
            data, self._first = self._first[:size], self._first[size:]
            return data
        return self._source.read(size)


def decompressed(source: Readable) -> Readable:
    """The stream without its gzip, zstd, xz or bzip2 compression, if it has one."""
    first = source.read(_CHUNK)
    while first and len(first) < 6 and (more := source.read(_CHUNK)):
        first += more
    for magic, make in _FORMATS:
        if first.startswith(magic):
            return _Decompressed(source, first, make)
    return _Prefixed(source, first)
