"""`enter` and `run` in a box that runs.

A tight loop hides what an idle machine pays on waking up; with pauses, commands come as people type them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.programs import Command, output, timed, timed_on_terminal
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_bursts, in_turns

PAUSE_S = 0.3

_RATIOS = (Claim(0.15, "podman"), Claim(0.08, "distrobox"))
_TIGHT = Row("enter, tight loop", claims=(*_RATIOS, Claim(15)))
_PAUSES = Row("enter, pauses", claims=(*_RATIOS, Claim(18)))
_TERMINAL_TIGHT = Row("enter on a terminal, tight loop", claims=(Claim(20),))
_TERMINAL_PAUSES = Row("enter on a terminal, pauses", claims=(Claim(20),))
_RUN = Row("run, tight loop")

_NAMESPACES = ("user", "mnt", "pid", "uts", "ipc", "net", "cgroup")

_Actions = dict[str, Callable[[], float]]


def _action(contender: Contender) -> Callable[[], float]:
    return functools.partial(timed, contender.enter(contender.main, "true"))


def plain(contenders: list[Contender]) -> _Actions:
    """Enter without a terminal."""
    return {contender.name: _action(contender) for contender in contenders}


def on_terminal(contenders: list[Contender]) -> _Actions:
    """Enter on a terminal of one's own."""
    return {
        contender.name: functools.partial(
            timed_on_terminal, contender.enter(contender.main, "true", on_terminal=True)
        )
        for contender in contenders
    }


def _floors(bench: Bench) -> _Actions:
    """For orientation: the interpreter alone, and a C program that does the least there is to do."""
    python = bench.site.command("/usr/bin/python3", "-I", "-S", "-c", "pass")
    return {
        "python3, bare": functools.partial(timed, python),
        "nsenter": functools.partial(timed, _nsenter(bench)),
    }


def _nsenter(bench: Bench) -> Command:
    """nsenter into all namespaces that dacha's box does not share with us."""
    pid = int(json.loads(output(bench.dacha.inspect(bench.dacha.main)))[0]["pid"])
    flags = [
        "--mount" if kind == "mnt" else f"--{kind}"
        for kind in _NAMESPACES
        if Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()
    ]
    return bench.site.command("nsenter", f"--target={pid}", *flags, "--preserve-credentials", "true")


def _measure_plain(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    actions = plain(contenders)
    tight = in_bursts(actions | _floors(bench), bench.count(60, 12))
    return {
        _TIGHT.name: tight,
        _PAUSES.name: in_turns(actions, bench.count(25, 4), pause_s=PAUSE_S),
    }


def _measure_terminal(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    actions = on_terminal(contenders)
    return {
        _TERMINAL_TIGHT.name: in_bursts(actions, bench.count(40, 8)),
        _TERMINAL_PAUSES.name: in_turns(actions, bench.count(20, 4), pause_s=PAUSE_S),
    }


def _measure_run(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    run = functools.partial(timed, bench.dacha.run(bench.dacha.main, "true"))
    return {_RUN.name: in_bursts(plain(contenders) | {"dacha": run}, bench.count(40, 8))}


EXPERIMENTS = (
    Experiment((_TIGHT, _PAUSES), _measure_plain),
    Experiment((_TERMINAL_TIGHT, _TERMINAL_PAUSES), _measure_terminal),
    Experiment((_RUN,), _measure_run, programs=("dacha", "podman")),
)
