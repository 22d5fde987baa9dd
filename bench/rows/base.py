"""An experiment: some rows, and the function that fills them in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.bench import Bench
from bench.contenders.base import Contender
from bench.series import Row, Samples


@dataclass(frozen=True)
class Experiment:
    """`measure` gets those of the `programs` that work here; it returns samples by the rows' names."""

    rows: tuple[Row, ...]
    measure: Callable[[Bench, list[Contender]], dict[str, Samples]]
    programs: tuple[str, ...] = ("dacha", "podman", "distrobox")
    is_slow: bool = False  # left out of a quick run, unless asked for
    needs_root: bool = False  # only bench/run as root has a reader for this
