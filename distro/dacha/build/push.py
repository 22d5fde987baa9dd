"""Push an image of the store into a registry, or into files.

The store keeps no compressed blobs. A layer that the registry has already, under the digest
by which it was pulled or pushed once, is not sent, at most mounted from the repository beside. Of
any other one the archive is put together again (`storage.reassemble`), compressed, and
sent from a file: the registry wants its digest, and broken uploads go on in the middle of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from contextlib import closing
from typing import BinaryIO

from dacha.build.progress import DONE, MOUNTED, PRESENT, UPLOADING, WAITING, Part, Progress
from dacha.linux import process
from dacha.registry.digest import Readable
from dacha.registry.image_name import ImageName
from dacha.registry.manifest import CONFIG_TYPES, OCI_MANIFEST, Descriptor, Document
from dacha.registry.sink import RegistrySink, Sink
from dacha.storage import images, layers, staging, views
from dacha.storage.images import Image
from dacha.storage.reassemble import Reassembled
from dacha.userns.outer import OuterMaps

GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": GZIP_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
_CHUNK = 1 << 20
_LEVEL = 6  # that of gzip itself


def push(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    image: Image,
    sink: Sink,
    name: ImageName | None,
    progress: Progress,
) -> Document:
    """Write an image into `sink`, and return its manifest; `name` is that of the repository, if it is one."""
    descriptors: dict[str, Descriptor] = {}
    parts = {
        layer.diff_id: progress.part(layer.diff_id[7:19], layer.size_bytes, WAITING)
        for layer in layers.of_image(connection, image.id)
    }
    for layer in layers.of_image(connection, image.id):
        if layer.diff_id in descriptors:
            continue
        part = parts[layer.diff_id]
        descriptor = _find_blob(connection, layer.diff_id, sink, name, part)
        if descriptor is None:
            readable = views.readable(layer, maps, maps.alone) or maps
            with closing(Reassembled(readable, layer)) as archive:
                descriptor = send_compressed(archive, sink, part)
        descriptors[layer.diff_id] = descriptor
        if name is not None:
            blob = layers.Blob(
                name.repository, descriptor.digest, descriptor.size_bytes, descriptor.media_type
            )
            layers.remember_blob(connection, layer.diff_id, blob)
        part.enter(DONE)
    configuration = images.configuration(connection, image.id).encode()
    return write_image(sink, configuration, [descriptors[diff_id] for diff_id in image.layers])


def write_image(sink: Sink, configuration: bytes, descriptors: list[Descriptor]) -> Document:
    """Write a configuration, and a manifest that puts it together with layers that are there."""
    config = Descriptor(
        CONFIG_TYPES[0], f"sha256:{hashlib.sha256(configuration).hexdigest()}", len(configuration)
    )
    if not sink.has_blob(config):
        sink.put_small(config, configuration)
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": as_json(config),
        "layers": [as_json(each) for each in descriptors],
    }
    document = document_of(value, OCI_MANIFEST)
    sink.put_manifest(document)
    return document


def document_of(value: object, media_type: str) -> Document:
    """A manifest or an index out of its values; the same values give the same bytes."""
    return as_document(json.dumps(value, separators=(",", ":")).encode(), media_type)


def as_document(body: bytes, media_type: str) -> Document:
    """A manifest or an index out of its bytes."""
    return Document(Descriptor(media_type, f"sha256:{hashlib.sha256(body).hexdigest()}", len(body)), body)


def as_json(descriptor: Descriptor) -> dict[str, object]:
    """A descriptor as manifests have it."""
    value: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size_bytes,
    }
    return {**value, "urls": list(descriptor.urls)} if descriptor.urls else value


def _find_blob(
    connection: sqlite3.Connection, diff_id: str, sink: Sink, name: ImageName | None, part: Part
) -> Descriptor | None:
    """The layer as the registry has it already, in this repository or in one to mount from."""
    if name is None or not isinstance(sink, RegistrySink):
        return None
    known = layers.blobs(connection, diff_id)
    for blob in known:
        descriptor = Descriptor(
            _OCI_TYPES.get(blob.media_type, blob.media_type), blob.digest, blob.size_bytes
        )
        if sink.has_blob(descriptor):
            part.enter(PRESENT)
            return descriptor
        host, _, path = blob.repository.partition("/")
        if host == name.host and path != name.path and sink.mount(descriptor, path):
            part.enter(MOUNTED)
            return descriptor
    return None


def send_compressed(archive: Readable, sink: Sink, part: Part) -> Descriptor:
    """Compress an archive into a file, and send that, unless it is there; its descriptor."""
    with (
        staging.staging_directory("push", process.remove_tree) as place,
        open(f"{place}/layer", "w+b", opener=lambda path, flags: os.open(path, flags, 0o600)) as file,
    ):
        descriptor = _compress(archive, file)
        part.enter(UPLOADING)
        if not sink.has_blob(descriptor):
            sink.put_file(descriptor, file.fileno(), part.reached)
        return descriptor


def _compress(archive: Readable, file: BinaryIO) -> Descriptor:
    """Compress with gzip, the same way each time: no name, no time."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    digest = hashlib.sha256()
    while True:
        data = archive.read(_CHUNK)
        piece = compressor.compress(data) if data else compressor.flush()
        digest.update(piece)
        file.write(piece)
        if not data:
            break
    file.flush()
    return Descriptor(GZIP_LAYER, f"sha256:{digest.hexdigest()}", file.tell())
