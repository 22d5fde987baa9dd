"""How the cost of verbs grows with an image's layers: linearly at most.

Each row is about the image with the most layers; the other lines have the same command with
images of fewer. Linear growth means that ten times the layers cost at most ten times as much,
which is a claim for each line. A pull has none: it asks the registry for each layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from bench import made
from bench.bench import Bench
from bench.contenders.base import Contender
from bench.contenders.dacha import Dacha
from bench.programs import output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_turns

_MOST = 1000
_FEWER = (1, 10, 100, 500)
# A pull of a thousand layers takes half a minute, and is good for several samples of what is quick.
_REPEATED = 4


def _line(count: int) -> str:
    """What the samples of an image with so many layers are called."""
    return "dacha" if count == _MOST else f"{count} layer{'s' if count > 1 else ''}"


_CLAIMS = tuple(Claim(_MOST / count, _line(count)) for count in _FEWER)
_PULL = Row(f"pull, image of {_MOST} layers")
_CREATE = Row(f"create, image of {_MOST} layers", claims=_CLAIMS)
_LIST = Row(f"image list, image of {_MOST} layers", claims=_CLAIMS)
_REMOVE = Row(f"image rm, image of {_MOST} layers", claims=_CLAIMS)
_ROWS = (_PULL, _CREATE, _LIST, _REMOVE)


def _push(bench: Bench) -> dict[int, str]:
    """The images by their number of layers, each of the first of the same tiny ones."""
    registry = bench.registry
    counts = (_MOST, *_FEWER)

    def make(directory: Path) -> list[made.Layer]:
        layers = [made.tiny(number, directory) for number in range(_MOST)]
        registry.push_layers("layers", layers)
        for count in counts:
            registry.push_image("layers", f"n{count}", layers[:count])
        return layers

    repository = registry.provide("layers", make).removesuffix(":latest")
    return {count: f"{repository}:n{count}" for count in counts}


def _life(dacha: Dacha, image: str, note: Callable[[Row, float], None]) -> float:
    """An image comes, gets a box, is listed and goes; the store has no other."""
    note(_PULL, timed(dacha.pull(image)))
    for _ in range(_REPEATED):
        note(_CREATE, timed(dacha.create("grown", image)))
        note(_LIST, timed(dacha.list_images()))
        output(dacha.remove("grown"))
    note(_REMOVE, timed(dacha.remove_image(image)))
    return 0.0


def _measure(bench: Bench, _contenders: list[Contender]) -> dict[str, Samples]:
    filled: dict[str, Samples] = {row.name: {} for row in _ROWS}
    actions = {}
    for count, image in _push(bench).items():
        dacha = Dacha(bench.fresh_site("growth"), bench.archive)

        def note(row: Row, seconds: float, count: int = count) -> None:
            filled[row.name].setdefault(_line(count), []).append(seconds)

        actions[_line(count)] = functools.partial(_life, dacha, image, note)
    in_turns(actions, bench.count(2, 1), warmups=0)
    return filled


EXPERIMENTS = (Experiment(_ROWS, _measure, programs=("dacha",), is_slow=True),)
