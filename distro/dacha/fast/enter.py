"""The verbs `enter` and `run`, for boxes that run."""

from __future__ import annotations

import os

from dacha import paths
from dacha.engine import state
from dacha.engine.state import State
from dacha.errors import DachaError
from dacha.fast.command import become
from dacha.fast.environment import session_environment, working_directories
from dacha.fast.grammar import Line


class NotRunningError(Exception):
    """The box does not run, or does not exist: that is for the slow lane."""


def box_name(line: Line) -> str:
    """Which box the line means; an empty string for the default one, if none is known yet."""
    name = line.options.get("name") or (line.operands[0] if line.operands else "")
    if name or line.operands:
        return str(name)
    try:
        with open(paths.runtime_root() + "/default-box") as file:
            return file.read()
    except OSError:
        return ""


def enter(line: Line) -> int:
    """A shell or a command on the caller's terminal, where there is one. Its exit code."""
    is_on_terminal = not line.flag("no_tty") and os.isatty(0) and os.isatty(1)
    return open_session(
        box_name(line), line.command, wants_terminal=is_on_terminal, stays=line.flag("no_workdir")
    )


def run(line: Line) -> int:
    """A command on the caller's streams. Its exit code."""
    return open_session(
        box_name(line), line.command, wants_terminal=line.flag("tty"), stays=line.flag("no_workdir")
    )


def open_session(name: str, command: list[str] | None, *, wants_terminal: bool, stays: bool) -> int:
    """A session in the box; with `stays`, it starts in the home. Its exit code.

    Raises NotRunningError before anything has happened. This process ends up in the box:
    nothing but exiting is left to do afterwards.
    """
    found = state.open_running(name) if name and "/" not in name and not name.startswith(".") else None
    if found is None:
        raise NotRunningError
    running, pidfd = found
    return _open(running, pidfd, command, wants_terminal=wants_terminal, stays=stays)


def _open(running: State, pidfd: int, command: list[str] | None, *, wants_terminal: bool, stays: bool) -> int:
    # Everything is imported and looked up before the box is joined: afterwards the host's files are gone.
    from dacha.fast.session import Session

    if wants_terminal:
        from dacha.fast.terminal import run_on_terminal
        from dacha.linux import memory

        mappings = memory.open_mappings()
    else:
        from dacha.fast.pipes import run_on_pipes

    argv = [os.fsencode(word) for word in command] if command else None
    environment = session_environment(running)
    directories = working_directories(running)
    if stays:
        directories = directories[1:]
    has_terminal = os.isatty(0)
    if wants_terminal and not (has_terminal and os.isatty(1)):
        raise DachaError("there is no terminal to give", hint="leave --tty away")
    session = Session(running, pidfd)
    try:
        session.join()
    except ProcessLookupError as error:
        raise NotRunningError from error

    def body() -> None:
        become(running, argv, environment, directories)

    if wants_terminal:
        return run_on_terminal(session, body, mappings)
    return run_on_pipes(session, body, has_terminal=has_terminal)
