"""Many at once."""

from __future__ import annotations

import functools
from collections.abc import Callable

from bench import processes
from bench.bench import Bench
from bench.contenders.base import Contender
from bench.programs import output, timed, timed_together
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns

_STARTED = 20
_ENTERED = 10
_LISTED = 100

_START = Row(f"{_STARTED} boxes started at once", claims=(Claim(800),))
_MEMORY = Row(f"each of {_STARTED} running boxes, PSS", unit="MB", claims=(Claim(0.1),))
_ENTER = Row(f"{_ENTERED} enters at once")
_LIST = Row(f"list, with {_LISTED} boxes", claims=(Claim(150),))


def _start_many(bench: Bench, contender: Contender, bytes_each: list[float]) -> Callable[[], float]:
    """Start boxes at once, and note the memory of each, with what they share divided among them."""

    def act() -> float:
        boxes = [contender.box(f"crowd{number}") for number in range(_STARTED)]
        for box in boxes:
            output(contender.create(box))
        before = processes.all_pids()
        seconds = timed_together([contender.start(box) for box in boxes])
        started = processes.started_since(before)
        bytes_each.append(processes.pss_bytes(started, bench.reader) / _STARTED)
        output(contender.remove(*boxes))
        return seconds

    return act


def _measure_start(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    memory: Samples = {contender.name: [] for contender in contenders}
    actions = {
        contender.name: _start_many(bench, contender, memory[contender.name]) for contender in contenders
    }
    return {_START.name: in_turns(actions, bench.count(4, 1), warmups=0), _MEMORY.name: memory}


def _measure_enter(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    actions = {
        contender.name: functools.partial(
            timed_together, [contender.enter(contender.main, "true")] * _ENTERED
        )
        for contender in contenders
    }
    return {_ENTER.name: in_turns(actions, bench.count(8, 2))}


def _measure_list(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    """distrobox lists its own boxes among podman's hundred."""
    owners = [contender for contender in contenders if contender.name != "distrobox"]
    if bench.is_quick:
        owners = contenders = owners[:1]
    boxes = {
        contender.name: [contender.box(f"list{number}") for number in range(_LISTED - 1)]  # and the main one
        for contender in owners
    }
    for contender in owners:
        bench.say(f"making {_LISTED} boxes with {contender.name}")
        for box in boxes[contender.name]:
            output(contender.create(box))
    actions = {contender.name: functools.partial(timed, contender.listing()) for contender in contenders}
    samples = in_turns(actions, bench.count(15, 5))
    for contender in owners:
        output(contender.remove(*boxes[contender.name]))
    return {_LIST.name: samples}


EXPERIMENTS = (
    Experiment((_START, _MEMORY), _measure_start, programs=("dacha", "podman")),
    Experiment((_ENTER,), _measure_enter),
    Experiment((_LIST,), _measure_list),
)
