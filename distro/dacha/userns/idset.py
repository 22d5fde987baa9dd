"""Sets of ids as sorted spans, for the arithmetic of who may have which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dacha.userns.mapping import IdMap, IdRange


class Span(NamedTuple):
    """The ids from `start` up to, and without, `end`."""

    start: int
    end: int


class IdSet:
    """An immutable set of ids."""

    __slots__ = ("spans",)

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        merged: list[Span] = []
        for start, end in sorted(spans):
            if start >= end:
                continue
            if merged and start <= merged[-1].end:
                merged[-1] = Span(merged[-1].start, max(end, merged[-1].end))
            else:
                merged.append(Span(start, end))
        self.spans = tuple(merged)

    @classmethod
    def inside(cls, rows: Iterable[IdRange]) -> IdSet:
        """What a mapping has inside its namespace."""
        return cls((row.inside, row.inside + row.size) for row in rows)

    @classmethod
    def outside(cls, rows: Iterable[IdRange]) -> IdSet:
        """What a mapping takes up outside of its namespace."""
        return cls((row.outside, row.outside + row.size) for row in rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.spans)

    def __len__(self) -> int:
        return sum(span.end - span.start for span in self.spans)

    def __iter__(self) -> Iterator[int]:
        for span in self.spans:
            yield from range(span.start, span.end)

    def __contains__(self, number: int) -> bool:
        return any(span.start <= number < span.end for span in self.spans)

    def __repr__(self) -> str:
        return f"IdSet({[tuple(span) for span in self.spans]})"

    def __sub__(self, other: IdSet) -> IdSet:
        left = list(self.spans)
        for cut in other.spans:
            left = [
                Span(start, end)
                for span in left
                for start, end in (
                    (span.start, min(span.end, cut.start)),
                    (max(span.start, cut.end), span.end),
                )
                if start < end
            ]
        return IdSet(left)

    def first(self, count: int) -> IdSet | None:
        """The lowest `count` ids, or None if there are fewer."""
        taken: list[Span] = []
        for span in self.spans:
            size = min(count, span.end - span.start)
            taken.append(Span(span.start, span.start + size))
            count -= size
            if count == 0:
                break
        return None if count else IdSet(taken)

    def onto(self, outside: IdSet) -> IdMap:
        """The mapping of these ids to as many others, in their order."""
        rows: list[IdRange] = []
        theirs = iter(outside.spans)
        target, used = Span(0, 0), 0
        for span in self.spans:
            at = span.start
            while at < span.end:
                if target.start + used >= target.end:
                    target, used = next(theirs), 0
                size = min(span.end - at, target.end - target.start - used)
                rows.append(IdRange(at, target.start + used, size))
                at += size
                used += size
        return tuple(rows)
