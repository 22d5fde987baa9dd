"""Tell what is in configuration files that dacha does not use."""

from __future__ import annotations

import sys

from dacha.cli.report import in_one_line
from dacha.config.told import take_untold


def tell_unknown(unknown: tuple[str, ...]) -> None:
    """Warn of keys (`FILE: KEY`) on stderr, each once and never again."""
    for each in take_untold(unknown):
        sys.stderr.write(f"dacha: {in_one_line(each)}: dacha does not use this (said only once)\n")
