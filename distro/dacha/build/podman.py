"""Take images over from podman's stores: without a registry, without podman.

A layer comes as the very archive that it once was, which its digest proves, so images keep
their ids. Nothing is shared on disk afterwards: podman's files have other owners there than a
box needs (docs/adr/0018).
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from dacha.build import naming, trust
from dacha.build.podman_places import open_read_only
from dacha.build.progress import CountingSource, Progress
from dacha.errors import BadImageError, DachaError
from dacha.linux.account import calling_account
from dacha.linux.child import ChildError
from dacha.registry import reference as references
from dacha.registry.containers_storage.lookup import Lookup, StoredImage, StoredLayer
from dacha.registry.platform import Platform, PlatformNotFoundError, host_platform
from dacha.registry.source import SourceImage
from dacha.storage import images, layers, unpack
from dacha.storage.images import Image
from dacha.userns import single
from dacha.userns.outer import OuterMaps


class Taken(NamedTuple):
    """An image that was taken over, or was here already."""

    image: Image
    new_layers: int
    was_there: bool
    # Names that stay with other images here.
    kept_names: tuple[str, ...]


def take_over(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    lookup: Lookup,
    found: StoredImage,
    progress: Progress,
    platform: Platform | None = None,
) -> Taken:
    """Bring an image into our store, under all its names that no other image has here.

    Raises PolicyError, PlatformNotFoundError if another platform was asked for, and BadImageError
    where a layer cannot be had exactly as it was. Those below it that came before stay until the
    next `image rm`, so that another try goes on from there.
    """
    for reference in found.references:
        trust.check_local(references.CONTAINERS_STORAGE, reference)
    source = lookup.read(found)
    if platform is not None and source.platform is not None and not source.platform.serves(platform):
        raise PlatformNotFoundError(platform, [source.platform])
    was_there = images.find(connection, source.id) is not None
    new_layers = 0 if was_there else _take_layers(connection, maps, found, source, progress)
    names, kept = _free_names(connection, found, source, platform)
    image = images.add(
        connection,
        source.id,
        source.configuration,
        source.diff_ids,
        names[0] if names else "",
        f"{references.CONTAINERS_STORAGE}:{found.title}",
    )
    for name in names[1:]:
        images.tag(connection, image, name)
    return Taken(images.get(connection, source.id), new_layers, was_there, tuple(kept))


def _take_layers(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    found: StoredImage,
    source: SourceImage[StoredLayer],
    progress: Progress,
) -> int:
    """Unpack the layers that are not here; how many those were."""
    count = 0
    readers = single.widest_maps(calling_account())  # podman's files have owners, whatever ours shall have
    for number, (layer, diff_id) in enumerate(zip(source.layers, source.diff_ids, strict=True), start=1):
        if not layers.is_missing(connection, diff_id, maps):
            continue
        progress.step(f"{found.title}: layer {number} of {len(source.layers)}")
        try:
            with layer.store.layer(readers, layer.record) as archive:
                unpack.add_layer(connection, maps, CountingSource(archive, progress), expected=diff_id)
        except (BadImageError, ChildError) as error:
            raise BadImageError(
                f"'{found.title}': {layer} cannot be taken over: {error}",
                hint=error.hint or "bring the image from where podman got it",
            ) from error
        count += 1
    return count


def _free_names(
    connection: sqlite3.Connection,
    found: StoredImage,
    source: SourceImage[StoredLayer],
    platform: Platform | None,
) -> tuple[list[str], list[str]]:
    """Under which names an image comes, and which ones other images have here."""
    taken = images.names(connection)
    its_platform = source.platform or platform or host_platform()
    free: list[str] = []
    kept: list[str] = []
    for name in (each.removesuffix(":latest") for each in found.record.names):
        if not references.is_name(name):
            continue  # podman makes no such names
        if taken.get(name, source.id) == source.id:
            free.append(name)
            continue
        name = naming.free_name(connection, name, its_platform, was_wanted=platform is not None)
        (free if taken.get(name, source.id) == source.id else kept).append(name)
    return free, kept


def take_from_read_only(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    name: str,
    progress: Progress,
    platform: Platform | None = None,
) -> Image | None:
    """The image of that name in the stores for all users, brought here; None if none has it."""
    with open_read_only(progress) as lookup:
        if lookup is None:
            return None
        found = lookup.find_exactly(name)
        if found is None:
            return None
        its_platform = lookup.read(found).platform
        if platform is not None and its_platform is not None and not its_platform.serves(platform):
            return None
        progress.step(f"taking '{found.title}' over from {found.store.root}")
        return take_over(connection, maps, lookup, found, progress, platform).image


def is_read_only(name: str) -> bool:
    """Whether a store for all users has an image of that name."""
    with open_read_only(Progress()) as lookup:
        return lookup is not None and lookup.find_exactly(name) is not None


def read_only_images(known: set[str], progress: Progress) -> list[Image]:
    """The images with a name in the stores for all users, but for those whose id is `known`."""
    found: dict[str, Image] = {}
    with open_read_only(progress) as lookup:
        if lookup is None:
            return []
        for stored in lookup.images():
            image_id = f"sha256:{stored.record.id}"
            if not stored.record.names or image_id in known or image_id in found or lookup.is_list(stored):
                continue
            try:
                found[image_id] = _describe(lookup.read(stored), stored)
            except DachaError as error:
                progress.notice(f"left out: {error}")
    return sorted(found.values(), key=lambda image: image.created, reverse=True)


def _describe(source: SourceImage[StoredLayer], stored: StoredImage) -> Image:
    platform = source.platform
    return Image(
        source.id,
        tuple(sorted(name.removesuffix(":latest") for name in stored.record.names)),
        f"{references.CONTAINERS_STORAGE}:{stored.references[0]}",
        stored.record.created,
        sum(layer.record.size_bytes for layer in source.layers),
        source.diff_ids,
        platform.os if platform is not None else "",
        platform.architecture if platform is not None else "",
        platform.variant if platform is not None else "",
    )
