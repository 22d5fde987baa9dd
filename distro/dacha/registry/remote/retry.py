"""Asking again: after a failure that may pass, and not at once.

Waits double from `delay_s`, with chance in them, so that many who were cut off together do not
come back together. A server that says how long to wait (Retry-After, RFC 9110, 10.2.3)
is taken at its word, up to a limit.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from dacha.registry.remote.errors import NoHostError, TransientError

Result = TypeVar("Result")

_LONGEST_S = 60.0  # that a wait of ours grows to
_LONGEST_ASKED_S = 300.0  # that a server may ask for; beyond that it is for the user to decide


class Retry(NamedTuple):
    """How often to ask again, and how long to wait before the first time."""

    times: int = 3
    delay_s: float = 1.0


def wait_before(number: int, retry: Retry, error: TransientError) -> float | None:
    """Seconds to wait before asking for the `number`th time again, from 1; None to give up."""
    if number > retry.times or isinstance(error, NoHostError):
        return None
    if error.wait_s is not None:
        return error.wait_s if error.wait_s <= _LONGEST_ASKED_S else None
    longest = min(_LONGEST_S, retry.delay_s * 2 ** (number - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311  (no secret)


def repeated(
    task: Callable[[], Result], retry: Retry, sleep: Callable[[float], object], notice: Callable[[str], None]
) -> Result:
    """The result of a task, which is tried again where it raises a TransientError."""
    number = 0
    while True:
        try:
            return task()
        except TransientError as error:
            number += 1
            wait_s = wait_before(number, retry, error)
            if wait_s is None:
                raise
            notice(f"{error}; trying again in {wait_s:.3g} s")
            sleep(wait_s)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date of HTTP."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
