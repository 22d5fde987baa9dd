"""What `docker save` writes, the transport `docker-archive:`.

manifest.json lists the images: a configuration and layers, by their names in the archive,
which are those of older dockers (ID/layer.tar), of skopeo (HASH.tar) or of an image layout
(blobs/sha256/HASH). Only the configuration says what the layers must be, by their
diffIDs; nothing says what it must be itself. Archives without manifest.json are the
business of `registry.docker_legacy`.

Source: moby, image/spec/v1.2.md ("Combined Image JSON + Filesystem Changeset Format").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TypeVar

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry import platform as platforms
from dacha.registry.digest import Stream
from dacha.registry.files import Files, read_at_most, read_json
from dacha.registry.manifest import MAX_JSON_BYTES, Json, as_object, parse_diff_ids
from dacha.registry.platform import Platform
from dacha.registry.source import SourceImage

Choice = TypeVar("Choice")


class DockerArchive:
    """An archive with a manifest.json."""

    def __init__(self, path: str, files: Files) -> None:
        self._path = path
        self._files = files

    def image(self, tag: str = "", platform: Platform | None = None) -> SourceImage[str]:
        """The image with that name, or the only one there is; `@N` is the one at that place of the list.

        Of several with that name it is the one for the platform.
        """
        listed = read_json(self._files, "manifest.json")
        if not isinstance(listed, list):
            raise BadImageError(f"manifest.json in {self._files.where} is no list")
        entries = [as_object(entry) for entry in listed]
        found = choose(
            [(entry, _texts(entry, "RepoTags")) for entry in entries], tag, self._path, self._files
        )
        images = [self._read(entry) for entry in found]
        if len(images) == 1:
            return images[0]
        return images[platforms.choose([image.platform for image in images], platform)]

    def _read(self, entry: Json) -> SourceImage[str]:
        name = entry.get("Config")
        if not isinstance(name, str):
            raise BadImageError(f"manifest.json in {self._files.where} names no configuration")
        with closing(self._files.open(name, "the configuration")) as file:
            configuration = read_at_most(file, MAX_JSON_BYTES + 1)
        layers = tuple(_texts(entry, "Layers"))
        diff_ids = parse_diff_ids(configuration, layers)
        digest = f"sha256:{hashlib.sha256(configuration).hexdigest()}"
        return SourceImage(digest, configuration.decode(), diff_ids, layers)

    def open_layer(self, layer: str) -> Stream:
        """A layer by its name in the archive; whoever unpacks it verifies the diffID."""
        return self._files.open(layer, f"layer {layer[:80]}")


def choose(images: Sequence[tuple[Choice, Iterable[str]]], tag: str, path: str, files: Files) -> list[Choice]:
    """The images that `tag` means, among the images of an archive with their names; one at least."""
    names = [{normal_name(name) for name in names} for _, names in images]
    known = ", ".join(sorted(set().union(*names))) or "none"
    if not tag:
        if len(images) == 1 or (images and all(each and each == names[0] for each in names)):
            return [image for image, _ in images]
        raise ImageNotFoundError(
            f"{files.where} has {len(images)} images",
            hint=f"name one: docker-archive:{path}:NAME or :@NUMBER, from 0; its names: {known}",
        )
    number = tag[1:]
    if tag.startswith("@") and number.isdecimal() and len(number) < 10 and int(number) < len(images):
        return [images[int(number)][0]]
    wanted = normal_name(tag)
    found = [image for (image, _), its_names in zip(images, names, strict=True) if wanted in its_names]
    if found:
        return found
    raise ImageNotFoundError(f"no image '{tag}' in {files.where}", hint=f"its names: {known}")


def normal_name(name: str) -> str:
    """A name without what it says by default, docker's registry, and with the tag that it has by default."""
    for prefix in ("docker.io/", "index.docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _texts(parent: Json, key: str) -> list[str]:
    values = parent.get(key) or []  # Go writes null for an empty list
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadImageError(f"'{key}' in manifest.json is no list of names")
    return values
