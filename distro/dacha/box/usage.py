"""What the store's disk is used for: `dacha system df`.

Sizes are bytes in regular files. A layer counts once, however many images share it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import NamedTuple

from dacha import paths
from dacha.box import contents, definition
from dacha.engine import state
from dacha.linux import account
from dacha.storage import images, volumes
from dacha.userns import single


class ImageUsage(NamedTuple):
    """An image: of its size, how much other images share, and how much goes with it."""

    id: str
    names: tuple[str, ...]
    created: float
    size_bytes: int
    shared_bytes: int
    unique_bytes: int
    boxes: int


class BoxUsage(NamedTuple):
    """A box and what it has changed."""

    id: str
    name: str
    image_name: str
    created: float
    size_bytes: int
    is_running: bool


class VolumeUsage(NamedTuple):
    """A volume and what is in it."""

    name: str
    boxes: int
    size_bytes: int


class Total(NamedTuple):
    """One kind of things: how many, how many in use, what they take, what could be freed."""

    kind: str
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


class Usage(NamedTuple):
    """All of it."""

    images: list[ImageUsage]
    boxes: list[BoxUsage]
    volumes: list[VolumeUsage]
    totals: list[Total]


def collect(connection: sqlite3.Connection) -> Usage:
    """Measure the store. Raises DachaError."""
    sizes: dict[str, int] = dict(connection.execute("SELECT diff_id, size FROM layers").fetchall())
    found_boxes, found_volumes = _boxes_and_volumes(connection)
    found_images, needed = _images(connection, sizes)
    listed = {diff_id for image in images.listing(connection) for diff_id in image.layers}
    total = sum(sizes[diff_id] for diff_id in listed if diff_id in sizes)
    used = sum(sizes[diff_id] for diff_id in needed if diff_id in sizes)
    totals = [
        Total(
            "Images", len(found_images), sum(bool(each.boxes) for each in found_images), total, total - used
        ),
        Total(
            "Boxes",
            len(found_boxes),
            sum(box.is_running for box in found_boxes),
            sum(box.size_bytes for box in found_boxes),
            sum(box.size_bytes for box in found_boxes if not box.is_running),
        ),
        Total(
            "Volumes",
            len(found_volumes),
            sum(bool(volume.boxes) for volume in found_volumes),
            sum(volume.size_bytes for volume in found_volumes),
            sum(volume.size_bytes for volume in found_volumes if not volume.boxes),
        ),
    ]
    return Usage(found_images, found_boxes, found_volumes, totals)


def _images(connection: sqlite3.Connection, sizes: dict[str, int]) -> tuple[list[ImageUsage], set[str]]:
    """The images, and the diffIDs of the layers that boxes stand on."""
    listing = images.listing(connection)
    owners = Counter(diff_id for image in listing for diff_id in set(image.layers))
    found, needed = [], set()
    for image in listing:
        own = [diff_id for diff_id in set(image.layers) if diff_id in sizes]
        unique = sum(sizes[diff_id] for diff_id in own if owners[diff_id] == 1)
        size = sum(sizes[diff_id] for diff_id in own)
        boxes = len(images.users(connection, image))
        if boxes:
            needed |= set(own)
        found.append(ImageUsage(image.id, image.names, image.created, size, size - unique, unique, boxes))
    return found, needed


def _boxes_and_volumes(connection: sqlite3.Connection) -> tuple[list[BoxUsage], list[VolumeUsage]]:
    boxes, known = definition.listing(connection), volumes.listing(connection)
    # What it has changed, or where the storage driver gives each box a whole tree, that.
    trees = {f"box {box.id} {own}": f"{box.path}/{own}" for box in boxes for own in ("upper", "root")}
    trees |= {
        f"volume {volume.name}": f"{paths.data_root()}/{volume.directory}"
        for volume in known
        if not (volume.is_bind or volume.is_tmpfs)
    }
    measured = contents.measure_all(single.widest_maps(account.calling_account()), trees)
    found = {key: content.size_bytes for key, content in measured.items() if content is not None}
    return [
        BoxUsage(
            box.id,
            box.name,
            box.image_name,
            box.created,
            found.get(f"box {box.id} upper", 0) + found.get(f"box {box.id} root", 0),
            state.is_running(box.name),
        )
        for box in boxes
    ], [
        VolumeUsage(volume.name, len(volume.boxes), found.get(f"volume {volume.name}", 0)) for volume in known
    ]
