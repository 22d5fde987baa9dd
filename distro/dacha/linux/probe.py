"""Ask the kernel and programs what may hang, without hanging with them.

A probe is a child that answers through a pipe. All are started first, so that they work at
the same time, and asked later; one whose time is over is killed, and what it has said until
then counts. A child that not even SIGKILL ends (it waits for a dead file server) is left.
"""

from __future__ import annotations

import io
import marshal
import os
import select
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dacha.linux import process
from dacha.linux.signals import SIGKILL

_REAP_S = 0.05
Steps = Iterator[tuple[str, Any]]  # a name, and what `marshal` can hold


class Answer(NamedTuple):
    """What a probe has said."""

    output: bytes
    exit_code: int | None  # None: its time was over


class Probe:
    """A child that was started; `deadline` is of time.monotonic()."""

    def __init__(self, pid: int, reader: int, deadline: float) -> None:
        self._pid = pid
        self._reader = reader
        self._deadline = deadline
        self._answer: Answer | None = None

    def wait(self) -> Answer:
        """Its answer, at the latest at its deadline."""
        if self._answer is None:
            output, has_ended = self._read()
            code = self._reap(self._deadline if has_ended else 0)
            if code is None:
                self._kill()
            self._answer = Answer(output, code)
        return self._answer

    def _read(self) -> tuple[bytes, bool]:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        chunks: list[bytes] = []
        try:
            while poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
                chunk = os.read(self._reader, 1 << 16)
                if not chunk:
                    return b"".join(chunks), True
                chunks.append(chunk)
        finally:
            os.close(self._reader)
        return b"".join(chunks), False

    def _reap(self, end: float) -> int | None:
        """The exit code, or None if it lives beyond `end` (and a moment)."""
        end = max(end, time.monotonic() + 0.001)
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return process.exit_code(status)
            if time.monotonic() >= end:
                return None
            time.sleep(0.0005)

    def _kill(self) -> None:
        for target in (-self._pid, self._pid):  # with its own children, where it leads a group
            try:
                os.kill(target, SIGKILL)
            except OSError:
                continue
        self._reap(time.monotonic() + _REAP_S)


def start_program(argv: list[str], deadline: float) -> Probe:
    """Start a program for what it prints. Raises MissingProgramError and OSError."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        environment = {**os.environ, "LC_ALL": "C"}
        pid = process.spawn(argv, stdout=writer, stderr=writer, env=environment)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return Probe(pid, reader, deadline)


def start_steps(task: Callable[[], Steps], deadline: float) -> Probe:
    """Fork a child that goes through `task`; every step is reported as soon as it is done.

    It may change namespaces and directories as it likes.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            os.setsid()
            for step in task():
                os.write(writer, marshal.dumps(step))
            code = 0
        except BaseException as error:
            os.write(writer, marshal.dumps(("error", f"{type(error).__name__}: {error}")))
        finally:
            os._exit(code)
    os.close(writer)
    return Probe(pid, reader, deadline)


def steps_of(answer: Answer) -> dict[str, object]:
    """The steps that a child of `start_steps` has reported; the last one may be cut off."""
    found: dict[str, object] = {}
    file = io.BytesIO(answer.output)
    while True:
        try:
            key, value = marshal.load(file)  # noqa: S302  (our own child wrote it)
        except (EOFError, ValueError, TypeError):
            return found
        found[str(key)] = value
