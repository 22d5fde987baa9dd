"""Put the archive of a layer together again, byte by byte, from its journal and its files.

A child in H, which may read all files of the layer, writes the archive into a pipe; this end
hashes it. It ends well only if it is the archive that the layer came as, so a layer that
somebody has changed on disk is found out here.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
from collections.abc import Iterator

from dacha import paths
from dacha.errors import DachaError
from dacha.linux import files, process
from dacha.storage.archive.journal import JournalError, Literal, Piece, read_journal
from dacha.storage.layers import Layer
from dacha.userns import outer
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


class Reassembled:
    """The uncompressed archive of a layer, to be read once and closed."""

    def __init__(self, maps: OuterMaps, layer: Layer) -> None:
        if not os.path.exists(layer.journal):
            raise NoJournalError(layer)
        self._layer = layer
        self._hash = hashlib.sha256()
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        self._errors, error_writer = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reader)
            os.close(self._errors)
            _give_out(maps, layer, writer, error_writer)
        os.close(writer)
        os.close(error_writer)

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises DamagedLayerError there, or before."""
        data = os.read(self._reader, size)
        self._hash.update(data)
        if not data and self._pid:
            self._finish()
        return data

    def _finish(self) -> None:
        with os.fdopen(os.dup(self._errors), "rb") as file:
            reason = file.read().decode(errors="replace").strip()
        code = process.wait(self._pid)
        self._pid = 0
        if code != 0:
            raise DamagedLayerError(self._layer, reason or f"exit code {code}")
        if f"sha256:{self._hash.hexdigest()}" != self._layer.diff_id:
            raise DamagedLayerError(self._layer, "its files are not those that came")

    def close(self) -> None:
        """End it, wherever it is."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            process.wait(self._pid)
            self._pid = 0
        os.close(self._reader)
        os.close(self._errors)


def _give_out(maps: OuterMaps, layer: Layer, sink: int, errors: int) -> None:
    """The child's life; it never returns."""
    code = 1
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        outer.enter(maps, None)
        root = os.open(f"{paths.data_root()}/{layer.view(maps)}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with open(layer.journal, "rb") as journal:
            _write_archive(root, read_journal(journal.read), sink)
        code = 0
    except (OSError, JournalError, DachaError) as error:
        name = getattr(error, "filename", None)
        where = f": {name}" if name else ""
        os.write(errors, f"{getattr(error, 'strerror', None) or error}{where}".encode(errors="replace"))
    finally:
        os._exit(code)


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
