"""Start programs and time them: posix_spawn(3), a clock before and after, the whole process.

What a program prints is thrown away, but for stderr, which is shown if it fails. A failure
ends the measurement: the time of a command that did not work means nothing.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LONGEST_S = 600

_Action = tuple[int, int, str, int, int] | tuple[int, int, int]


class ProgramError(Exception):
    """A program that was to be measured failed, or did not end."""


@dataclass(frozen=True)
class Command:
    """A program's arguments and its whole environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


def output(command: Command) -> str:
    """Run a command that is not timed, and return its stdout. Raises ProgramError."""
    try:
        done = subprocess.run(
            command.argv,
            env=command.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_LONGEST_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramError(str(error)) from error
    if done.returncode != 0:
        raise failure(command, done.returncode, done.stderr or done.stdout)
    return done.stdout


def timed(command: Command, *, stdout: Path | None = None) -> float:
    """Seconds from the start of a command to its end."""
    return timed_together([command], stdout=stdout)


def timed_together(commands: Sequence[Command], *, stdout: Path | None = None) -> float:
    """Seconds until the last of several commands, all started at once, has ended."""
    target = os.fspath(stdout or "/dev/null")
    with tempfile.TemporaryFile() as errors:
        actions: list[_Action] = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ]
        paths = [find(command) for command in commands]
        begin = time.perf_counter()
        pids = [
            os.posix_spawn(path, command.argv, command.env, file_actions=actions, setsigdef=(signal.SIGPIPE,))
            for path, command in zip(paths, commands, strict=True)
        ]
        codes = [_wait(pid) for pid in pids]
        end = time.perf_counter()
        for command, code in zip(commands, codes, strict=True):
            if code != 0:
                errors.seek(0)
                raise failure(command, code, errors.read().decode(errors="replace"))
    return end - begin


def timed_on_terminal(command: Command) -> float:
    """Seconds from the start of a command to its end, on a terminal of its own."""
    with Session(command) as session:
        code = session.wait()
        end = time.perf_counter()
        if code != 0:
            raise failure(command, code, session.heard.decode(errors="replace"))
    return end - session.begin


class Session:
    """A command on a terminal; leaving the block hangs the terminal up."""

    def __init__(self, command: Command) -> None:
        path = find(command)
        self._master, self._slave = os.openpty()
        termios.tcsetwinsize(self._slave, (24, 80))
        # A session leader that opens a terminal gets it as its own: setsid comes before the actions.
        actions: list[_Action] = [
            (os.POSIX_SPAWN_OPEN, 0, os.ttyname(self._slave), os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        self.heard = b""
        self._has_ended = False
        self.begin = time.perf_counter()
        self._pid = os.posix_spawn(
            path,
            command.argv,
            command.env,
            file_actions=actions,
            setsid=True,
            setsigdef=(signal.SIGPIPE,),
        )

    def wait(self) -> int:
        """The exit code of the command; what it writes is read meanwhile."""
        code = _wait(self._pid, self._master, self._hear)
        self._has_ended = True
        return code

    def _hear(self) -> None:
        self.heard = (self.heard + os.read(self._master, 65536))[-4096:]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._slave)
        os.close(self._master)
        if not self._has_ended:
            _wait(self._pid)


def find(command: Command) -> str:
    """The path of the program. Raises ProgramError where it is not installed."""
    path = shutil.which(command.argv[0], path=command.env.get("PATH"))
    if path is None:
        raise ProgramError(f"{command.argv[0]} is not installed")
    return path


def _wait(pid: int, watched: int = -1, act: Callable[[], None] = lambda: None) -> int:
    """The exit code of a child; `act` is called meanwhile when `watched` can be read."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if watched >= 0:
            poll.register(watched, select.POLLIN)
        deadline = time.monotonic() + _LONGEST_S
        while pidfd not in (ready := [fd for fd, _ in poll.poll(1000)]):
            if watched in ready:
                act()
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
    finally:
        os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def failure(command: Command, code: int, words: str) -> ProgramError:
    """What to raise for a command that ended with `code`; its last words are quoted."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    said = f": {lines[-1]}" if lines else ""
    return ProgramError(f"`{' '.join(command.argv)}` ended with {code}{said}")
