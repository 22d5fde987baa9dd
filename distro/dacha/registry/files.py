"""The files that an image is made of, in a directory or in an archive; and how they are read.

What a name of them means in an archive is the business of `registry.archive`.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import Protocol

from dacha.errors import BadImageError
from dacha.registry.digest import Readable, Stream, VerifiedStream
from dacha.registry.manifest import MAX_JSON_BYTES, Descriptor, parse_json

_CHUNK = 1 << 20


class Files(Protocol):
    """Files of a stranger, by their names below one place."""

    @property
    def where(self) -> str:
        """The place, for errors."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a regular file of that name."""
        ...

    def open(self, name: str, what: str) -> Stream:
        """Open a file. Raises BadImageError, which says `what` it is, where there is none."""
        ...


class Directory:
    """Files in a directory on disk."""

    def __init__(self, path: str) -> None:
        self.where = path

    def has(self, name: str) -> bool:
        """Whether there is a regular file of that name."""
        return os.path.isfile(f"{self.where}/{name}")

    def open(self, name: str, what: str) -> Stream:
        """Open a file."""
        try:
            # Not blocking: a FIFO in its place would let us wait for ever.
            fd = os.open(f"{self.where}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise BadImageError(f"{what} is missing in {self.where}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadImageError(f"{what} in {self.where} is no regular file")
        return open(fd, "rb")


def read_json(files: Files, name: str) -> object:
    """Read a file of JSON that no digest is known of."""
    with closing(files.open(name, name)) as file:
        return parse_json(read_at_most(file, MAX_JSON_BYTES + 1), name)


def read_blob(files: Files, name: str, descriptor: Descriptor) -> bytes:
    """Read a manifest or a configuration, and hold it to its descriptor."""
    if descriptor.size_bytes > MAX_JSON_BYTES:
        raise BadImageError(
            f"{descriptor.digest} is larger than any manifest ({descriptor.size_bytes} bytes)"
        )
    with closing(open_blob(files, name, descriptor, descriptor.digest)) as blob:
        return b"".join(iter(lambda: blob.read(_CHUNK), b""))


def open_blob(files: Files, name: str, descriptor: Descriptor, what: str) -> VerifiedStream:
    """Open a blob that must turn out to be what its descriptor says."""
    short = what.replace(descriptor.digest, descriptor.digest[:19])
    return VerifiedStream(files.open(name, what), descriptor.digest, descriptor.size_bytes, short)


def read_at_most(source: Readable, size: int) -> bytes:
    """Read until there are `size` bytes or no more."""
    pieces = []
    while size and (piece := source.read(min(size, _CHUNK))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
