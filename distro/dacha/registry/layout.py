"""Image layouts, the transports `oci:` and `oci-archive:` (OCI image specification, image-layout.md)."""

from __future__ import annotations

import os

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.digest import VerifiedStream, check_digest
from dacha.registry.files import Directory, Files, open_blob, read_blob, read_json
from dacha.registry.manifest import (
    Descriptor,
    Json,
    as_descriptor,
    as_object,
    choose_entry,
    find_manifest,
    objects_of,
    read_image,
)
from dacha.registry.platform import Platform
from dacha.registry.source import SourceImage

_TAG = "org.opencontainers.image.ref.name"

__all__ = ["Descriptor", "Layout"]


class Layout:
    """An image layout in a directory, or in an archive whose `files` are given."""

    def __init__(self, path: str, files: Files | None = None) -> None:
        self._path = path
        self._transport = "oci" if files is None else "oci-archive"
        self._files = files or _open_directory(path)

    def image(self, tag: str = "", platform: Platform | None = None) -> SourceImage[Descriptor]:
        """The image with that tag, or the only one there is; `@N` is the one at that place of the index.

        Of several with one tag, or all without any, it is the one for the platform.
        """
        index = as_object(read_json(self._files, "index.json"))
        entry = self._choose(objects_of(index, "manifests", "index.json"), tag, platform)
        return read_image(find_manifest(as_descriptor(entry), self._read, platform), self._read)

    def open_layer(self, layer: Descriptor) -> VerifiedStream:
        """The compressed layer, checked while it is read. The caller reads it to its end, and closes it."""
        return open_blob(self._files, _blob(layer), layer, f"layer {layer.digest}")

    def _choose(self, manifests: list[Json], tag: str, platform: Platform | None) -> Json:
        tags: dict[str, list[Json]] = {}
        for entry in manifests:
            tags.setdefault(str(as_object(entry.get("annotations", {})).get(_TAG, "")), []).append(entry)
        if not tag and len(manifests) == 1:
            return manifests[0]
        found = tags.get(tag, []) if tag or len(tags) == 1 else []
        if len(found) > 1 and all(entry.get("platform") for entry in found):
            return choose_entry(found, platform)
        if found and tag:
            return found[-1]  # a later one replaces the others
        number = tag[1:]
        if tag.startswith("@") and number.isdecimal() and len(number) < 10 and int(number) < len(manifests):
            return manifests[int(number)]
        known = ", ".join(sorted(name for name in tags if name)) or "none"
        if tag:
            raise ImageNotFoundError(f"no tag '{tag}' in {self._files.where}", hint=f"its tags: {known}")
        raise ImageNotFoundError(
            f"{self._files.where} has {len(manifests)} images",
            hint=f"name one: {self._transport}:{self._path}:TAG; its tags: {known}",
        )

    def _read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self._files, _blob(descriptor), descriptor)


def _open_directory(path: str) -> Directory:
    if not os.path.isdir(path):
        hint = f"it is a file: say oci-archive:{path}" if os.path.isfile(path) else "give oci:DIR[:TAG]"
        raise ImageNotFoundError(f"no image layout at {path}", hint=hint)
    directory = Directory(path)
    if not directory.has("index.json"):
        hint = f"say dir:{path}" if directory.has("manifest.json") else ""
        raise BadImageError(f"{path} is no image layout: it has no index.json", hint=hint)
    return directory


def _blob(descriptor: Descriptor) -> str:
    algorithm, _, encoded = check_digest(descriptor.digest).partition(":")
    return f"blobs/{algorithm}/{encoded}"
