"""Tables and the words in them, as people read them."""

from __future__ import annotations

from collections.abc import Sequence

_AGES = ((31_557_600, "year"), (2_629_800, "month"), (604_800, "week"), (86_400, "day"), (3600, "hour"))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the first row is the head. What would end a line is escaped."""
    printable = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in printable) for column in range(len(rows[0]))]
    for row in printable:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def size(size_bytes: int) -> str:
    """A size in powers of 1000."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"


def age(seconds: float) -> str:
    """How long ago something was, in the largest unit that fits."""
    for length, unit in (*_AGES, (60, "minute"), (1, "second")):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "now"
