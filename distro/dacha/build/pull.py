"""Pull an image: its layers arrive several at once, and are unpacked in order while they do.

Only what the store lacks is downloaded, known by the diffIDs of the configuration. Before
the first layer the policy has been asked. An image appears in the store at the very end, in one
transaction; a pull that fails leaves whole layers and parts of blobs, which the next one uses.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from dacha import paths
from dacha.build.progress import DONE, DOWNLOADING, PRESENT, UNPACKING, WAITING, Part, Progress
from dacha.errors import BadImageError
from dacha.linux.lock import FileLock
from dacha.registry.compression import decompressed
from dacha.registry.image_name import ImageName
from dacha.registry.manifest import Descriptor, Document, find_manifest, read_image
from dacha.registry.platform import Platform, PlatformNotFoundError
from dacha.registry.remote.client import Client
from dacha.registry.remote.download import Download, Downloads
from dacha.registry.source import SourceImage
from dacha.storage import database, images, layers, unpack
from dacha.storage.images import Image, LayersRemovedError
from dacha.userns.outer import OuterMaps

PARALLEL = 4  # layers at once; more gain nothing on one line
_ATTEMPTS = 3
_MOMENT_S = 5.0
_PARTIAL_LIFE_S = 7 * 86400.0  # how long a part of a blob waits for somebody to go on with it


class Found(NamedTuple):
    """An image in a registry that has been looked at, and not pulled yet."""

    client: Client
    name: ImageName
    document: Document  # what its name means: a manifest, or an index
    digests: tuple[str, ...]  # of that, and of all on the way down to the manifest
    image: SourceImage[Descriptor]

    def missing(self, connection: sqlite3.Connection, maps: OuterMaps) -> list[tuple[Descriptor, str]]:
        """The layers that the store lacks, with their diffIDs; each once."""
        pairs = dict(zip(self.image.diff_ids, self.image.layers, strict=True))
        return [
            (layer, diff_id)
            for diff_id, layer in pairs.items()
            if layers.is_missing(connection, diff_id, maps)
        ]


def look_at(client: Client, name: ImageName, wanted: Platform | None = None) -> Found:
    """Find an image: its manifest for a platform, or this machine, and its configuration. Downloads no layer.

    A platform that is asked for must be that of the image, also where there is but one.
    """
    document = client.document(name.version)
    seen = {document.descriptor.digest: document.body}

    def read(descriptor: Descriptor) -> bytes:
        if descriptor.digest not in seen:
            seen[descriptor.digest] = client.read_manifest(descriptor)
        return seen[descriptor.digest]

    manifest = find_manifest(document.descriptor, read, wanted)
    image = read_image(manifest, client.read_blob)
    if wanted is not None and image.platform is not None and not image.platform.serves(wanted):
        raise PlatformNotFoundError(wanted, [image.platform])
    return Found(client, name, document, tuple(seen), image)


def pull(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    found: Found,
    stored_name: str,
    progress: Progress,
    *,
    parallel: int = PARALLEL,
) -> Image:
    """Bring what `look_at` found into the store."""
    for _ in range(_ATTEMPTS - 1):
        # For an `image rm` meanwhile, layers without an image are leftovers.
        with contextlib.suppress(LayersRemovedError):
            return _pull(connection, maps, found, stored_name, progress, parallel)
    return _pull(connection, maps, found, stored_name, progress, parallel)


def _pull(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    found: Found,
    stored_name: str,
    progress: Progress,
    parallel: int,
) -> Image:
    missing = found.missing(connection, maps)
    absent = {diff_id for _, diff_id in missing}
    for layer, diff_id in zip(found.image.layers, found.image.diff_ids, strict=True):
        if diff_id not in absent:
            progress.part(short_name(layer), layer.size_bytes, PRESENT)
    if missing:
        _fetch(connection, maps, found, missing, progress, parallel)
    return images.add(
        connection,
        found.image.id,
        found.image.configuration,
        found.image.diff_ids,
        stored_name,
        f"docker://{found.name}",
    )


def _fetch(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    found: Found,
    missing: list[tuple[Descriptor, str]],
    progress: Progress,
    parallel: int,
) -> None:
    directory = partial_directory()
    parts = [progress.part(short_name(layer), layer.size_bytes, WAITING) for layer, _ in missing]
    downloads = [
        Download(found.client, layer, directory, Listener(part), _is_missing(diff_id, maps))
        for (layer, diff_id), part in zip(missing, parts, strict=True)
    ]
    with Downloads(downloads, parallel):
        for download, part, (_, diff_id) in zip(downloads, parts, missing, strict=True):
            if download.wait_for_start():
                _unpack(connection, maps, download, diff_id, part)
            blob = download.descriptor
            layers.remember_blob(
                connection,
                diff_id,
                layers.Blob(found.name.repository, blob.digest, blob.size_bytes, blob.media_type),
            )
            part.enter(DONE)


def _unpack(
    connection: sqlite3.Connection, maps: OuterMaps, download: Download, diff_id: str, part: Part
) -> None:
    while True:
        restarts = download.restarts
        try:
            with _layer_lock(diff_id), closing(download.open()) as blob:
                part.enter(UNPACKING)
                if layers.is_missing(connection, diff_id, maps):  # else another pull was faster
                    unpack.add_layer(connection, maps, decompressed(blob), expected=diff_id)
            break
        except BadImageError:
            # Damage on the line is met here first, while its digest would tell it a moment later.
            download.wait_for_end(_MOMENT_S)
            if download.restarts == restarts:
                raise
    download.discard()


class Listener:
    """Passes on what a download says."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._has_begun = False

    def reached(self, size_bytes: int) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._part.enter(DOWNLOADING)
        self._part.reached(size_bytes)

    def notice(self, text: str) -> None:
        self._part.notice(text)


def _is_missing(diff_id: str, maps: OuterMaps) -> Callable[[], bool]:
    """Whether a layer is still not there, asked by a thread of its own: connections are not shared."""

    def ask() -> bool:
        with closing(database.open_database()) as connection:
            return layers.is_missing(connection, diff_id, maps)

    return ask


@contextlib.contextmanager
def _layer_lock(diff_id: str) -> Iterator[None]:
    """Two pulls reach the same layer: the second waits, and finds it unpacked."""
    directory = paths.make_runtime_root() + "/locks"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = f"{directory}/layer-{hashlib.sha256(diff_id.encode()).hexdigest()[:24]}"
    with FileLock(path):
        try:
            yield
        finally:
            os.unlink(path)


def partial_directory() -> str:
    """Where blobs grow. What nobody went on with for a week is removed."""
    directory = f"{paths.data_root()}/blobs/partial"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for entry in os.scandir(directory):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - entry.stat().st_mtime > _PARTIAL_LIFE_S:
                with FileLock(entry.path):
                    os.unlink(entry.path)
    return directory


def short_name(layer: Descriptor) -> str:
    """What a layer is called in progress."""
    return layer.digest.partition(":")[2][:12]
