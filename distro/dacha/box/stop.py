"""Stop a box: everything in it ends, whatever it ignores."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from dacha.box import definition
from dacha.box.placement import STORAGE, delegated_directory
from dacha.box.runtime import remove_runtime
from dacha.box.start import lock_box
from dacha.engine import crun, state
from dacha.engine.state import State
from dacha.errors import DachaError
from dacha.linux import cgroup, child, namespaces, process
from dacha.storage import database

GRACE_S = 3.0  # how long programs have to save their work
_KILL_TIMEOUT_S = 5.0


def stop(name: str, *, grace_s: float = GRACE_S) -> bool:
    """Stop a box; whether it was running. Raises BoxNotFoundError.

    What runs in it beside its init is asked to end (SIGTERM; SIGHUP on terminals) and has `grace_s`
    seconds; then the box is killed. A box with nothing but its init is killed at once.
    """
    connection = database.open_database()
    try:
        box = definition.get(connection, name)
    finally:
        connection.close()
    with lock_box(name):
        return stop_locked(box.id, name, grace_s=grace_s)


def stop_locked(box: str, name: str, *, grace_s: float) -> bool:
    """Like `stop`, for who holds the box's lock."""
    left = state.read(name)
    found = state.open_running(name)
    if found is not None:
        running, pidfd = found
        try:
            if grace_s > 0:
                child.run_in_child(lambda: _ask_to_end(running, pidfd, grace_s))
            _kill(running, pidfd)
        finally:
            os.close(pidfd)
    crun.delete(box)
    if left is not None and left.cgroup:
        cgroup.remove(left.cgroup)
    elif left is None:
        _remove_unknown_cgroup(name, box)
    state.forget(name)
    remove_runtime(name)
    return found is not None


def _ask_to_end(running: State, pidfd: int, grace_s: float) -> bytes:
    """In the box's user namespace, where also its root's programs can be seen and signalled."""
    if running.namespaces & namespaces.NEWUSER:
        with contextlib.suppress(ProcessLookupError):  # it has just died
            namespaces.setns(pidfd, namespaces.NEWUSER)
    end = time.monotonic() + grace_s
    asked: set[int] = set()
    pause_s = 0.002
    while others := process.in_pid_namespace_of(running.pid):
        for pid in set(others) - asked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
                # Shells heed this alone; a server may take it for something else, or not expect it.
                if process.has_terminal(pid):
                    os.kill(pid, signal.SIGHUP)
                os.kill(pid, signal.SIGCONT)
            asked.add(pid)
        if time.monotonic() >= end:
            break
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.05)
    return b""


def _kill(running: State, pidfd: int) -> None:
    """The kernel kills a whole pid namespace with its init; the cgroup catches who is still entering.

    What serves the box's files is left to end with its work: it still writes what the dead have
    written last.
    """
    if running.cgroup:
        with contextlib.suppress(OSError):  # not ours any more: the init's death is enough
            cgroup.kill_parts(running.cgroup, spared=STORAGE)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise DachaError(f"box '{running.name}' belongs to somebody else's namespace") from error
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(_KILL_TIMEOUT_S * 1000):
        raise DachaError(
            f"box '{running.name}' does not die: a process in it waits for the kernel",
            hint=f"look at it: ps -o pid,stat,wchan -p {running.pid}",
        )
    if running.cgroup and not cgroup.wait_until_empty(running.cgroup, _KILL_TIMEOUT_S):
        with contextlib.suppress(OSError):
            cgroup.kill(running.cgroup)
        cgroup.wait_until_empty(running.cgroup, _KILL_TIMEOUT_S)


def _remove_unknown_cgroup(name: str, box: str) -> None:
    """What a start that was killed has made, before it could write it down."""
    directory = delegated_directory(name, box)
    if directory and os.path.isdir(directory):
        cgroup.kill(directory)
        cgroup.wait_until_empty(directory, _KILL_TIMEOUT_S)
        cgroup.remove(directory)
