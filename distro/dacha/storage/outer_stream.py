"""A stream that a child in H writes, since only there all files of a box can be read.

The child ends with its work, or with `close`; its failure is the reader's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from dacha.errors import DachaError
from dacha.linux import process
from dacha.linux.child import ChildError
from dacha.userns import outer
from dacha.userns.outer import OuterMaps


class OuterStream:
    """What `task` writes to the descriptor that it is given; to be read once, and closed."""

    def __init__(self, maps: OuterMaps, task: Callable[[int], None]) -> None:
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        self._errors, error_writer = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reader)
            os.close(self._errors)
            _work(maps, task, writer, error_writer)
        os.close(writer)
        os.close(error_writer)

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises ChildError there if the child has failed."""
        data = os.read(self._reader, size)
        if not data and self._pid:
            self._finish()
        return data

    def _finish(self) -> None:
        with os.fdopen(os.dup(self._errors), "rb") as file:
            report = file.read()
        code = process.wait(self._pid)
        self._pid = 0
        if report:
            message, hint, number = report.decode(errors="surrogateescape").split("\0")
            raise ChildError(message, hint=hint, exit_code=int(number))
        if code != 0:
            raise ChildError(f"a helper process of dacha died (status {code})")

    def close(self) -> None:
        """End it, wherever it is."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            process.wait(self._pid)
            self._pid = 0
        os.close(self._reader)
        os.close(self._errors)


def _work(maps: OuterMaps, task: Callable[[int], None], sink: int, errors: int) -> None:
    """The child's life; it never returns."""
    code = 1
    try:
        outer.enter(maps, None)
        task(sink)
        code = 0
    except BrokenPipeError:
        pass  # nobody wants the rest
    except (DachaError, OSError) as error:
        hint, exit_code = getattr(error, "hint", ""), getattr(error, "exit_code", 125)
        name = getattr(error, "filename", None)
        text = getattr(error, "strerror", None) or str(error)
        message = f"{text}: {name}" if name else text
        report = "\0".join([message, hint, str(exit_code)])
        os.write(errors, report.encode(errors="surrogateescape"))
    finally:
        os._exit(code)
