"""docs/hosts.md: its tables are what was measured.

DACHA_UPDATE_GOLDEN=1 rewrites them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.hosts import hosts
from tests.hosts.checks import CHECKS
from tests.hosts.hosts import Host
from tests.hosts.visit import REFUSED, UNTRIED, WORKS, WRONG, Outcome

_FILE = Path(__file__).parents[2] / "docs/hosts.md"
_BEGIN, _END = "<!-- measured: written by tests/hosts/test_hosts.py -->", "<!-- end of what was measured -->"
_MARKS = {WORKS: "✓", REFUSED: "✗", WRONG: "‼", UNTRIED: "–"}  # noqa: RUF001  (a dash for the eye)

Results = Mapping[str, Mapping[str, Outcome]]


def _tables(results: Results) -> str:
    """The meaning of the columns, and a table for each group of hosts."""
    parts = ["| column | what is done |", "|---|---|"]
    parts += [f"| {check.name} | {check.about} |" for check in CHECKS]
    for title, members in hosts.GROUPS:
        names = [check.name for check in CHECKS if any(check.name in host.columns for host in members)]
        parts += ["", f"### {title}", "", f"| host | {' | '.join(names)} | the doctor's line |"]
        parts += ["|---" * (len(names) + 2) + "|"]
        parts += [_row(host, names, results[host.name]) for host in members]
    return "\n".join([*parts, ""])


def _row(host: Host, names: list[str], outcomes: Mapping[str, Outcome]) -> str:
    marks = [_MARKS[outcomes.get(name, Outcome(UNTRIED)).status] for name in names]
    if host.is_broken and marks[0] == _MARKS[WORKS]:
        marks[0] = "1"
    line = f"{host.doctor[0]}: {host.doctor[1]}" if host.doctor[0] else ""
    return f"| **{host.name}**: {host.about} | {' | '.join(marks)} | {line} |"


def assert_says(results: Results) -> None:
    """The page has these results; or gets them."""
    text = _FILE.read_text()
    head, begin, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    assert begin
    assert end
    wanted = f"{head}{_BEGIN}\n\n{_tables(results)}\n{_END}{tail}"
    if os.environ.get("DACHA_UPDATE_GOLDEN") == "1":
        _FILE.write_text(wanted)
        text = wanted
    assert text == wanted, "right? DACHA_UPDATE_GOLDEN=1 pytest rewrites it"
