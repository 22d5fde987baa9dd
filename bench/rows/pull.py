"""Pulling from a registry on this machine: the time until the image, or its first box, is there; memory."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from bench import made
from bench.bench import Bench
from bench.contenders.base import Contender
from bench.made import Layer
from bench.peak import peak_bytes
from bench.programs import output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns

_PARTS = 12

_PULL = Row("pull an image of Debian", claims=(Claim(0.6, "podman"),))
_FIRST_BOX = Row("pull an image of Debian, first box", claims=(Claim(0.45, "podman"),))
_AGAIN = Row("pull an image of Debian again", claims=(Claim(150),))
_PULL_PARTS = Row(f"pull an image of {_PARTS} layers", claims=(Claim(0.6, "podman"),))
_FIRST_BOX_PARTS = Row(f"pull an image of {_PARTS} layers, first box", claims=(Claim(0.45, "podman"),))
_AGAIN_PARTS = Row(f"pull an image of {_PARTS} layers again", claims=(Claim(150),))

_PEAK = Row("peak memory of a pull, Debian", unit="MB", claims=(Claim(150),))
_PEAK_PARTS = Row(f"peak memory of a pull, {_PARTS} layers", unit="MB", claims=(Claim(150),))
_PEAK_LARGE = Row("peak memory of a pull, large layer", unit="MB", claims=(Claim(150),))


def _whole(bench: Bench) -> str:
    def make(directory: Path) -> list[Layer]:
        return [made.whole(bench.archive, directory)]

    return bench.registry.provide("debian", make)


def _parts(bench: Bench) -> str:
    def make(directory: Path) -> list[Layer]:
        return made.dealt_out(bench.archive, _PARTS, directory)

    return bench.registry.provide("parts", make)


def _large(bench: Bench) -> str:
    bench.facts["large layer"] = f"{bench.large_layer_mb} MB"

    def make(directory: Path) -> list[Layer]:
        return [made.large(bench.large_layer_mb, directory)]

    return bench.registry.provide("large", make)


def _empty(bench: Bench, contender: Contender) -> Contender:
    """The program with a store that has nothing in it yet."""
    there = type(contender)(bench.fresh_site("pull"), bench.archive)
    output(there.list_images())  # makes the store
    os.sync()  # nothing earlier must be this one's burden
    return there


def _measure_pull(
    bench: Bench, contenders: list[Contender], image: str, rows: tuple[Row, Row, Row]
) -> dict[str, Samples]:
    """A pull, a box and another pull in one new store; the sum of the first two is a row, too."""
    pull, first_box, again = rows
    filled: dict[str, Samples] = {row.name: {} for row in rows}

    def act(contender: Contender) -> float:
        there = _empty(bench, contender)
        seconds = timed(there.pull(image))
        until_box = seconds + timed(there.create("first", image))
        for row, value in ((pull, seconds), (first_box, until_box), (again, timed(there.pull(image)))):
            filled[row.name].setdefault(contender.name, []).append(value)
        return seconds

    actions = {contender.name: functools.partial(act, contender) for contender in contenders}
    in_turns(actions, bench.count(5, 1), warmups=0)
    return filled


def _measure_whole(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    return _measure_pull(bench, contenders, _whole(bench), (_PULL, _FIRST_BOX, _AGAIN))


def _measure_parts(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
    rows = (_PULL_PARTS, _FIRST_BOX_PARTS, _AGAIN_PARTS)
    return _measure_pull(bench, contenders, _parts(bench), rows)


def _peak(row: Row, provide: Callable[[Bench], str]) -> Experiment:
    """The experiment that fills this row with pulls of an image, each into a new store."""

    def measure(bench: Bench, contenders: list[Contender]) -> dict[str, Samples]:
        image = provide(bench)

        def act(contender: Contender) -> float:
            return peak_bytes(_empty(bench, contender).pull(image))

        actions = {contender.name: functools.partial(act, contender) for contender in contenders}
        return {row.name: in_turns(actions, bench.count(3, 1), warmups=0)}

    return Experiment((row,), measure, programs=("dacha", "podman"))


EXPERIMENTS = (
    Experiment((_PULL, _FIRST_BOX, _AGAIN), _measure_whole, programs=("dacha", "podman")),
    Experiment((_PULL_PARTS, _FIRST_BOX_PARTS, _AGAIN_PARTS), _measure_parts, programs=("dacha", "podman")),
    _peak(_PEAK, _whole),
    _peak(_PEAK_PARTS, _parts),
    _peak(_PEAK_LARGE, _large),
)
