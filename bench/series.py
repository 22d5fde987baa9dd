"""Rows, the claims beside them and what came out, as values; and how samples are taken in turns."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Seconds, or bytes, by program.
Samples = dict[str, list[float]]

# Figures count as taken under foreign load where other programs keep more than this many CPUs busy.
FOREIGN_CPUS = 0.1

# How many samples make one burst of a tight loop; the first of each is thrown away.
_BURST = 5


@dataclass(frozen=True)
class Claim:
    """A median shall be at most `limit`: in the row's unit, or times that of the program `against`."""

    limit: float
    against: str = ""


@dataclass(frozen=True)
class Row:
    """One thing that is measured, of one or more programs."""

    name: str
    unit: str = "ms"
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class Load:
    """How busy the machine was before, and how many CPUs were while we did nothing, before or after."""

    average: float
    foreign_cpus: float

    @property
    def is_foreign(self) -> bool:
        return self.foreign_cpus > FOREIGN_CPUS


@dataclass(frozen=True)
class Result:
    """A row with what came out."""

    row: Row
    samples: Samples
    load: Load

    def median(self, program: str) -> float:
        """NaN if there are no samples of the program."""
        return statistics.median(self.samples.get(program) or [math.nan])

    def minimum(self, program: str) -> float:
        """NaN if there are no samples of the program."""
        return min(self.samples.get(program) or [math.nan])


@dataclass
class Run:
    """All that one run found, ready for a report or a JSON file."""

    host: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # programs and rows, and why
    has_failed: bool = False
    results: list[Result] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values; samples in seconds and bytes."""
        return asdict(self)


def in_turns(
    actions: Mapping[str, Callable[[], float]],
    count: int,
    *,
    warmups: int = 1,
    pause_s: float = 0.0,
) -> Samples:
    """Take samples A B C A B C ..., so that a change of the machine's mood hits all alike."""
    for _ in range(warmups):
        for act in actions.values():
            act()
    samples: Samples = {name: [] for name in actions}
    for _ in range(count):
        for name, act in actions.items():
            time.sleep(pause_s)
            samples[name].append(act())
    return samples


def in_bursts(actions: Mapping[str, Callable[[], float]], count: int) -> Samples:
    """Take samples of tight loops in turns: AAAA BBBB CCCC AAAA ...

    The first run after another program's has cold caches, and may meet what that one left to the background.
    """
    samples: Samples = {name: [] for name in actions}
    for _ in range(math.ceil(count / (_BURST - 1))):
        for name, act in actions.items():
            samples[name].extend([act() for _ in range(_BURST)][1:])
    return samples
