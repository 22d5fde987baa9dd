"""Ask the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from dacha.errors import UsageError


def chooser() -> Callable[[str, Sequence[str]], str] | None:
    """Who chooses among the images that a short name may mean: the person at the terminal, or nobody."""
    return choose_image if sys.stdin.isatty() and sys.stderr.isatty() else None


def choose_image(short_name: str, names: Sequence[str]) -> str:
    """Ask which of several images a short name means."""
    sys.stderr.write(f"'{short_name}' may be\n")
    for number, name in enumerate(names, start=1):
        sys.stderr.write(f"  {number}  {name}\n")
    sys.stderr.write(f"Which one? [1-{len(names)}, default 1] ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    answer = line.strip() or "1"
    if not line or not answer.isdecimal() or not 1 <= int(answer) <= len(names):
        raise UsageError(
            f"'{short_name}' may be any of {', '.join(names)}", hint="give one of these full names"
        )
    return names[int(answer) - 1]


def confirm(question: str, *, default: bool = True) -> bool:
    """Ask on the terminal; an empty answer means `default`, no answer at all no."""
    sys.stderr.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    said = answer.strip().lower()
    return said in ("y", "yes") or (default and said == "" and answer != "")
