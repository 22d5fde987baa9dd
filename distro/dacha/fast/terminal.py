"""A terminal in the box for the terminal outside: a pseudo-terminal of the box, and a relay.

The relay passes bytes both ways, and the window's size; it puts the outer terminal into raw
mode and back. When the outer one hangs up, or somebody ends us, the session is killed,
whatever it ignores.
"""

from __future__ import annotations

import fcntl
import os
import select
import termios

from dacha.fast.session import Session
from dacha.linux import memory, signals

TYPE_CHECKING = False
if TYPE_CHECKING:  # collections costs 2 ms to import
    from collections.abc import Callable

_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_TIOCGWINSZ = 0x5413
_TIOCSWINSZ = 0x5414
_TIOCSCTTY = 0x540E
_CHUNK = 65536
# More than this is not taken from the outer terminal until the command has read some.
_MAX_PENDING = 1 << 20

_Attributes = list[int | list[bytes | int]]


class _EndedError(Exception):
    """The outer terminal has hung up, or somebody ends us."""


class Terminal:
    """The outer terminal on descriptors 0 and 1, and a new one in the box. Made after the box is joined."""

    def __init__(self) -> None:
        self._saved: _Attributes = termios.tcgetattr(0)
        self._master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.ioctl(self._master, _TIOCSPTLCK, b"\0\0\0\0")
        self._slave = fcntl.ioctl(self._master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
        termios.tcsetattr(self._slave, termios.TCSANOW, self._saved)
        self._pending = b""  # typed, and not yet taken by the command
        self._ended_by = 0
        self._is_relaying = False
        self._copy_size()

    def _copy_size(self) -> None:
        size = fcntl.ioctl(0, _TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(self._master, _TIOCSWINSZ, size)

    def adopt(self) -> None:
        """In the session's child: make it the controlling terminal and the standard streams."""
        os.setsid()
        fcntl.ioctl(self._slave, _TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(self._slave, fd)

    def relay(self, session: Session, mappings: int) -> int:
        """Pass everything on until the command ends; its exit code, or 128+n if signal n ended us."""
        os.close(self._slave)
        wake, end = self._watch_signals(), session.open_end()
        termios.tcsetattr(0, termios.TCSADRAIN, _raw(self._saved))
        try:
            try:
                self._is_relaying = True
                session.heed_signals()
                memory.release_files(mappings)
                self._pump(wake, end)
                self._pass_output()
                self._is_relaying = False
            except _EndedError:
                session.kill()
            code = session.wait()
        finally:
            try:
                termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
            except termios.error:
                pass  # the outer terminal is gone
        return 128 + self._ended_by if self._ended_by else code

    def _watch_signals(self) -> int:
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signals.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signals.signal(signals.SIGWINCH, lambda *_: self._copy_size())
        for number in (signals.SIGHUP, signals.SIGTERM):
            signals.signal(number, self._end)
        return reader

    def _end(self, number: int, _frame: object = None) -> None:
        # It raises, since a write(2) to a terminal that nobody reads is taken up again otherwise.
        if self._is_relaying and not self._ended_by:
            self._ended_by = number
            raise _EndedError

    def _pump(self, wake: int, end: int) -> None:
        poll = select.poll()
        for fd in (wake, end):
            poll.register(fd, select.POLLIN)
        is_open = True
        while True:
            poll.register(0, select.POLLIN if len(self._pending) < _MAX_PENDING else 0)
            if is_open:
                poll.register(self._master, select.POLLIN | (select.POLLOUT if self._pending else 0))
            events = dict(poll.poll())
            if wake in events:
                _drain(wake)
            if events.get(self._master, 0) & (select.POLLIN | select.POLLHUP | select.POLLERR):
                is_open = self._pass_output(once=True)
                if not is_open:  # nobody has it open; a command may still open /dev/tty anew
                    poll.unregister(self._master)
            if 0 in events:
                self._take_input()
            if self._pending and is_open:
                self._pass_input()
            if end in events:
                return

    def _take_input(self) -> None:
        try:
            data = os.read(0, _CHUNK)
        except OSError:
            data = b""
        if data:
            self._pending += data
        else:
            self._end(signals.SIGHUP)

    def _pass_input(self) -> None:
        try:
            self._pending = self._pending[os.write(self._master, self._pending) :]
        except BlockingIOError:
            pass
        except OSError:
            self._pending = b""

    def _pass_output(self, *, once: bool = False) -> bool:
        """Pass on what the box has written; False when nobody in it has the terminal open any more."""
        while True:
            try:
                data = os.read(self._master, _CHUNK)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            try:
                while data:
                    data = data[os.write(1, data) :]
            except OSError:
                self._end(signals.SIGHUP)
            if once:
                return True


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 64):
            pass
    except BlockingIOError:
        pass


def _raw(attributes: _Attributes) -> _Attributes:
    """As cfmakeraw(3), but for output processing of none: the box's terminal does it all."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = attributes
    assert isinstance(iflag, int) and isinstance(oflag, int) and isinstance(cflag, int)  # noqa: S101, PT018
    assert isinstance(lflag, int) and isinstance(characters, list)  # noqa: S101, PT018
    iflag &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
        | termios.INPCK
    )
    oflag &= ~termios.OPOST
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, characters]


def run_on_terminal(session: Session, body: Callable[[], None], mappings: int) -> int:
    """Start the session on a terminal of its own, and stay until it ends. Its exit code.

    `mappings`, a descriptor, says which memory to give back: a relay needs little of the interpreter.
    """
    terminal = Terminal()

    def on_terminal() -> None:
        terminal.adopt()
        body()

    session.start(on_terminal, ends_as_a_whole=True)
    return terminal.relay(session, mappings)
