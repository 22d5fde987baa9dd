"""`dacha system reset`."""

from __future__ import annotations

import os
import sys

from dacha import paths
from dacha.box import reset
from dacha.cli import questions
from dacha.errors import UsageError
from dacha.fast.grammar import Line


def reset_store(line: Line) -> int:
    """Remove everything, after a question."""
    root = paths.data_root()
    if not line.flag("force"):
        if not sys.stdin.isatty():
            raise UsageError("reset removes everything and asks first, on a terminal", hint="or give --force")
        warning = (
            "This stops and removes all boxes with what was changed in them, all volumes and all images:"
            f" {root} and {paths.runtime_root()}. Homes and your own settings stay.\n"
        )
        sys.stderr.write(warning)
        if not questions.confirm("Remove all of it?", default=False):
            return 1
    there = os.path.isdir(root)
    reset.reset()
    print(f"removed {root}" if there else f"there is no {root}")
    return 0
