"""`dacha completion SHELL`: the script that a shell reads once."""

from __future__ import annotations

from dacha import paths
from dacha.errors import UsageError
from dacha.fast.grammar import Line

SCRIPTS = {"bash": "dacha.bash", "zsh": "_dacha", "fish": "dacha.fish"}


def print_script(line: Line) -> int:
    """Print the script for a shell. Raises UsageError if there is none."""
    shell = line.operands[0]
    if shell not in SCRIPTS:
        raise UsageError(f"no completion for '{shell}'", hint=f"name one of {', '.join(SCRIPTS)}")
    with open(f"{paths.shipped('completion')}/{SCRIPTS[shell]}", encoding="utf-8") as file:
        print(file.read(), end="")
    return 0
