"""A session on the caller's own streams, for scripts: bytes go through untouched."""

from __future__ import annotations

import os

from dacha.fast.session import Session
from dacha.linux import namespaces, signals

TYPE_CHECKING = False
if TYPE_CHECKING:  # collections costs 2 ms to import
    from collections.abc import Callable

_PASSED_ON = (
    signals.SIGTERM,
    signals.SIGHUP,
    signals.SIGINT,
    signals.SIGQUIT,
    signals.SIGUSR1,
    signals.SIGUSR2,
)


def run_on_pipes(session: Session, body: Callable[[], None], *, has_terminal: bool) -> int:
    """Start the session on our descriptors, and wait for its end. Its exit code.

    Where stdin is a terminal (`has_terminal`) the command stays in the caller's process
    group, so that ^C and ^Z mean the whole pipeline. Elsewhere it gets a session of its
    own, so that `kill 0` in the box does not reach the caller; signals are passed on.
    """

    def on_pipes() -> None:
        if not has_terminal:
            os.setsid()
            namespaces.set_parent_death_signal(signals.SIGKILL)
        body()

    session.start(on_pipes, ends_as_a_whole=has_terminal)
    if has_terminal:
        signals.ignore(signals.SIGINT, signals.SIGQUIT)
        for number in (signals.SIGTERM, signals.SIGHUP):
            signals.signal(number, lambda *_: session.kill())
    else:
        for number in _PASSED_ON:
            signals.signal(number, lambda number, _: session.signal(number, group=True))
    session.heed_signals()
    return session.wait()
