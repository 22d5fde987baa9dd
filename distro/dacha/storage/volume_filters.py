"""Filters of lists of volumes, as podman's (podman-volume-ls(1), podman-volume-prune(1))."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from dacha.errors import UsageError
from dacha.storage.volumes import DRIVER, Volume

Test = Callable[[Volume], bool]

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")


def chosen(found: Sequence[Volume], filters: Sequence[str]) -> list[Volume]:
    """Those that fit: all keys must, and of one key any value. Raises UsageError."""
    tests: dict[str, list[Test]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in _FILTERS:
            raise UsageError(
                f"'{text}' is no filter", hint=f"write KEY=VALUE with one of {', '.join(_FILTERS)}"
            )
        # Labels add up, as podman has it.
        group = text if key in ("label", "label!") else key
        tests.setdefault(group, []).append(_FILTERS[key](value))
    return [each for each in found if all(any(test(each) for test in group) for group in tests.values())]


def _by_name(value: str) -> Test:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise UsageError(f"'name={value}': {error}") from error
    return lambda volume: pattern.search(volume.name) is not None


def _by_label(value: str) -> Test:
    key, equals, text = value.partition("=")
    return lambda volume: key in volume.labels and (not equals or volume.labels[key] == text)


def _not_by_label(value: str) -> Test:
    has = _by_label(value)
    return lambda volume: not has(volume)


def _by_driver(value: str) -> Test:
    return lambda _volume: value == DRIVER


def _by_option(value: str) -> Test:
    key, equals, text = value.partition("=")
    return lambda volume: key in volume.options and (not equals or volume.options[key] == text)


def _truth(value: str) -> bool:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise UsageError(f"'{value}' is neither true nor false")
    return value.lower() in _TRUE


def _by_use(value: str) -> Test:
    is_dangling = _truth(value)
    return lambda volume: (not volume.boxes) == is_dangling


def _by_namelessness(value: str) -> Test:
    is_anonymous = _truth(value)
    return lambda volume: bool(volume.anonymous_of) == is_anonymous


def _by_age(value: str) -> Test:
    """`until=`: made before a moment: a duration back from now, seconds since 1970, or a date."""
    limit = _moment(value)
    return lambda volume: volume.created < limit


def _moment(value: str) -> float:
    parts = _DURATION.findall(value)
    if parts and "".join(number + unit for number, unit in parts) == value:
        return time.time() - sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    from datetime import datetime

    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        raise UsageError(f"'until={value}' is no time", hint="write 24h, or 2026-01-31T12:00:00") from error


_FILTERS: dict[str, Callable[[str], Test]] = {
    "name": _by_name,
    "label": _by_label,
    "label!": _not_by_label,
    "driver": _by_driver,
    "dangling": _by_use,
    "anonymous": _by_namelessness,
    "opt": _by_option,
    "until": _by_age,
}
