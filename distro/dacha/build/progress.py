"""How long work tells what it is doing, without knowing who listens."""

from __future__ import annotations


class Part:
    """One of several things that go on at once, such as a layer. Its methods may be called by any thread."""

    def reached(self, size_bytes: int) -> None:
        """So much of it is here."""

    def notice(self, text: str) -> None:
        """Something that a person may want to know, such as that it is tried again."""

    def enter(self, state: str) -> None:
        """It is in another state: one of the words below."""


# The states of a layer.
WAITING, DOWNLOADING, UNPACKING, DONE, PRESENT = (
    "waiting",
    "downloading",
    "unpacking",
    "done",
    "already there",
)
UPLOADING, MOUNTED = "uploading", "mounted"


class Progress:
    """Listens to nothing; the command line has one that draws."""

    def step(self, text: str) -> None:
        """Another part of the work begins."""

    def advance(self, size_bytes: int) -> None:
        """So many bytes more have been read."""

    def notice(self, text: str) -> None:
        """Something that a person may want to know meanwhile."""

    def part(self, name: str, size_bytes: int, state: str) -> Part:
        """Something of `size_bytes` that goes on beside others."""
        return Part()


def in_bytes(size_bytes: int) -> str:
    """A size for people: 12.3 MB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


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
