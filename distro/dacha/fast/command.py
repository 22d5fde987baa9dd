"""Become the command, in the box, with a shell's exit codes: 127 for not found, 126 for not to be run."""

from __future__ import annotations

import errno
import os

from dacha.engine.state import State

_SHELLS = ("/bin/bash", "/bin/sh")


def become(
    state: State, argv: list[bytes] | None, environment: dict[bytes, bytes], directories: list[str]
) -> None:
    """execve(2) `argv`, or the user's login shell. Never returns: the process ends with the reason."""
    for directory in directories:
        try:
            os.chdir(directory)
            break
        except OSError:
            continue
    if argv:
        _exec(argv, environment)
    for shell in (state.shell, *_SHELLS):
        login = [b"-" + os.fsencode(os.path.basename(shell))]
        try:
            os.execve(shell, login, environment)  # noqa: S606
        except OSError as error:
            reason = error
    _fail(126, os.fsencode(state.shell), os.strerror(reason.errno or 0))


def _exec(argv: list[bytes], environment: dict[bytes, bytes]) -> None:
    program = argv[0]
    code, reason = 127, "command not found"
    places = [b""] if b"/" in program else environment[b"PATH"].split(b":")
    for place in places:
        try:
            os.execve(place + b"/" + program if place else program, argv, environment)  # noqa: S606
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                code, reason = 126, os.strerror(error.errno or 0)
            elif b"/" in program:
                reason = os.strerror(error.errno)
        except ValueError as error:  # an empty name, or a NUL in it
            reason = str(error)
    _fail(code, program, reason)


def _fail(code: int, program: bytes, reason: str) -> None:
    os.write(2, b"dacha: " + program + b": " + reason.encode() + b"\n")
    os._exit(code)
