"""How long work tells what it is doing, without knowing who listens."""

from __future__ import annotations


class Progress:
    """Listens to nothing; the command line has one that draws."""

    def step(self, text: str) -> None:
        """Another part of the work begins."""

    def advance(self, size_bytes: int) -> None:
        """So many bytes more have been read."""


class CountingSource:
    """A stream that tells how far it is."""

    __slots__ = ("_progress", "_source")

    def __init__(self, source: object, progress: Progress) -> None:
        self._source = source
        self._progress = progress

    def read(self, size: int, /) -> bytes:
        """As the source has it."""
        data: bytes = self._source.read(size)  # type: ignore[attr-defined]
        self._progress.advance(len(data))
        return data
