"""docs/doctor.md: its tables come from the checks themselves.

DACHA_UPDATE_GOLDEN=1 rewrites them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from dacha.box.doctor import ALL, box
from dacha.box.doctor.base import Check

_FILE = Path(__file__).parents[4] / "docs/doctor.md"
_BEGIN, _END = "<!-- checks: written by tests/unit/box/doctor/test_docs.py -->", "<!-- end of checks -->"


def _tables(checks: Sequence[Check]) -> str:
    """A table for each subject."""
    parts = []
    for subject, members in groupby(checks, key=lambda check: check.subject):
        rows = [f"| {check.name} | {check.meaning} | {_cost(check)} |" for check in members]
        parts += [f"### {subject}", "", "| line | what it means | if not |", "|---|---|---|", *rows, ""]
    return "\n".join(parts)


def _cost(check: Check) -> str:
    return f"**{check.cost}**" if check.stops else check.cost


def test_the_page_says_what_the_checks_say() -> None:
    text = _FILE.read_text()
    head, begin, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    assert begin
    assert end
    wanted = f"{head}{_BEGIN}\n\n{_tables((*ALL, *box.CHECKS))}\n{_END}{tail}"
    if os.environ.get("DACHA_UPDATE_GOLDEN") == "1":
        _FILE.write_text(wanted)
        text = wanted
    assert text == wanted, "right? DACHA_UPDATE_GOLDEN=1 pytest rewrites it"
