"""Signals, without `signal`, whose enumerations cost 5 ms to import (its C core has all else)."""

from __future__ import annotations

from _signal import (  # type: ignore[import-not-found]
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIG_SETMASK,
    pthread_sigmask,
    set_wakeup_fd,
    signal,
)

SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGPIPE, SIGTERM = 1, 2, 3, 9, 13, 15
# The same on every architecture that has an image; signal(7) lists the odd ones (alpha, mips, sparc).
SIGUSR1, SIGUSR2, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH = 10, 12, 17, 20, 21, 22, 28
SIGXFSZ = 25

__all__ = ["SIG_BLOCK", "SIG_DFL", "SIG_IGN", "SIG_SETMASK", "pthread_sigmask", "set_wakeup_fd", "signal"]


def reset(*numbers: int) -> None:
    """Give signals their default action."""
    for number in numbers:
        signal(number, SIG_DFL)


def ignore(*numbers: int) -> None:
    """Ignore signals."""
    for number in numbers:
        signal(number, SIG_IGN)
