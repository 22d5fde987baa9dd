"""A session: one command in a running box, and everything it starts.

One setns(2) takes this process into the box, and its child into the box's processes. The
child is born in a cgroup of the session's own, whose death ends all of it. Where no cgroup
may be written, a *reaper* stands between: it adopts what the command leaves behind (that
stops at the pid namespace, so it must live in the box), and kills it on the word of the
parent, or at its death.

Who waits for whom: the caller for this process, this process for its child, which is the
command or the reaper, which waits for the command. When that has ended the reaper waits for
the parent's word once more: a hang-up may have ended it, and then the rest must end too.
"""

from __future__ import annotations

import errno
import os
import select

from dacha.engine.state import State
from dacha.linux import namespaces, signals
from dacha.linux.process import exit_code

TYPE_CHECKING = False
if TYPE_CHECKING:  # collections costs 2 ms to import
    from collections.abc import Callable

_GIVEN = -2  # in place of the descriptor whose end tells the reaper to kill
_HANGUP_CODE = 128 + signals.SIGHUP
_DEFAULTS = (
    signals.SIGHUP,
    signals.SIGINT,
    signals.SIGQUIT,
    signals.SIGPIPE,
    signals.SIGTERM,
    signals.SIGCHLD,
    signals.SIGTSTP,
    signals.SIGTTOU,
    signals.SIGWINCH,
    signals.SIGXFSZ,  # which Python ignores, as it does SIGPIPE
)
# Held back while the command is born: before that nobody could be told, afterwards it is.
_HELD = (
    signals.SIGHUP,
    signals.SIGINT,
    signals.SIGQUIT,
    signals.SIGTERM,
    signals.SIGUSR1,
    signals.SIGUSR2,
)


