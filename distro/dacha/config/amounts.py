"""Sizes and durations as configuration files write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_STEP = re.compile(r"([0-9.]+)([a-zµ]+)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_size(text: str) -> int:
    """Bytes of `65536k`, `10g`, `1.5 GiB` or `100`; k is 1024 (containers-storage.conf(5)).

    Raises ValueError, which says what is allowed.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is no size: write a number and b, k, m or g, such as 10g")
    whole, fraction, unit = match.groups()
    factor: int = 1024 ** " kmgtp".index(unit.lower() or " ")
    return int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)


def parse_duration(text: str) -> float:
    """Seconds of `10s`, `500ms` or `1h30m`, as Go writes them.

    Raises ValueError, which says what is allowed.
    """
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise ValueError(f"'{text}' is no duration: write a number and ms, s, m or h, such as 5s")
    return sum(float(number) * _SECONDS[unit] for number, unit in _STEP.findall(text))
