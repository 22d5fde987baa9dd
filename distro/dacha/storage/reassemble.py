"""Put the archive of a layer together again, byte by byte, from its journal and its files.

A child in H, which may read all files of the layer, writes the archive into a pipe; this end
hashes it. It ends well only if it is the archive that the layer came as, so a layer that
somebody has changed on disk is found out here.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from dacha import paths
from dacha.errors import DachaError
from dacha.linux import files
from dacha.linux.child import ChildError
from dacha.storage.archive.journal import JournalError, Literal, Piece, read_journal
from dacha.storage.layers import Layer
from dacha.storage.outer_stream import OuterStream
from dacha.userns.outer import OuterMaps


class DamagedLayerError(DachaError):
    """A layer on disk is not what it was when it came."""

    def __init__(self, layer: Layer, reason: str) -> None:
        super().__init__(
            f"layer {layer.diff_id[:19]}… on disk is damaged: {reason}",
            hint="remove its image and bring it again: dacha image rm, dacha image pull",
        )


class NoJournalError(DachaError):
    """The layer cannot be given out as the archive that it was."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(
            f"layer {layer.diff_id[:19]}… has no journal, from which its archive could be made again",
            hint="it came with an older dacha, or has a file twice;"
            " in the first case remove the image and bring it again",
        )


class Reassembled(OuterStream):
    """The uncompressed archive of a layer, to be read once and closed."""

    def __init__(self, maps: OuterMaps, layer: Layer) -> None:
        if not os.path.exists(layer.journal):
            raise NoJournalError(layer)
        self._layer = layer
        self._hash = hashlib.sha256()
        super().__init__(maps, lambda sink: _give_out(maps, layer, sink))

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises DamagedLayerError there, or before."""
        try:
            data = super().read(size)
        except ChildError as error:
            raise DamagedLayerError(self._layer, str(error)) from error
        self._hash.update(data)
        if not data and f"sha256:{self._hash.hexdigest()}" != self._layer.diff_id:
            raise DamagedLayerError(self._layer, "its files are not those that came")
        return data


def _give_out(maps: OuterMaps, layer: Layer, sink: int) -> None:
    root = os.open(f"{paths.data_root()}/{layer.view(maps)}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with open(layer.journal, "rb") as journal:
        try:
            _write_archive(root, read_journal(journal.read), sink)
        except JournalError as error:
            raise DachaError(str(error)) from error


def _write_archive(root: int, parts: Iterator[Literal | Piece], sink: int) -> None:
    name, fd = b"", -1
    for part in parts:
        if isinstance(part, Literal):
            files.write_whole(sink, part.data)
            continue
        if part.name != name or fd < 0:
            if fd >= 0:
                os.close(fd)
            name, fd = part.name, _open(root, part.name)
        _copy(fd, part, sink)


def _open(root: int, name: bytes) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK
    fd = files.openat2(root, os.fsdecode(name), flags, files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise JournalError(f"{os.fsdecode(name)} is no regular file")
    return fd


def _copy(fd: int, piece: Piece, sink: int) -> None:
    offset, end = piece.offset, piece.offset + piece.size
    while offset < end:
        count = os.sendfile(sink, fd, offset, end - offset)
        if count == 0:
            raise JournalError(f"{os.fsdecode(piece.name)} is shorter than it was")
        offset += count
