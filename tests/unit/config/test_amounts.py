"""Sizes and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dacha.config.amounts import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100", 100),
        ("1b", 1),
        ("65536k", 64 << 20),
        ("10G", 10 << 30),
        ("1.5 GiB", 3 << 29),
        ("2MB", 2 << 20),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "k", "-1", "1x", "1kk", "9" * 30, "1.", "٣k"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0.0), ("5s", 5.0), ("1h30m", 5400.0), ("1.5s", 1.5), ("250ms", 0.25)]
)
def test_durations(text: str, expected: float) -> None:
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1d", "1s ", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@given(st.integers(0, 1 << 40), st.sampled_from(["", "b"]))
def test_bytes_are_what_they_are(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number
