"""An image as skopeo lays it into a directory, the transport `dir:` of containers-transports(5).

manifest.json stands for no digest; all other files are named by theirs, and held to it.
"""

from __future__ import annotations

import os
from contextlib import closing

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.digest import VerifiedStream, check_digest
from dacha.registry.files import Directory, open_blob, read_at_most, read_blob
from dacha.registry.manifest import (
    MAX_JSON_BYTES,
    Descriptor,
    Document,
    as_object,
    check_type,
    choose_platform,
    find_manifest,
    is_index,
    parse_json,
    read_image,
    type_of,
)
from dacha.registry.platform import Platform
from dacha.registry.source import SourceImage

_VERSION = "Directory Transport Version: "


class DirImage:
    """The image in a directory, or several for as many platforms."""

    def __init__(self, path: str) -> None:
        if not os.path.isdir(path):
            hint = f"it is a file: say docker-archive:{path}" if os.path.isfile(path) else "give dir:DIR"
            raise ImageNotFoundError(f"no directory at {path}", hint=hint)
        self._files = Directory(path)
        if not self._files.has("manifest.json"):
            is_layout = self._files.has("index.json")
            raise BadImageError(
                f"{path} is no image of the kind dir: it has no manifest.json",
                hint=f"say {'oci' if is_layout else 'rootfs'}:{path}",
            )
        self._check_version()

    def _check_version(self) -> None:
        if not self._files.has("version"):
            return  # as skopeo wrote it before 2017
        file = self._files.open("version", "version")
        text = read_at_most(file, 100).decode(errors="replace")
        file.close()
        if not text.startswith(f"{_VERSION}1."):
            raise BadImageError(f"{self._files.where} is of another version of dir: {text.strip()!r:.100}")

    def image(self, tag: str = "", platform: Platform | None = None) -> SourceImage[Descriptor]:
        """The only image there is for the platform; the transport knows no tags."""
        with closing(self._files.open("manifest.json", "manifest.json")) as file:
            body = read_at_most(file, MAX_JSON_BYTES + 1)
        value = as_object(parse_json(body, "manifest.json"))
        media_type = type_of(value)
        check_type(value, media_type)
        document = Document(Descriptor(media_type, "manifest.json", len(body)), body)
        if is_index(media_type):
            chosen = choose_platform(value, "manifest.json", platform)
            document = find_manifest(chosen, self._read_manifest, platform)
        return read_image(document, self._read)

    def open_layer(self, layer: Descriptor) -> VerifiedStream:
        """The compressed layer, checked while it is read."""
        return open_blob(self._files, _name(layer), layer, f"layer {layer.digest}")

    def _read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self._files, _name(descriptor), descriptor)

    def _read_manifest(self, descriptor: Descriptor) -> bytes:
        return read_blob(self._files, f"{_name(descriptor)}.manifest.json", descriptor)


def _name(descriptor: Descriptor) -> str:
    return check_digest(descriptor.digest).rpartition(":")[2]
