"""Ask the person at the terminal."""

from __future__ import annotations

import sys


def confirm(question: str) -> bool:
    """Ask on the terminal; yes is the default."""
    sys.stderr.write(f"{question} [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    return answer.strip().lower() in ("", "y", "yes") and answer != ""
