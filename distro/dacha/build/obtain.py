"""Get an image into the store, from wherever its reference points."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from dacha import paths
from dacha.build import catalog
from dacha.build.bootstrap import Bootstrap
from dacha.build.progress import CountingSource, Progress
from dacha.errors import ImageNotFoundError
from dacha.linux.lock import FileLock
from dacha.registry import reference as references
from dacha.registry.compression import decompressed
from dacha.registry.layout import Layout
from dacha.registry.reference import Reference
from dacha.storage import images, layers, unpack
from dacha.storage.images import Image
from dacha.userns.outer import OuterMaps


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Two at once want one image: the second waits, and finds it."""
    directory = paths.make_runtime_root() + "/locks"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with FileLock(f"{directory}/image-{hashlib.sha256(name.encode()).hexdigest()[:24]}"):
        yield


def obtain(connection: sqlite3.Connection, maps: OuterMaps, text: str, progress: Progress) -> Image:
    """The image that `text` refers to: the one in the store, or else brought there.

    Raises UsageError, ImageNotFoundError, BadImageError and BootstrapError.
    """
    reference = references.parse(text)
    image = images.find(connection, _stored_name(reference))
    if image is not None and not reference.transport:
        return image
    return load(connection, maps, reference, _stored_name(reference), progress)


def load(
    connection: sqlite3.Connection, maps: OuterMaps, reference: Reference, name: str, progress: Progress
) -> Image:
    """Bring an image into the store under `name`; layers that are there already are not read again."""
    with _lock(name):
        if reference.transport == "oci":
            return _load_layout(connection, maps, reference, name, progress)
        if reference.transport == "tar":
            return _load_archive(connection, maps, reference, name, progress)
        return images.find(connection, name) or _bootstrap(connection, maps, reference, progress)


def _stored_name(reference: Reference) -> str:
    """What an image is called in the store: files by their absolute path."""
    if not reference.transport:
        return reference.path.removesuffix(":latest")
    return str(reference._replace(path=os.path.abspath(reference.path)))


def _load_layout(
    connection: sqlite3.Connection, maps: OuterMaps, reference: Reference, name: str, progress: Progress
) -> Image:
    layout = Layout(reference.path)
    found = layout.image(reference.tag)
    for number, (layer, diff_id) in enumerate(zip(found.layers, found.diff_ids, strict=True), start=1):
        if layers.find(connection, diff_id) is None:
            progress.step(f"layer {number} of {len(found.layers)}")
            with closing(layout.open_layer(layer)) as blob:
                source = decompressed(CountingSource(blob, progress))
                unpack.add_layer(connection, maps, source, expected=diff_id)
    return images.add(connection, found.id, found.configuration, found.diff_ids, name, str(reference))


def _load_archive(
    connection: sqlite3.Connection, maps: OuterMaps, reference: Reference, name: str, progress: Progress
) -> Image:
    try:
        file = open(reference.path, "rb", buffering=0)  # noqa: SIM115  (closed below)
    except OSError as error:
        raise ImageNotFoundError(f"cannot read {reference.path}: {error.strerror}") from error
    with file:
        progress.step(f"unpacking {os.path.basename(reference.path)}")
        layer = unpack.add_layer(connection, maps, decompressed(CountingSource(file, progress)))
    return _add_single_layer(connection, layer.diff_id, name, str(reference))


def _bootstrap(
    connection: sqlite3.Connection, maps: OuterMaps, reference: Reference, progress: Progress
) -> Image:
    entry = catalog.find(reference.path)
    if entry is None:
        close = _similar(reference.path)
        raise ImageNotFoundError(
            f"no image '{reference.path}' in the store or in the catalog",
            hint=f"did you mean '{close}'?" if close else f"the catalog has: {', '.join(catalog.entries())}",
        )
    bootstrap = Bootstrap(entry, progress)
    try:
        layer = unpack.add_layer(connection, maps, CountingSource(bootstrap, progress))
    except BaseException:
        bootstrap.abandon()
        raise
    bootstrap.finish()
    return _add_single_layer(connection, layer.diff_id, entry.name, f"{entry.tool} {entry.version}")


def _similar(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, catalog.entries(), n=1)
    return close[0] if close else ""


def _add_single_layer(connection: sqlite3.Connection, diff_id: str, name: str, source: str) -> Image:
    """An image of one layer, with a configuration of our own (OCI image specification, config.md)."""
    machine = os.uname().machine
    configuration = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        },
        sort_keys=True,
    )
    image = f"sha256:{hashlib.sha256(configuration.encode()).hexdigest()}"
    return images.add(connection, image, configuration, [diff_id], name, source)
