"""Digests, and streams that are checked against them while they are read."""

from __future__ import annotations

import hashlib
from typing import Protocol

from dacha.errors import BadImageError

_HEX = frozenset("0123456789abcdef")
_LENGTHS = {"sha256": 64, "sha512": 128}  # hexadecimal digits


def is_digest(text: object) -> bool:
    """Whether that is a digest of an algorithm that the specification registers, and nothing else.

    Source: OCI image specification, descriptor.md ("Digests").
    """
    if not isinstance(text, str):
        return False
    algorithm, _, encoded = text.partition(":")
    return len(encoded) == _LENGTHS.get(algorithm) and not set(encoded) - _HEX


def check_digest(text: object) -> str:
    """Return `text` if it is a digest, and nothing else: it becomes part of a path. Raises BadImageError."""
    if isinstance(text, str) and is_digest(text):
        return text
    raise BadImageError(f"{text!r:.100} is no digest of sha256 or sha512")


def new_hash(digest: str) -> Hash:
    """The hash to make the same kind of digest with."""
    return hashlib.new(digest.partition(":")[0])


class Hash(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add some more."""
        ...

    def hexdigest(self) -> str:
        """The digest of all so far."""
        ...


class Readable(Protocol):
    """Anything with read(n)."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class Stream(Readable, Protocol):
    """What is read, and closed by whoever has opened it."""

    def close(self) -> None:
        """Give up what it holds."""
        ...


class VerifiedStream:
    """A stream that must turn out to have a digest and a size: BadImageError at its end if not."""

    def __init__(self, file: Stream, digest: str, size_bytes: int, what: str) -> None:
        self._file = file
        self._digest = digest
        self._left = size_bytes
        self._what = what
        self._hash = new_hash(digest)
        self._is_checked = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end, where the digest is checked."""
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise BadImageError(f"{self._what} is larger than its descriptor says")
        self._hash.update(data)
        if not data and not self._is_checked:
            self._is_checked = True
            if self._left:
                raise BadImageError(f"{self._what} is cut off: {self._left} bytes are missing")
            found = f"{self._digest.partition(':')[0]}:{self._hash.hexdigest()}"
            if found != self._digest:
                raise BadImageError(f"{self._what} is damaged: it is {found}, not {self._digest}")
        return data

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
