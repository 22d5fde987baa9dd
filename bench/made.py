"""Layers to fill a registry with: the archive whole or dealt out, a large one, and tiny ones.

Each is a tar compressed as `docker push` does, by gzip. It is written as a stream, so that
a layer of any size takes no memory.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import random
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

_BLOCK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say: with the header and trailer of gzip
# gzip's own default, and its fastest: for data that only has to be large.
_USUAL, _FAST = 6, 1


class Layer(NamedTuple):
    """A compressed layer in a file."""

    path: Path
    size: int  # of the file, in bytes
    digest: str  # of the file
    diff_id: str  # of the tar in it


class _Writer:
    """Compresses what is written, and computes both digests meanwhile."""

    def __init__(self, target: IO[bytes], level: int) -> None:
        self._target = target
        self._gzip = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
        self._plain, self._compressed = hashlib.sha256(), hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._plain.update(data)
        self._put(self._gzip.compress(data))
        return len(data)

    def finish(self, path: Path) -> Layer:
        """The layer, when all is written."""
        self._put(self._gzip.flush())
        digests = (f"sha256:{each.hexdigest()}" for each in (self._compressed, self._plain))
        return Layer(path, self._target.tell(), *digests)

    def _put(self, data: bytes) -> None:
        self._compressed.update(data)
        self._target.write(data)


def whole(archive: Path, directory: Path) -> Layer:
    """One layer of all that is in a plain tar."""

    def fill(writer: _Writer) -> None:
        with archive.open("rb") as source:
            while block := source.read(_BLOCK_BYTES):
                writer.write(block)

    return _write(directory / "whole", fill)


def large(megabytes: int, directory: Path) -> Layer:
    """One layer with a single file of so many megabytes, of which gzip can spare half."""
    block = random.Random(0).randbytes(500_000).ljust(1_000_000, b"\0")  # noqa: S311  (nothing is secret)

    def fill(writer: _Writer) -> None:
        info = tarfile.TarInfo("large")
        info.size = megabytes * len(block)
        writer.write(info.tobuf())
        for _ in range(megabytes):
            writer.write(block)
        padding = -info.size % tarfile.BLOCKSIZE
        writer.write(bytes(padding + 2 * tarfile.BLOCKSIZE))

    return _write(directory / "large", fill, _FAST)


def tiny(number: int, directory: Path) -> Layer:
    """A layer with one small file, unlike those of other numbers."""

    def fill(writer: _Writer) -> None:
        with _tar_into(writer) as tar:
            info = tarfile.TarInfo(f"tiny-{number}")
            data = f"{number}\n".encode()
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

    return _write(directory / f"tiny-{number}", fill)


def dealt_out(archive: Path, count: int, directory: Path) -> list[Layer]:
    """The files of a plain tar in `count` layers of about the same size, in the archive's order."""
    share = archive.stat().st_size / count
    layers: list[Layer] = []
    with tarfile.open(archive) as source:
        members = _Members(source)
        for number in range(count):
            end = (number + 1) * share if number + 1 < count else float("inf")
            fill = functools.partial(members.copy, end=end)
            layers.append(_write(directory / f"part-{number}", fill))
    return layers


class _Members:
    """The members of a tar, one part after the other; each part can be unpacked without the others."""

    def __init__(self, source: tarfile.TarFile) -> None:
        self._source = source
        self._left: Iterator[tarfile.TarInfo] = iter(source)
        self._directories: dict[str, tarfile.TarInfo] = {}
        self._files: dict[str, tarfile.TarInfo] = {}

    def copy(self, writer: _Writer, end: float) -> None:
        """Copy the members up to the one that ends at, or after, this offset of the source."""
        there: set[str] = set()
        with _tar_into(writer) as part:
            for member in self._left:
                if member.isdir():
                    self._directories[member.name] = member
                elif member.isreg():
                    self._files[member.name] = member
                for name in self._missing_parents(member.name, there):
                    part.addfile(self._directories[name])
                    there.add(name)
                self._add(part, member, there)
                there.add(member.name)
                if self._source.offset >= end:
                    break

    def _missing_parents(self, name: str, there: set[str]) -> list[str]:
        parents = [parent.as_posix() for parent in reversed(Path(name).parents)]
        return [parent for parent in parents if parent in self._directories and parent not in there]

    def _add(self, part: tarfile.TarFile, member: tarfile.TarInfo, there: set[str]) -> None:
        """A hard link to a file of another layer becomes a copy: layers are unpacked apart."""
        if member.islnk() and member.linkname not in there:
            original = self._files[member.linkname]
            twin = copy.copy(original)
            twin.name = member.name
            part.addfile(twin, self._source.extractfile(original))
        else:
            part.addfile(member, self._source.extractfile(member) if member.isreg() else None)


def _tar_into(writer: _Writer) -> tarfile.TarFile:
    # Of a file that is a stream, tarfile calls `write` only.
    return tarfile.open(fileobj=cast(IO[bytes], writer), mode="w|", format=tarfile.PAX_FORMAT)


def _write(path: Path, fill: Callable[[_Writer], None], level: int = _USUAL) -> Layer:
    with path.open("wb") as target:
        writer = _Writer(target, level)
        fill(writer)
        return writer.finish(path)
