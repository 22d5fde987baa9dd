"""When to ask again, and when to stop."""

from __future__ import annotations

import pytest

from dacha.registry.remote.errors import NoHostError, TransientError
from dacha.registry.remote.retry import Retry, parse_retry_after, repeated, wait_before


def test_waits_double_and_stay_within_their_bounds() -> None:
    error = TransientError("x")
    for number, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (20, 60.0)):
        waits = [wait_before(number, Retry(times=20, delay_s=1), error) for _ in range(50)]
        assert all(wait is not None and longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1, "there is chance in them"
    assert wait_before(4, Retry(times=3), error) is None


def test_a_host_that_is_not_there_is_not_asked_for_again() -> None:
    assert wait_before(1, Retry(), NoHostError("x")) is None


def test_a_server_is_taken_at_its_word_up_to_a_limit() -> None:
    assert wait_before(1, Retry(), TransientError("x", wait_s=7)) == 7
    assert wait_before(1, Retry(), TransientError("x", wait_s=3600)) is None


def test_the_last_failure_is_told() -> None:
    tries: list[int] = []
    slept: list[float] = []
    told: list[str] = []

    def task() -> None:
        tries.append(1)
        raise TransientError(f"try {len(tries)}")

    with pytest.raises(TransientError, match="try 3"):
        repeated(task, Retry(times=2, delay_s=0.1), slept.append, told.append)
    assert (len(slept), len(told)) == (2, 2)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=10) == seconds
