"""Steps for root, and who takes them."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from dacha.errors import DachaError
from dacha.linux import process


class Step(NamedTuple):
    """A command for root; `data` goes to its standard input."""

    argv: tuple[str, ...]
    data: str = ""

    def as_shell(self, prefix: str = "") -> str:
        """The step as root types it, or pastes it."""
        command = f"{prefix}{shlex.join(self.argv)}"
        if not self.data:
            return command
        return f"{command} <<'END_OF_FILE'\n{self.data}END_OF_FILE"


class Plan(NamedTuple):
    """What is to be done. `undo` takes back the first steps, should a later one fail."""

    title: str
    steps: tuple[Step, ...]
    undo: tuple[Step, ...] = ()


def apply(plan: Plan, prefix: tuple[str, ...]) -> None:
    """Take the steps, each after `prefix` (sudo, or nothing). Raises DachaError where one fails."""
    for step in plan.steps:
        try:
            _run(step, prefix)
        except DachaError as error:
            _take_back(plan, prefix, error)
            raise


def _take_back(plan: Plan, prefix: tuple[str, ...], error: DachaError) -> None:
    try:
        for step in plan.undo:
            _run(step, prefix)
    except DachaError as second:
        commands = "; ".join(step.as_shell("sudo ") for step in plan.undo)
        raise DachaError(f"{error}; and undoing it failed: {second}", hint=commands) from error


def _run(step: Step, prefix: tuple[str, ...]) -> None:
    run_with_input([*prefix, *step.argv], step.data)


def run_with_input(argv: list[str], data: str) -> None:
    """Run a program on a text that is small enough for a pipe. Raises DachaError if it fails."""
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            os.write(write, data.encode(errors="surrogateescape"))
        finally:
            os.close(write)
        process.run(argv, stdin=read)
    finally:
        os.close(read)


def way_to_root() -> tuple[str, ...] | None:
    """The prefix with which a command runs as root: none, sudo's, or None where there is no way.

    sudo is asked only where it asks nothing back, or there is a terminal on which it can.
    """
    if os.geteuid() == 0:
        return ()
    try:
        sudo = process.find_program("sudo")
    except DachaError:
        return None
    try:
        process.run([sudo, "-n", "true"])
    except DachaError:
        return (sudo,) if os.isatty(0) else None
    return (sudo, "-n")
