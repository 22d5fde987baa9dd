"""Copy an image from one place to another, without the store.

Blobs stay as they are, and so does the manifest: its digest is what signatures are over. Only from
a docker archive, which has none, a manifest is made, and its layers are compressed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from dacha.build import pull, push, trust
from dacha.build.destination import Destination
from dacha.build.locate import find_remote, names_of
from dacha.build.obtain import spool
from dacha.build.progress import DONE, PRESENT, UPLOADING, WAITING, Progress
from dacha.build.pull import Found
from dacha.build.registries import Access
from dacha.errors import ImageNotFoundError, UsageError
from dacha.registry import incoming
from dacha.registry import reference as references
from dacha.registry.compression import decompressed
from dacha.registry.digest import Readable
from dacha.registry.dir_image import DirImage
from dacha.registry.docker_archive import DockerArchive
from dacha.registry.layout import Layout
from dacha.registry.manifest import CONFIG_TYPES, Descriptor, as_descriptor, as_object, parse_json, type_of
from dacha.registry.remote.download import Download, Downloads
from dacha.registry.source import SourceImage


class _Local(NamedTuple):
    """An image in files."""

    source: Layout | DirImage | DockerArchive
    tag: str


def copy(text: str, destination: Destination, access: Access, progress: Progress) -> str:
    """Copy the image that `text` names, and return the digest of its manifest at the destination.

    Of an index, the image for the platform that was asked for, or this machine, is copied.
    """
    reference = references.parse(text)
    if reference.transport in ("", references.DOCKER):
        return copy_found(_find(text, access), destination, progress)
    trust.check_local(reference.transport, reference.path)
    with _open_local(text, progress) as local:
        return _copy_local(local, destination, access, progress)


def _find(text: str, access: Access) -> Found:
    failure: ImageNotFoundError | None = None
    for name in names_of(text, access.choose):
        try:
            return find_remote(name, access)
        except ImageNotFoundError as error:
            failure = error
    raise failure or ImageNotFoundError(f"there is no registry to ask for {text}")


def copy_found(found: Found, destination: Destination, progress: Progress) -> str:
    """Copy what `find_remote` found, and return the digest of its manifest."""
    sink = destination.sink
    layers = list(dict.fromkeys(found.image.layers))
    parts = [progress.part(pull.short_name(layer), layer.size_bytes, WAITING) for layer in layers]
    downloads = [
        Download(
            found.client, layer, pull.partial_directory(), pull.Listener(part), _lacks(destination, layer)
        )
        for layer, part in zip(layers, parts, strict=True)
    ]
    with Downloads(downloads, pull.PARALLEL):
        for download, part in zip(downloads, parts, strict=True):
            download.wait_for_end()
            if download.fd < 0:
                part.enter(PRESENT)
                continue
            part.enter(UPLOADING)
            sink.put_file(download.descriptor, download.fd, part.reached)
            download.discard()
            part.enter(DONE)
    return _finish(destination, found.image)


def _lacks(destination: Destination, descriptor: Descriptor) -> Callable[[], bool]:
    return lambda: not destination.sink.has_blob(descriptor)


def _copy_local(local: _Local, destination: Destination, access: Access, progress: Progress) -> str:
    sink = destination.sink
    if isinstance(local.source, DockerArchive):
        found = local.source.image(local.tag, access.platform)
        made = []
        for name in found.layers:
            part = progress.part(name[:19], 0, WAITING)
            with closing(local.source.open_layer(name)) as archive:
                made.append(push.send_compressed(decompressed(archive), sink, part))
            part.enter(DONE)
        return push.write_image(sink, found.configuration.encode(), made).descriptor.digest
    image = local.source.image(local.tag, access.platform)
    for layer in dict.fromkeys(image.layers):
        part = progress.part(pull.short_name(layer), layer.size_bytes, WAITING)
        if sink.has_blob(layer):
            part.enter(PRESENT)
            continue
        part.enter(UPLOADING)
        with closing(local.source.open_layer(layer)) as blob, spool(blob, Progress()) as fd:
            sink.put_file(layer, fd, part.reached)
        part.enter(DONE)
    return _finish(destination, image)


def _finish(destination: Destination, image: SourceImage[Descriptor]) -> str:
    """Write the configuration, and the manifest as it was."""
    value = as_object(parse_json(image.manifest, "the manifest"))
    config = as_descriptor(as_object(value.get("config")))
    if config.media_type not in CONFIG_TYPES:
        config = config._replace(media_type=CONFIG_TYPES[0])
    if not destination.sink.has_blob(config):
        destination.sink.put_small(config, image.configuration.encode())
    document = push.as_document(image.manifest, type_of(value))
    destination.sink.put_manifest(document)
    return document.descriptor.digest


@contextlib.contextmanager
def _open_local(text: str, progress: Progress) -> Iterator[_Local]:
    reference = references.parse(text)
    transport = reference.transport
    if transport == "oci":
        yield _Local(Layout(reference.path), reference.tag)
    elif transport == "dir":
        yield _Local(DirImage(reference.path), "")
    elif transport in (incoming.OCI_ARCHIVE, incoming.DOCKER_ARCHIVE):

        def keep(source: Readable) -> contextlib.AbstractContextManager[int]:
            return spool(source, progress)

        with incoming.open_incoming(reference.path, keep) as given:
            files = given.archive(transport)
            is_layout = transport == incoming.OCI_ARCHIVE
            kind = Layout if is_layout else DockerArchive
            yield _Local(kind(os.path.abspath(reference.path), files), reference.tag)
    else:
        raise UsageError(
            f"images cannot be copied from '{text}'",
            hint="give HOST/PATH[:TAG], oci:, oci-archive:, docker-archive: or dir:",
        )
