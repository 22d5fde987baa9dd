"""images.json and layers.json: what a store says about its images and layers.

There is no specification; the source is the library itself (containers/storage, images.go and
layers.go). Keys that we do not use are passed over. Ids become parts of paths, so they are checked.
"""

from __future__ import annotations

import datetime
import json
from typing import NamedTuple

from dacha.errors import BadImageError

_HEX = frozenset("0123456789abcdef")

Json = dict[str, object]


class ImageRecord(NamedTuple):
    """An image; `created` is when it was built, in seconds since 1970, 0 where that is unknown."""

    id: str
    names: tuple[str, ...]
    top_layer: str  # empty for a list of images, and for an image without any files
    created: float


class LayerRecord(NamedTuple):
    """A layer and the one below it, or an empty string."""

    id: str
    parent: str
    size_bytes: int  # of its archive
    is_complete: bool


def parse_images(data: bytes, where: str) -> list[ImageRecord]:
    """Read images.json. Raises BadImageError."""
    return [
        ImageRecord(
            _id(each, "id", where),
            tuple(name for name in _list(each, "names", where) if isinstance(name, str)),
            _id(each, "layer", where) if each.get("layer") else "",
            _time(each.get("created")),
        )
        for each in _objects(data, where)
    ]


def parse_layers(data: bytes, where: str) -> list[LayerRecord]:
    """Read layers.json. Raises BadImageError."""
    found = []
    for each in _objects(data, where):
        size, flags = each.get("diff-size"), each.get("flags")
        found.append(
            LayerRecord(
                _id(each, "id", where),
                _id(each, "parent", where) if each.get("parent") else "",
                size if isinstance(size, int) and size > 0 else 0,
                not (isinstance(flags, dict) and flags.get("incomplete")),
            )
        )
    return found


def _objects(data: bytes, where: str) -> list[Json]:
    if not data:  # as the library has it
        return []
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadImageError(f"{where} is damaged: {error}") from error
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise BadImageError(f"{where} is damaged: it is no list of objects")
    return values


def _id(value: Json, key: str, where: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or len(found) != 64 or set(found) - _HEX:
        raise BadImageError(f"{where} is damaged: {found!r:.100} is no {key}")
    return found


def _list(value: Json, key: str, where: str) -> list[object]:
    found = value.get(key) or []
    if not isinstance(found, list):
        raise BadImageError(f"{where} is damaged: {key} is no list")
    return found


def _time(value: object) -> float:
    """RFC 3339, as Go writes it; its zero is in the year 1."""
    try:
        return max(0.0, datetime.datetime.fromisoformat(str(value)).timestamp())
    except (ValueError, OverflowError):
        return 0.0
