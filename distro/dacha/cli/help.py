"""`dacha help`: the same as `--help`."""

from __future__ import annotations

from dacha import paths
from dacha.fast.grammar import Line


def show(line: Line) -> int:
    """Show the help of what the operands name, or of the whole."""
    paths.find_packages()
    from dacha.cli.main import main  # typer, which the other quick verbs do without

    return main([*line.operands, "--help"])
