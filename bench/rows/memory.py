"""Memory: the processes that are there only because of a box, or of a session.

What all of a user's containers share, such as podman's pause process, is left out.
"""

from __future__ import annotations

import contextlib
import functools
import os

from bench import processes
from bench.bench import Bench
from bench.contenders.base import Contender
from bench.programs import ProgramError, Session
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns

_SESSIONS = 5

_BOX = Row("a running box, PSS", unit="MB")
_PROCESSES = Row("a running box, processes", unit="", claims=(Claim(1),))
_SESSION = Row("an open session on a terminal, PSS", unit="MB", claims=(Claim(6),))
_EACH_SESSION = Row(f"each of {_SESSIONS} open sessions, PSS", unit="MB")

# Years, in seconds: a command line that nothing else has.
_SLEEP = ["sleep", f"7{os.getpid():08d}"]


def _measure_box(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    """Of the main boxes, once: a second one of distrobox would take half a minute to get ready."""
    filled: dict[str, Samples] = {_BOX.name: {}, _PROCESSES.name: {}}
    for contender in contenders:
        pids = [pid for pid in bench.box_processes[contender.name] if processes.arguments(pid)]
        filled[_BOX.name][contender.name] = [float(processes.pss_bytes(pids, bench.reader))]
        filled[_PROCESSES.name][contender.name] = [float(len(pids))]
    return filled


def _open(contender: Contender) -> Session:
    return Session(contender.enter(contender.main, *_SLEEP, on_terminal=True))


def _session_bytes(bench: Bench, contender: Contender, count: int) -> float:
    """For each of `count` sessions, what is there beside the command they run."""
    before = processes.all_pids()
    with contextlib.ExitStack() as sessions:
        for _ in range(count):
            sessions.enter_context(_open(contender))
        started = processes.started_since(before)
        helpers = [pid for pid in started if processes.arguments(pid) != _SLEEP]
        if len(started) - len(helpers) != count:
            raise ProgramError(f"{contender.name} did not start `{' '.join(_SLEEP)}` on a terminal in time")
        return processes.pss_bytes(helpers, bench.reader) / count


def _measure_session(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    filled = {}
    for row, count in ((_SESSION, 1), (_EACH_SESSION, _SESSIONS)):
        actions = {
            contender.name: functools.partial(_session_bytes, bench, contender, count)
            for contender in contenders
        }
        filled[row.name] = in_turns(actions, bench.count(3, 1), warmups=0)
    return filled


EXPERIMENTS = (
    Experiment((_BOX, _PROCESSES), _measure_box),
    Experiment((_SESSION, _EACH_SESSION), _measure_session, needs_root=True),
)
