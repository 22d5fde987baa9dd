"""Image layouts on disk, the transport `oci:` (OCI image specification, image-layout.md)."""

from __future__ import annotations

import json
import os
import stat
from typing import IO, NamedTuple

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.digest import VerifiedStream, check_digest

_MAX_JSON_BYTES = 4 << 20
_MAX_DEPTH = 4
_TAG = "org.opencontainers.image.ref.name"
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "riscv64": "riscv64"}

Json = dict[str, object]


class Descriptor(NamedTuple):
    """What a blob is, and how to know it (descriptor.md)."""

    media_type: str
    digest: str
    size_bytes: int


class LayoutImage(NamedTuple):
    """An image in a layout: its configuration as stored, and its layers, the lowest first."""

    id: str
    configuration: str
    diff_ids: tuple[str, ...]
    layers: tuple[Descriptor, ...]


class Layout:
    """An image layout in a directory. Everything in it is a stranger's: checked before it is used."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        if not os.path.isdir(directory):
            raise ImageNotFoundError(f"no image layout at {directory}", hint="give oci:DIR[:TAG]")
        if not os.path.isfile(f"{directory}/index.json"):
            raise BadImageError(f"{directory} is no image layout: it has no index.json")

    def image(self, tag: str = "") -> LayoutImage:
        """The image with that tag, or the only one there is. Raises BadImageError or ImageNotFoundError."""
        with self._open("index.json", "index.json") as file:
            index = self._json(file.read(_MAX_JSON_BYTES + 1), "index.json")
        manifests = _objects(index, "manifests", "index.json")
        tags = {str(_object(entry.get("annotations", {})).get(_TAG, "")): entry for entry in manifests}
        if tag:
            if tag not in tags:
                known = ", ".join(sorted(name for name in tags if name)) or "none"
                raise ImageNotFoundError(f"no tag '{tag}' in {self.directory}", hint=f"its tags: {known}")
            entry = tags[tag]
        elif len(manifests) == 1:
            entry = manifests[0]
        else:
            known = ", ".join(sorted(name for name in tags if name)) or "none"
            raise ImageNotFoundError(
                f"{self.directory} has {len(manifests)} images",
                hint=f"name one: oci:DIR:TAG; its tags: {known}",
            )
        return self._image(self._manifest(_descriptor(entry), 0))

    def open_layer(self, layer: Descriptor) -> VerifiedStream:
        """The compressed layer, checked while it is read. The caller reads it to its end, and closes it."""
        file = self._open(self._blob(layer.digest), f"layer {layer.digest}")
        return VerifiedStream(file, layer.digest, layer.size_bytes, f"layer {layer.digest[:19]}")

    def _manifest(self, descriptor: Descriptor, depth: int) -> Json:
        """Follow indexes down to a manifest for this machine."""
        if depth > _MAX_DEPTH:
            raise BadImageError("the image's indexes are nested too deeply")
        value = self._json(self._read(descriptor), descriptor.digest)
        if descriptor.media_type in _MANIFEST_TYPES:
            return value
        if descriptor.media_type not in _INDEX_TYPES:
            raise BadImageError(f"{descriptor.media_type or 'nothing'} is no type of an image manifest")
        machine = os.uname().machine
        wanted = _ARCHITECTURES.get(machine, machine)
        entries = _objects(value, "manifests", descriptor.digest)
        for entry in entries:
            platform = _object(entry.get("platform", {}))
            if platform.get("architecture", wanted) == wanted and platform.get("os", "linux") == "linux":
                return self._manifest(_descriptor(entry), depth + 1)
        raise ImageNotFoundError(f"the image has nothing for linux/{wanted}")

    def _image(self, manifest: Json) -> LayoutImage:
        config = _descriptor(_object(manifest.get("config")))
        configuration = self._read(config)
        rootfs = _object(self._json(configuration, "the configuration").get("rootfs"))
        diff_ids = rootfs.get("diff_ids")
        if not isinstance(diff_ids, list):
            raise BadImageError("the image's configuration lists no layers (rootfs.diff_ids)")
        layers = tuple(_descriptor(entry) for entry in _objects(manifest, "layers", "the manifest"))
        if len(layers) != len(diff_ids):
            raise BadImageError(f"the manifest lists {len(layers)} layers, the configuration {len(diff_ids)}")
        return LayoutImage(
            config.digest, configuration.decode(), tuple(check_digest(each) for each in diff_ids), layers
        )

    def _blob(self, digest: str) -> str:
        return f"blobs/sha256/{check_digest(digest).removeprefix('sha256:')}"

    def _open(self, path: str, what: str) -> IO[bytes]:
        try:
            # Not blocking: a FIFO in its place would let us wait for ever.
            fd = os.open(f"{self.directory}/{path}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise BadImageError(f"{what} is missing in {self.directory}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadImageError(f"{what} in {self.directory} is no regular file")
        return open(fd, "rb")

    def _read(self, descriptor: Descriptor) -> bytes:
        if descriptor.size_bytes > _MAX_JSON_BYTES:
            raise BadImageError(
                f"{descriptor.digest} is larger than any manifest ({descriptor.size_bytes} bytes)"
            )
        with self._open(self._blob(descriptor.digest), descriptor.digest) as file:
            stream = VerifiedStream(file, descriptor.digest, descriptor.size_bytes, descriptor.digest[:19])
            data = stream.read(_MAX_JSON_BYTES + 1)
            stream.read(1)
        return data

    def _json(self, data: bytes, where: str) -> Json:
        if len(data) > _MAX_JSON_BYTES:
            raise BadImageError(f"{where} is larger than {_MAX_JSON_BYTES} bytes")
        try:
            return _object(json.loads(data.decode()))  # UTF-8, and no other encoding that json would guess
        except (ValueError, RecursionError) as error:
            raise BadImageError(f"{where} is no JSON: {error}") from error


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise BadImageError("a JSON object is missing where the image specification wants one")
    return value


def _objects(parent: Json, key: str, where: str) -> list[Json]:
    values = parent.get(key)
    if not isinstance(values, list):
        raise BadImageError(f"{where} has no list '{key}'")
    return [_object(value) for value in values]


def _descriptor(value: Json) -> Descriptor:
    size = value.get("size")
    if not isinstance(size, int) or size < 0:
        raise BadImageError("a descriptor has no size")
    return Descriptor(str(value.get("mediaType", "")), check_digest(value.get("digest")), size)
