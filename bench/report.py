"""A run as a table: aligned text, or markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.series import FOREIGN_CPUS, Claim, Result, Run

_HEADINGS = (
    "what",
    "program",
    "median",
    "minimum",
    "n",
    "ratio (of minima)",
    "claim for dacha",
    "load",
)

# Samples are seconds and bytes; a row without a unit counts things.
_SCALES = {"ms": 1e3, "s": 1.0, "MB": 1e-6, "": 1.0}

Line = tuple[str, ...]


def as_text(run: Run) -> str:
    """For a terminal."""
    width = max(len(name) for name in [*run.host, *run.versions])
    facts = [f"{name.ljust(width)}  {value}" for name, value in _facts(run)]
    lines = list(_lines(run))
    widths = [max(len(line[column]) for line in [_HEADINGS, *lines]) for column in range(len(_HEADINGS))]
    table = [_aligned(_HEADINGS, widths), "  ".join("-" * width for width in widths)]
    for line in lines:
        if line[0] and len(table) > 2:
            table.append("")
        table.append(_aligned(line, widths))
    return "\n".join([*facts, "", *table, "", *_notes(run)]) + "\n"


def as_markdown(run: Run) -> str:
    """For docs/performance.md."""
    facts = [f"- {name}: {value}" for name, value in _facts(run)]
    rule = ("---", "---", "--:", "--:", "--:", "--:", "---", "--:")
    table = [f"| {' | '.join(line)} |" for line in (_HEADINGS, rule, *_lines(run))]
    return "\n\n".join(["\n".join(facts), "\n".join(table), *_notes(run)]) + "\n"


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    yield from run.host.items()
    yield from run.versions.items()


def _aligned(line: Line, widths: list[int]) -> str:
    cells = [
        text.rjust(width) if column in (2, 3, 4, 5, 7) else text.ljust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _lines(run: Run) -> Iterator[Line]:
    for result in run.results:
        for number, program in enumerate(result.samples):
            is_first = number == 0
            yield (
                result.row.name if is_first else "",
                program,
                _amount(result, result.median(program)),
                _amount(result, result.minimum(program)),
                str(len(result.samples[program])),
                "" if program == "dacha" else _ratios(result, program),
                "; ".join(_verdict(result, claim) for claim in _claims(result, program)),
                _load(result) if is_first else "",
            )


def _amount(result: Result, value: float) -> str:
    return f"{_digits(value * _SCALES[result.row.unit], 3)} {result.row.unit}".rstrip()


def _digits(value: float, count: int) -> str:
    """A number of so many significant digits, or more before the point."""
    if value == 0 or math.isnan(value):
        return "0" if value == 0 else "-"
    if value == int(value) and value < 10**count:
        return str(int(value))
    places = count - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(places, 0)}f}"


def _ratios(result: Result, program: str) -> str:
    median = result.median("dacha") / (result.median(program) or math.nan)
    minimum = result.minimum("dacha") / (result.minimum(program) or math.nan)
    return "" if math.isnan(median) else f"{_digits(median, 2)} ({_digits(minimum, 2)})"


def _claims(result: Result, program: str) -> list[Claim]:
    """Ratios stand beside the other program, absolute limits beside dacha."""
    return [claim for claim in result.row.claims if (claim.against or "dacha") == program]


def _verdict(result: Result, claim: Claim) -> str:
    if claim.against:
        found = result.median("dacha") / (result.median(claim.against) or math.nan)
        limit = f"ratio ≤ {claim.limit:g}"
    else:
        found = result.median("dacha") * _SCALES[result.row.unit]
        limit = f"≤ {claim.limit:g} {result.row.unit}".rstrip()
    return f"{limit}: {'held' if found <= claim.limit else 'not held'}"


def _load(result: Result) -> str:
    return f"{result.load.average:.2f}{' †' if result.load.is_foreign else ''}"


def _notes(run: Run) -> list[str]:
    notes = [f"{name} is missing: {reason}" for name, reason in run.missing.items()]
    if any(result.load.is_foreign for result in run.results):
        notes.append(
            f"† Other programs kept more than {FOREIGN_CPUS:g} CPUs busy right before or after:"
            " trust the ratios more than the times."
        )
    return notes
