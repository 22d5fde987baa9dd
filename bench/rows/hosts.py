"""What every kind of host is promised: a look at it, and a new box to be in at once.

The other promise, that a login session costs an `enter` at most 15 ms more, is kept by the
limits of `login`, which are stricter.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.contenders.dacha import Dacha
from bench.programs import output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns


def _new_box(dacha: Dacha, names: Callable[[], str]) -> float:
    """`create` and the first `enter` of a box whose image is in the store."""
    box = dacha.box(names())
    seconds = timed(dacha.create(box)) + timed(dacha.enter(box, "true"))
    output(dacha.remove(box))
    return seconds


def experiments(prefix: str = "") -> tuple[Experiment, ...]:
    """The rows, their names after `prefix`."""
    doctor = Row(f"{prefix}doctor", claims=(Claim(1500),))
    new_box = Row(f"{prefix}create and first enter", claims=(Claim(500),))

    def measure(bench: Bench, _contenders: list[Contender]) -> dict[str, Samples]:
        numbers = itertools.count()
        actions = {
            doctor.name: functools.partial(timed, bench.dacha.doctor()),
            new_box.name: functools.partial(_new_box, bench.dacha, lambda: f"host{next(numbers)}"),
        }
        samples = in_turns(actions, bench.count(15, 3))
        return {name: {"dacha": taken} for name, taken in samples.items()}

    return (Experiment((doctor, new_box), measure, programs=("dacha",)),)


EXPERIMENTS = experiments()
IN_LOGIN = experiments("login: ")
