"""Manifests, indexes and configurations, wherever they lie.

Source: OCI image specification, manifest.md, image-index.md and config.md; docker's
"Image Manifest V2, Schema 2" differs in the names of the types alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from dacha.errors import BadImageError
from dacha.registry import platform as platforms
from dacha.registry.digest import check_digest
from dacha.registry.platform import Platform, of_fields
from dacha.registry.source import SourceImage

MAX_JSON_BYTES = 4 << 20
_MAX_DEPTH = 4
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

Json = dict[str, object]


class Descriptor(NamedTuple):
    """What a blob is, and how to know it (descriptor.md)."""

    media_type: str
    digest: str
    size_bytes: int


ReadBlob = Callable[[Descriptor], bytes]


def find_manifest(descriptor: Descriptor, read: ReadBlob, wanted: Platform | None = None) -> Json:
    """Follow indexes down to a manifest for a platform, or for this machine."""
    for _ in range(_MAX_DEPTH + 1):
        value = as_object(parse_json(read(descriptor), descriptor.digest))
        if not is_index(descriptor.media_type):
            return value
        descriptor = choose_platform(value, descriptor.digest, wanted)
    raise BadImageError("the image's indexes are nested too deeply")


def is_index(media_type: str) -> bool:
    """Whether that is the type of an index, and not of a manifest. Raises BadImageError if it is neither."""
    if media_type not in _INDEX_TYPES and media_type not in _MANIFEST_TYPES:
        raise BadImageError(f"{media_type or 'nothing'} is no type of an image manifest")
    return media_type in _INDEX_TYPES


def type_of(value: Json) -> str:
    """The type of a manifest or an index that no descriptor stands for; OCI's need not say it."""
    given = value.get("mediaType") or (_INDEX_TYPES if "manifests" in value else _MANIFEST_TYPES)[0]
    return str(given)


def choose_platform(index: Json, where: str, wanted: Platform | None = None) -> Descriptor:
    """The entry of an index that suits a platform best, or this machine. Raises PlatformNotFoundError."""
    entries = objects_of(index, "manifests", where)
    return as_descriptor(choose_entry(entries, wanted))


def choose_entry(entries: list[Json], wanted: Platform | None = None) -> Json:
    """The same for the entries themselves."""
    return entries[platforms.choose([_platform_of(entry) for entry in entries], wanted)]


def _platform_of(entry: Json) -> Platform | None:
    platform = as_object(entry.get("platform") or {})
    return of_fields(platform.get("os"), platform.get("architecture"), platform.get("variant"))


def read_image(manifest: Json, read: ReadBlob) -> SourceImage[Descriptor]:
    """The image of a manifest."""
    config = as_descriptor(as_object(manifest.get("config")))
    configuration = read(config)
    layers = tuple(as_descriptor(entry) for entry in objects_of(manifest, "layers", "the manifest"))
    diff_ids = parse_diff_ids(configuration, layers)
    return SourceImage(config.digest, configuration.decode(), diff_ids, layers)


def parse_diff_ids(configuration: bytes, layers: tuple[object, ...]) -> tuple[str, ...]:
    """The diffIDs in a configuration, one for each layer."""
    rootfs = as_object(as_object(parse_json(configuration, "the configuration")).get("rootfs"))
    diff_ids = rootfs.get("diff_ids")
    if not isinstance(diff_ids, list):
        raise BadImageError("the image's configuration lists no layers (rootfs.diff_ids)")
    if len(layers) != len(diff_ids):
        raise BadImageError(f"the manifest lists {len(layers)} layers, the configuration {len(diff_ids)}")
    return tuple(check_digest(each) for each in diff_ids)


def parse_json(data: bytes, where: str) -> object:
    """Read JSON. Raises BadImageError where it is none, or too much."""
    if len(data) > MAX_JSON_BYTES:
        raise BadImageError(f"{where} is larger than {MAX_JSON_BYTES} bytes")
    try:
        value: object = json.loads(data.decode())  # UTF-8, and no other encoding that json would guess
    except (ValueError, RecursionError) as error:
        raise BadImageError(f"{where} is no JSON: {error}") from error
    return value


def as_object(value: object) -> Json:
    """The value, if it is a JSON object."""
    if not isinstance(value, dict):
        raise BadImageError("a JSON object is missing where the image specification wants one")
    return value


def objects_of(parent: Json, key: str, where: str) -> list[Json]:
    """The list of objects at `key`."""
    values = parent.get(key)
    if not isinstance(values, list):
        raise BadImageError(f"{where} has no list '{key}'")
    return [as_object(value) for value in values]


def as_descriptor(value: Json) -> Descriptor:
    """The value, if it is a descriptor."""
    size = value.get("size")
    if not isinstance(size, int) or size < 0:
        raise BadImageError("a descriptor has no size")
    return Descriptor(str(value.get("mediaType", "")), check_digest(value.get("digest")), size)
