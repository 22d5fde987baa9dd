"""`dacha system check`: findings, one a line, and what was done about them."""

from __future__ import annotations

import json

from dacha.box.check import runner
from dacha.box.check.runner import Mended
from dacha.fast.grammar import Line
from dacha.storage import database
from dacha.storage.check import database as database_check
from dacha.storage.check.base import Finding


def check(line: Line) -> int:
    """Examine the store and what runs of it; 0 if nothing is left to mend, else 1."""
    findings, mended = _examine(is_repair=line.flag("repair"))
    if line.flag("json"):
        _print_json(findings, mended)
    else:
        for done in mended:
            outcome = f"cannot be mended: {done.error}" if done.error else _does(done.finding)
            _print_line(f"{done.finding.where}: {done.finding.what}: {outcome}")
        for finding in findings:
            _print_line(f"{finding.where}: {finding.what}; costs: {finding.cost}; mend: {finding.mend}")
    return 1 if findings else 0


def _examine(*, is_repair: bool) -> tuple[list[Finding], list[Mended]]:
    """What is left to mend, and what was done; of a damaged database nothing else can be told."""
    mended: list[Mended] = []
    damaged = database_check.examine()
    if damaged and is_repair:
        mended = runner.repair(damaged)
        damaged = database_check.examine()
    if damaged:
        return damaged, mended
    connection = database.open_database()
    try:
        findings = runner.examine(connection)
        if is_repair and findings:
            mended += runner.repair(findings)
            findings = runner.examine(connection)
    finally:
        connection.close()
    return findings, mended


def _does(finding: Finding) -> str:
    return finding.repair.does if finding.repair is not None else ""


def _print_line(text: str) -> None:
    """Names in a store may hold anything, also line breaks."""
    print("".join(each if each.isprintable() else repr(each)[1:-1] for each in text))


def _print_json(findings: list[Finding], mended: list[Mended]) -> None:
    report = {
        "findings": [_as_json(finding) for finding in findings],
        "mended": [
            {**_as_json(done.finding), "did": _does(done.finding), "error": done.error} for done in mended
        ],
    }
    print(json.dumps(report, indent=2))


def _as_json(finding: Finding) -> dict[str, object]:
    fields: dict[str, object] = finding._asdict()
    fields["mendable"] = fields.pop("repair") is not None
    return fields
