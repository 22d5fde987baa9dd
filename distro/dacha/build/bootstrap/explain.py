"""What a failed package manager's output comes down to: one line, and what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple

KEY = "key"
PACKAGE = "package"
MIRROR = "mirror"

_FORMS = {
    KEY: (
        "a signature fits none of the recipe's keys: {}",
        "is it the right key for this mirror? See `keys` in the recipe",
    ),
    PACKAGE: ("{}", "see `packages` in the recipe"),
    MIRROR: ("{}", "is the network up, and the mirror of the recipe in reach?"),
}
_FULL = re.compile(r".*No space left on device.*")
_ERROR = re.compile(r"(?:==> )?(?:e|error|fatal)(?: \(\d+\))?: *(.+)", re.I)


class Rule(NamedTuple):
    """A line that says why: what fits the group of `pattern`, or else all of it, is the reason."""

    pattern: str
    kind: str


class Failure(NamedTuple):
    """Why it failed, in one line, and what to do about it."""

    reason: str
    hint: str = ""


def explain(lines: list[str], rules: tuple[Rule, ...]) -> Failure:
    """The failure that the first rule which fits any line tells of, else the last error, else the last line.

    The reason is empty where nothing was said.
    """
    for line in lines:
        if _FULL.match(line):
            return Failure(line, "free some space")
    for pattern, kind in rules:
        for line in lines:
            match = re.search(pattern, line)
            if match:
                form, hint = _FORMS[kind]
                return Failure(form.format(match[match.lastindex or 0].strip(" :")), hint)
    errors = [match[1] for line in lines if (match := _ERROR.match(line))]
    return Failure((errors or lines or [""])[-1])
