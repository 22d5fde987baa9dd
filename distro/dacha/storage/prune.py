"""Which images nobody needs, by podman's rules (podman-image-prune(1))."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

from dacha.errors import UsageError
from dacha.storage import history, images, layers
from dacha.storage.images import Image, ImageInUseError

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "ms": 0.001}
_KINDS = ("label=KEY[=VALUE]", "label!=KEY[=VALUE]", "until=TIME")


class Filters(NamedTuple):
    """What an image must be like to be removed."""

    labels: tuple[tuple[str, str | None], ...] = ()  # all of these; None: any value
    without: tuple[tuple[str, str | None], ...] = ()  # none of these
    until: float | None = None  # made before that moment, in seconds since 1970


def parse_filters(texts: Sequence[str]) -> Filters:
    """Read KEY=VALUE filters. Raises UsageError."""
    labels: list[tuple[str, str | None]] = []
    without: list[tuple[str, str | None]] = []
    until = None
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value or key not in ("label", "label!", "until"):
            raise UsageError(f"'{text}' is no filter", hint=f"there are {', '.join(_KINDS)}")
        if key == "until":
            moment = _moment(value)
            until = moment if until is None else min(until, moment)
            continue
        name, has_value, wanted = value.partition("=")
        (without if key == "label!" else labels).append((name, wanted if has_value else None))
    return Filters(tuple(labels), tuple(without), until)


def _moment(text: str) -> float:
    """A duration back from now (`24h`, `1h30m`), seconds since 1970, or a time as RFC 3339 has it."""
    if text.isdecimal():
        return float(text)
    duration = _duration(text)
    found = time.time() - duration if duration is not None else history.seconds(text)
    if found is None:
        raise UsageError(f"'{text}' is no time", hint="write until=24h or until=2026-01-31T12:00:00Z")
    return found


def _duration(text: str) -> float | None:
    total, rest = 0.0, text
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        after = rest[len(number) :]
        unit = after[: len(after) - len(after.lstrip("smhd"))]
        try:
            total += float(number) * _UNITS_S[unit]
        except (ValueError, KeyError):
            return None
        rest = after[len(unit) :]
    return total


def candidates(connection: sqlite3.Connection, filters: Filters, *, is_all: bool) -> list[Image]:
    """The images without a name, or with `is_all` also those with one, that no box stands on."""
    return [
        image
        for image in images.listing(connection)
        if (is_all or not image.names)
        and not images.users(connection, image)
        and _fits(connection, image, filters)
    ]


def _fits(connection: sqlite3.Connection, image: Image, filters: Filters) -> bool:
    configuration = images.config(connection, image.id)
    if filters.until is not None:
        created = history.seconds(configuration.get("created"))
        if (image.created if created is None else created) >= filters.until:
            return False
    inner = configuration.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    has = labels if isinstance(labels, dict) else {}
    return all(_has(has, each) for each in filters.labels) and not any(
        _has(has, each) for each in filters.without
    )


def _has(labels: dict[object, object], wanted: tuple[str, str | None]) -> bool:
    key, value = wanted
    return key in labels and (value is None or labels[key] == value)


def prune(connection: sqlite3.Connection, unneeded: Sequence[Image]) -> tuple[list[Image], int]:
    """Remove images; those that are gone, and how many bytes in files that frees.

    One that a box has been made of meanwhile stays. The next sweep deletes the files.
    """
    gone = []
    for image in unneeded:
        try:
            gone.append(images.remove(connection, image.id))
        except ImageInUseError:
            continue
    before = _bytes(connection)
    layers.remove_unused(connection)
    return gone, before - _bytes(connection)


def _bytes(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(sum(size), 0) FROM layers").fetchone()[0])
