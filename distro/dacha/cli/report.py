"""Say what went wrong."""

from __future__ import annotations

import sys

from dacha.errors import DachaError


def report(error: DachaError) -> int:
    """Say an expected failure in one line, and its hint in another; the exit code."""
    sys.stdout.flush()
    sys.stderr.write(f"dacha: {error}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")
    sys.stderr.flush()
    return error.exit_code
