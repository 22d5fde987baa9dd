"""Tab: the program that completion scripts call, with and without the catalog's cache."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.programs import Command, output, timed
from bench.rows.base import Experiment
from bench.series import Claim, Row, Samples, in_bursts, in_turns

_BOXES = Row("complete a box", claims=(Claim(20),))
_CATALOG = Row("complete an image of the catalog", claims=(Claim(60),))
_CATALOG_FIRST = Row("complete an image of a catalog that has changed", claims=(Claim(60),))

_IMAGE = ("create", "--image", "deb")


def _without_cache(command: Command, cache: Path) -> float:
    shutil.rmtree(cache, ignore_errors=True)
    return timed(command)


def _measure(bench: Bench, _contenders: list[Contender]) -> dict[str, Samples]:
    cache = bench.fresh_site("cache").files / "cache"
    boxes = bench.dacha.complete("rm", "")
    plain = bench.dacha.complete(*_IMAGE)
    catalog = Command(plain.argv, {**plain.env, "XDG_CACHE_HOME": str(cache)})
    output(catalog)  # makes the cache
    tight = {_BOXES: boxes, _CATALOG: catalog}
    samples = {
        row.name: in_bursts({"dacha": functools.partial(timed, command)}, bench.count(40, 8))
        for row, command in tight.items()
    }
    first = {"dacha": functools.partial(_without_cache, catalog, cache)}
    return {**samples, _CATALOG_FIRST.name: in_turns(first, bench.count(15, 3))}


EXPERIMENTS = (Experiment((_BOXES, _CATALOG, _CATALOG_FIRST), _measure, programs=("dacha",)),)
