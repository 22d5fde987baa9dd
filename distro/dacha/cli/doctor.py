"""`dacha doctor`, as people and programs read it."""

from __future__ import annotations

import os
import sys

from dacha import __version__
from dacha.box.doctor import runner
from dacha.box.doctor.base import FAIL, INFO, PASS, WARN, Finding
from dacha.box.doctor.host import Host
from dacha.fast.grammar import Line

_MARKS = {PASS: "✓", INFO: "·", WARN: "!", FAIL: "✗"}
_COLOURS = {PASS: "32", INFO: "2", WARN: "33", FAIL: "31;1"}  # ECMA-48, SGR
_GAP = "  "
_MIN_WIDTH = 60


class Page:
    """Where it is written: a terminal of some width and, unless NO_COLOR is set, with colours; or a pipe."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self.has_colours = (
            self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
        # Words in a pipe, where somebody greps for them, and where the marks are no characters.
        self.has_marks = self.is_terminal and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        self.width = 0  # of a pipe: no line is cut
        if self.is_terminal:
            try:
                self.width = max(_MIN_WIDTH, os.get_terminal_size(sys.stdout.fileno()).columns)
            except OSError:
                self.width = 80

    def mark(self, status: str) -> str:
        """The sign of a status."""
        return self.coloured(_MARKS[status] if self.has_marks else status, _COLOURS[status])

    def coloured(self, text: str, code: str) -> str:
        """`text` in that colour, where there are colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_colours and text and code else text

    def cut(self, text: str, used: int) -> str:
        """`text` in what is left of a line of which `used` columns are taken."""
        room = self.width - used
        return text if not self.width or len(text) <= room else text[: room - 1] + "…"


def doctor(line: Line) -> int:
    """Look the host over, and a box if one is named; 1 if something keeps boxes from working."""
    host = runner.this_host(box=line.operands[0] if line.operands else "")
    findings = runner.examine(host)
    if line.flag("json"):
        _print_json(host, findings)
    else:
        sys.stdout.write("\n".join(_as_lines(host, findings, Page())) + "\n")
    return 1 if runner.has_failed(findings) else 0


def _print_json(host: Host, findings: list[Finding]) -> None:
    import json

    report = {
        "dacha": __version__,
        "host": {"os": host.distribution.title, "kernel": host.kernel, "machine": os.uname().machine},
        "user": host.account.name,
        "box": host.patient.name if host.patient else None,
        "status": runner.worst(findings),
        "findings": [finding._asdict() for finding in findings],
    }
    print(json.dumps(report, indent=2))


def _as_lines(host: Host, findings: list[Finding], page: Page) -> list[str]:
    findings = [Finding(*map(_printable, finding)) for finding in findings]
    title = f"{host.distribution.title}, Linux {host.kernel}, {host.account.name}"
    return [page.coloured(page.cut(title, 0), "1"), "", *_table(findings, page), "", *_to_do(findings, page)]


def _printable(text: str) -> str:
    """What comes from files and programs may hold escape sequences."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _table(findings: list[Finding], page: Page) -> list[str]:
    subject_width = max(len(finding.subject) for finding in findings)
    name_width = max(len(finding.name) for finding in findings)
    mark_width = 1 if page.has_marks else 4
    lines = []
    subject = ""
    for finding in findings:
        # A pipe gets the subject on every line, so that each can be understood alone.
        shown = finding.subject if finding.subject != subject or not page.is_terminal else ""
        subject = finding.subject
        used = subject_width + mark_width + name_width + 2 * len(_GAP) + 1
        lines.append(
            page.coloured(shown.ljust(subject_width), "1")
            + _GAP
            + page.mark(finding.status)
            + " "
            + finding.name.ljust(name_width)
            + _GAP
            + page.coloured(page.cut(finding.detail, used), "2" if finding.status in (PASS, INFO) else "")
        )
    return lines


def _to_do(findings: list[Finding], page: Page) -> list[str]:
    lines = []
    for group in _grouped(findings):
        for finding in group:
            title, mark = f"{finding.subject}, {finding.name}: ", page.mark(finding.status)
            first, *more = _wrap(title + finding.detail, page.width - 2)
            lines.append(f"{mark} {page.coloured(title, '1')}{first.removeprefix(title)}")
            lines += [f"  {row}" for row in more]
        lines += _advice(
            "; ".join(dict.fromkeys(each.cost for each in group if each.cost)), group[0].fix, page
        )
    return [*lines, _sum(findings, page)]


def _grouped(findings: list[Finding]) -> list[list[Finding]]:
    """What there is to say more about: the worst first, and together what the same command mends."""
    groups: dict[object, list[Finding]] = {}
    for status in (FAIL, WARN, INFO):
        for finding in findings:
            if finding.status == status and (finding.fix or status != INFO):
                groups.setdefault(finding.fix or (finding.subject, finding.name), []).append(finding)
    return list(groups.values())


def _advice(cost: str, fix: str, page: Page) -> list[str]:
    lines = []
    # A command is never broken: it is there to be copied.
    for label, colour, rows in (
        ("cost", "", _wrap(cost, page.width - 8)),
        ("fix", "36", [fix]),
    ):
        for row in filter(None, rows):
            lines.append(f"  {page.coloured(label.ljust(4), '2')}  {page.coloured(row, colour)}")
            label = ""
    return [*lines, ""]


def _wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, or as it is if that is not positive."""
    if width <= 0:
        return [text]
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def _sum(findings: list[Finding], page: Page) -> str:
    words = {PASS: "passed", INFO: "noted", WARN: "warned", FAIL: "failed"}
    counts = {status: sum(finding.status == status for finding in findings) for status in words}
    return ", ".join(
        page.coloured(f"{count} {words[status]}", _COLOURS[status])
        for status, count in counts.items()
        if count
    )