class Session:
    """Opened before the box is joined: afterwards the host's paths are gone."""

    __slots__ = (
        "_cgroup",
        "_cgroup_kill",
        "_cgroup_name",
        "_cgroup_parent",
        "_mask",
        "_order",
        "_pidfd",
        "_report",
        "_state",
        "pid",
    )

    def __init__(self, state: State, pidfd: int) -> None:
        self._state = state
        self._pidfd = pidfd
        self._order = self._report = -1
        self._cgroup = self._cgroup_kill = self._cgroup_parent = -1
        self._cgroup_name = f"s-{os.getpid()}"
        self.pid = -1
        if state.cgroup:
            self._open_cgroup(state.cgroup)

    def _open_cgroup(self, box: str) -> None:
        try:
            self._cgroup_parent = os.open(box, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.mkdir(self._cgroup_name, dir_fd=self._cgroup_parent)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            self._cgroup = os.open(self._cgroup_name, flags, dir_fd=self._cgroup_parent)
            kill = f"{self._cgroup_name}/cgroup.kill"
            self._cgroup_kill = os.open(kill, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._cgroup_parent)
        except OSError:  # seen from another mount namespace, or not ours to write: the reaper does it
            self._cgroup = -1

    def join(self) -> None:
        """Take this process into the box. Raises OSError; ESRCH if the box has just died.

        Undumpable first, or the box's root could read our descriptors under /proc. The
        cgroup namespace is left to the child: from inside it, we could not fork into a cgroup.
        """
        namespaces.set_undumpable()
        namespaces.setns(self._pidfd, self._state.namespaces & ~namespaces.NEWCGROUP)

    def start(self, body: Callable[[], None], *, ends_as_a_whole: bool) -> None:
        """Fork the session, which does `body` and does not return from it.

        With `ends_as_a_whole`, `kill` must reach everything the command starts. Signals wait
        until `heed_signals`, for the caller to set up what shall become of them.
        """
        self._mask = signals.pthread_sigmask(signals.SIG_BLOCK, _HELD)
        if self._cgroup >= 0:
            try:
                self.pid = namespaces.fork_into_cgroup(self._cgroup)
            except OSError as error:
                # From a login session no cgroup of the user's manager can be entered.
                if error.errno not in (
                    errno.EACCES,
                    errno.EPERM,
                    errno.ENOENT,
                    errno.EBUSY,
                    errno.EOPNOTSUPP,
                ):
                    raise
                self._drop_cgroup()
        if self._cgroup >= 0:
            if self.pid == 0:
                self._become(body)
            return
        reader = writer = -1
        if ends_as_a_whole:
            reader, self._order = os.pipe2(os.O_CLOEXEC)
            self._report, writer = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            if ends_as_a_whole:
                os.close(self._order)
                self._reap(body, reader, writer)
            self._become(body)
        if ends_as_a_whole:
            os.close(reader)
            os.close(writer)

    def heed_signals(self) -> None:
        """Take the signals that have waited since `start`, and those to come."""
        signals.pthread_sigmask(signals.SIG_SETMASK, self._mask)

    def open_end(self) -> int:
        """A descriptor that becomes readable when the command has ended."""
        return self._report if self._report >= 0 else os.pidfd_open(self.pid)

    def _become(self, body: Callable[[], None]) -> None:
        """In the child: the command. Never returns."""
        try:
            namespaces.setns(self._pidfd, namespaces.NEWCGROUP)
            signals.reset(*_DEFAULTS)
            self.heed_signals()
            body()
        except OSError as error:
            os.write(2, f"dacha: cannot begin the session: {error}\n".encode())
        finally:
            os._exit(125)

    def _reap(self, body: Callable[[], None], order: int, report: int) -> None:
        """In the child: stand between. Never returns.

        On a normal end of the command what is left belongs to the box's init.
        """
        code = 125
        try:
            # It must outlive the hang-up that it is there to carry out.
            signals.ignore(
                signals.SIGHUP,
                signals.SIGINT,
                signals.SIGQUIT,
                signals.SIGTERM,
                signals.SIGTSTP,
                signals.SIGWINCH,
            )
            namespaces.set_child_subreaper()
            command = os.fork()
            if command == 0:
                os.close(order)
                self._become(body)
            namespaces.set_name(b"dacha-session")
            wake_reader, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            signals.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
            signals.signal(signals.SIGCHLD, lambda *_: None)
            poll = select.poll()
            poll.register(wake_reader, select.POLLIN)
            poll.register(order, select.POLLIN)
            while True:
                status = _reap_dead(command)
                if status is not None:
                    code = exit_code(status)
                    os.write(report, b"x")
                    if not os.read(order, 1):
                        _kill_descendants()
                    break
                ready = [fd for fd, _ in poll.poll()]
                if order in ready:
                    _kill_descendants()
                    code = _HANGUP_CODE
                    break
                os.read(wake_reader, 64)
        finally:
            os._exit(code)

    def kill(self) -> None:
        """End the session: all of it, if it was started so; else the command."""
        if self._cgroup >= 0:
            os.write(self._cgroup_kill, b"1")
        elif self._order >= 0:
            os.close(self._order)
            self._order = _GIVEN
        elif self._order != _GIVEN:  # a hang-up often comes twice, and the reaper needs its life
            self.signal(signals.SIGKILL)

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the command, or to its process group."""
        try:
            if group:
                try:
                    os.killpg(self.pid, number)
                    return
                except ProcessLookupError:
                    pass  # it is on its way to a group of its own
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def wait(self) -> int:
        """Wait for the end of the command, and return its exit code."""
        if self._report >= 0:
            os.read(self._report, 1)
            if self._order >= 0:
                try:
                    os.write(self._order, b"x")
                except BrokenPipeError:
                    pass  # the box was stopped, and the reaper with it
        code = exit_code(os.waitpid(self.pid, 0)[1])
        self._drop_cgroup()
        return code

    def _drop_cgroup(self) -> None:
        if self._cgroup_parent >= 0:
            try:
                os.rmdir(self._cgroup_name, dir_fd=self._cgroup_parent)
            except OSError:
                pass  # something lives on in it: `stop` removes it
        self._cgroup = -1


def _reap_dead(command: int) -> int | None:
    """Collect whoever has died; the wait status of the command if it is among them."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == command:
                return status
            if pid == 0:
                return None
    except ChildProcessError:
        return 0


def _kill_descendants() -> None:
    """Kill all that descends from us, until nothing is left: who is killed hands us its children."""
    while True:
        found = _descendants(os.getpid())
        for pid in found:
            try:
                os.kill(pid, signals.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, 0 if not found else os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def _descendants(pid: int) -> list[int]:
    """All live descendants of `pid` in this pid namespace (proc(5), task/TID/children)."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in file.read().split():
                    found += [int(child), *_descendants(int(child))]
    except OSError:
        pass
    return found
