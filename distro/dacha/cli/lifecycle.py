"""`dacha start`, `stop`, `restart` and `rm`: what is done to several boxes, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dacha.box import definition
from dacha.cli import questions
from dacha.cli.report import report
from dacha.engine import state
from dacha.errors import DachaError, UsageError
from dacha.fast.grammar import Line


def _targets(line: Line) -> list[str]:
    """The boxes that a line names. Raises UsageError if it names none."""
    if line.flag("all"):
        if line.operands:
            raise UsageError("give names or --all, not both")
        return definition.names()
    if not line.operands:
        raise UsageError("name a box", hint="see what there is: dacha list")
    return line.operands


def _for_each(names: list[str], work: Callable[[str, Line], None], line: Line) -> int:
    """Do `work` to every box; a failure does not keep the others from their turn."""
    code = 0
    for name in names:
        try:
            work(name, line)
        except DachaError as error:
            code = report(error)
        else:
            print(name)
    return code


def start(line: Line) -> int:
    """Start boxes."""
    return _for_each(_targets(line), _start, line)


def stop(line: Line) -> int:
    """Stop boxes."""
    return _for_each(_targets(line), _stop, line)


def restart(line: Line) -> int:
    """Stop boxes and start them again."""
    return _for_each(_targets(line), _restart, line)


def remove(line: Line) -> int:
    """Remove boxes; asks first where one runs and somebody is there to ask."""
    names = _targets(line)
    running = [name for name in names if state.is_running(name)]
    if running and not line.flag("force") and sys.stdin.isatty() and not line.flag("yes"):
        if not questions.confirm(f"{', '.join(running)} still running. Stop and remove all the same?"):
            return 1
        line.options["force"] = True
    return _for_each(names, _remove, line)


def _start(name: str, _line: Line) -> None:
    from dacha.box.start import start

    start(name)


def _stop(name: str, line: Line) -> None:
    from dacha.box import stop

    stop.stop(name, grace_s=_grace(line))


def _restart(name: str, line: Line) -> None:
    _stop(name, line)
    _start(name, line)


def _remove(name: str, line: Line) -> None:
    from dacha.box import remove

    remove.remove(name, force=line.flag("force"))


def _grace(line: Line) -> float:
    from dacha.box import stop

    text = line.text("time")
    if not text:
        return stop.GRACE_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"'{text}' is no number of seconds")
    return seconds
