"""From `create` to `rm`, with the image in the store."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.programs import output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns

_CREATE = Row("create", claims=(Claim(60),))
_START = Row("start", claims=(Claim(70),))
_STOP = Row("stop", claims=(Claim(60),))
_REMOVE = Row("rm of a running box", claims=(Claim(80),))
_CREATE_FIRST = Row("create, first box of an image", claims=(Claim(60), Claim(0.05, "podman")))
_START_FIRST = Row("start, no other box running", claims=(Claim(70),))

_Filled = dict[str, Samples]


def _note(filled: _Filled, row: Row, contender: Contender, seconds: float) -> None:
    filled[row.name].setdefault(contender.name, []).append(seconds)


def _cycle(contender: Contender, filled: _Filled) -> Callable[[], float]:
    """One life of a box, noted in `filled`; other boxes run meanwhile."""
    numbers = itertools.count()

    def live() -> float:
        box = contender.box(f"life{next(numbers)}")
        _note(filled, _CREATE, contender, timed(contender.create(box)))
        if contender.name != "distrobox":  # whose first start installs packages
            _note(filled, _START, contender, timed(contender.start(box)))
            _note(filled, _STOP, contender, timed(contender.stop(box)))
            output(contender.start(box))
            _note(filled, _REMOVE, contender, timed(contender.remove(box)))
        else:
            output(contender.remove(box))
        return 0.0

    return live


def _measure(bench: Bench, contenders: list[Contender]) -> _Filled:
    warm_up: _Filled = {row.name: {} for row in (_CREATE, _START, _STOP, _REMOVE)}
    for contender in contenders:
        _cycle(contender, warm_up)()
    filled: _Filled = {row.name: {} for row in (_CREATE, _START, _STOP, _REMOVE)}
    cycles = {contender.name: _cycle(contender, filled) for contender in contenders}
    in_turns(cycles, bench.count(15, 3), warmups=0)
    return filled


def _measure_first(bench: Bench, contenders: list[Contender]) -> _Filled:
    filled: _Filled = {_CREATE_FIRST.name: {}, _START_FIRST.name: {}}
    kinds = [type(contender) for contender in contenders]
    for _ in range(bench.count(5, 1)):
        for kind in kinds:
            site = bench.fresh_site("first")
            contender = kind(site, bench.archive)
            output(contender.load_image())
            _note(filled, _CREATE_FIRST, contender, timed(contender.create("first")))
            _note(filled, _START_FIRST, contender, timed(contender.start("first")))
            output(contender.remove("first"))
    return filled


EXPERIMENTS = (
    Experiment((_CREATE, _START, _STOP, _REMOVE), _measure),
    Experiment((_CREATE_FIRST, _START_FIRST), _measure_first, programs=("dacha", "podman"), is_slow=True),
)
