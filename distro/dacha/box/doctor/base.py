"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dacha.box.doctor.host import Host

PASS, INFO, WARN, FAIL = STATUSES = ("pass", "info", "warn", "fail")


class Finding(NamedTuple):
    """A line of the doctor."""

    subject: str
    name: str
    status: str  # one of STATUSES
    detail: str  # how it stands
    cost: str = ""  # what it costs the user; empty where it costs nothing
    fix: str = ""  # the command that mends it


class Verdict(NamedTuple):
    """A finding of a check, which knows the rest."""

    status: str
    detail: str
    fix: str = ""
    cost: str = ""  # where it is not the check's own


class Check(NamedTuple):
    """One thing to look at."""

    subject: str
    name: str
    meaning: str  # what is looked at, and what for
    cost: str  # what it costs the user if it is not as it should be
    look: Callable[[Host], Verdict]
    stops: bool = False  # whether it can keep boxes from being created or started

    def find(self, host: Host) -> Finding:
        """Look at a host. Raises whatever a bug raises."""
        verdict = self.look(host)
        cost = verdict.cost
        if verdict.status in (WARN, FAIL):
            cost = cost or self.cost
        return Finding(self.subject, self.name, verdict.status, verdict.detail, cost, verdict.fix)


def passed(detail: str) -> Verdict:
    """It is as it should be."""
    return Verdict(PASS, detail)


def noted(detail: str, fix: str = "", *, cost: str = "") -> Verdict:
    """It is neither good nor bad; `fix` changes it."""
    return Verdict(INFO, detail, fix, cost)


def warned(detail: str, fix: str = "", *, cost: str = "") -> Verdict:
    """Something does without it."""
    return Verdict(WARN, detail, fix, cost)


def failed(detail: str, fix: str = "", *, cost: str = "") -> Verdict:
    """No box works with that."""
    return Verdict(FAIL, detail, fix, cost)
