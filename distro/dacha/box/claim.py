"""The claim that a running box has on its own layers.

A second mount of the same upper would break the box that runs, and the runtime directory,
which knows what runs, can get lost or be another one. So there is a lock beside the layers:
the init inherits it, and the kernel keeps it exactly as long as the box lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time

from dacha.box.definition import Box
from dacha.errors import DachaError

# The init has the claim as its standard input: catatonit closes all other descriptors.
INIT = ("/run/dacha/catatonit", "-P")
_KILL_TIMEOUT_S = 5.0
_SERVER_TIMEOUT_S = (
    5.0  # what serves a box's files has to write, after the box's end, what is not on disk yet
)


def claim(box: Box) -> int:
    """Take the claim, for the init to inherit; the descriptor of it.

    A box that still runs though nobody knows of it any more is killed: it can neither be
    entered nor stopped. Raises DachaError if it cannot be found, or does not die.
    """
    os.makedirs(box.path, mode=0o700, exist_ok=True)
    # Readable for all that get into the directory: crun gives the file to the box's root.
    fd = os.open(f"{box.path}/claim", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.fstat(fd).st_uid == os.getuid():  # new, and less readable under a tight umask
            os.fchmod(fd, 0o644)
        if not _lock(fd):
            for pid in _inits(box):
                _kill(pid)
            if not _lock_soon(fd):
                raise DachaError(
                    f"box '{box.name}' runs already, started by somebody who cannot be seen from here",
                    hint="stop it there, or restart the machine",
                )
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_soon(fd: int) -> bool:
    end = time.monotonic() + _SERVER_TIMEOUT_S
    while not _lock(fd):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _inits(box: Box) -> list[int]:
    """The inits whose root is the box's: their descriptors are hidden from us, mounts are not."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if not name.isdigit() or not file.read().startswith(INIT[0].encode()):
                    continue
            with open(f"/proc/{name}/mountinfo", "rb") as file:
                if any(_is_root_of(box, line) for line in file):
                    found.append(int(name))
    return found


def _is_root_of(box: Box, line: bytes) -> bool:
    """Whether a line of mountinfo (proc(5)) is of a root mount that names the box: every driver's does."""
    return line.split(b" ")[4] == b"/" and box.id.encode() in line


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll(_KILL_TIMEOUT_S * 1000)
        finally:
            os.close(pidfd)
