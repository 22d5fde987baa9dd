"""Do something in a forked child, and have its failure here.

Whoever changes namespaces does it in a child, so that the caller stays where it is.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
from collections.abc import Callable

from dacha.errors import DachaError


class ChildError(DachaError):
    """A failure that a child met: its message, hint and exit code."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 125) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


def run_in_child(task: Callable[[], bytes]) -> bytes:
    """Run `task` in a forked child and return what it returns.

    What is raised in the child is raised here as ChildError; with DACHA_DEBUG set, the
    child shows the traceback of what is a bug.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _run(task, writer)
    os.close(writer)
    return _await(pid, reader)


class ChildStream:
    """What a forked child writes, to be read once and closed.

    `task` gets the descriptor to write to. What it raises is raised here as ChildError, when all it
    has written before has been read.
    """

    def __init__(self, task: Callable[[int], object]) -> None:
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        self._report, report_writer = os.pipe2(os.O_CLOEXEC)
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reader)
            os.close(self._report)
            _run(lambda: (task(writer), b"")[1], report_writer)
        os.close(writer)
        os.close(report_writer)

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        data = os.read(self._reader, size)
        if not data and self._pid:
            pid, self._pid = self._pid, 0
            _await(pid, os.dup(self._report))
        return data

    def close(self) -> None:
        """End it, wherever it is."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        os.close(self._reader)
        os.close(self._report)


def _await(pid: int, reader: int) -> bytes:
    """Wait for the child, and return or raise what it reports."""
    with os.fdopen(reader, "rb") as file:
        report = file.read()
    status = os.waitpid(pid, 0)[1]
    if status != 0 or not report:
        raise ChildError(f"a helper process of dacha died (status {status})")
    kind, *fields = marshal.loads(report)
    if kind == "done":
        result: bytes = fields[0]
        return result
    message, hint, exit_code = fields
    raise ChildError(message, hint=hint, exit_code=exit_code)


def _run(task: Callable[[], bytes], writer: int) -> None:
    """The child's life; it never returns."""
    code = 1
    try:
        try:
            report = marshal.dumps(("done", task()))
        except DachaError as error:
            report = marshal.dumps(("failed", str(error), error.hint, error.exit_code))
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            report = marshal.dumps(("failed", f"{error.strerror or error}{where}", "", 125))
        except Exception as error:  # a bug: its traceback is here, or nowhere
            if os.environ.get("DACHA_DEBUG"):
                sys.excepthook(*sys.exc_info())
            text = f"a bug: {type(error).__name__}: {error}"
            hint = "run it again with DACHA_DEBUG=1, and report what that shows"
            report = marshal.dumps(("failed", text, hint, 125))
        with os.fdopen(writer, "wb") as file:
            file.write(report)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)
