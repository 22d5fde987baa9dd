"""Manifests, indexes and configurations, wherever they lie.

Source: OCI image specification, manifest.md, image-index.md and config.md; docker's
"Image Manifest V2, Schema 2" differs in the names of the types alone.
"""

from __future__ import annotations

import hashlib
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
OCI_INDEX, DOCKER_LIST = INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
OCI_MANIFEST, DOCKER_MANIFEST = MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_SCHEMA1_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",  # docker before 1.10
)

Json = dict[str, object]


class Descriptor(NamedTuple):
    """What a blob is, and how to know it (descriptor.md)."""

    media_type: str
    digest: str
    size_bytes: int
    urls: tuple[str, ...] = ()  # where a layer can be had that registries do not distribute


ReadBlob = Callable[[Descriptor], bytes]


class Document(NamedTuple):
    """A manifest or an index as it is stored, byte by byte."""

    descriptor: Descriptor
    body: bytes

    @property
    def value(self) -> Json:
        """What is in it."""
        return as_object(parse_json(self.body, self.descriptor.digest))


def find_manifest(descriptor: Descriptor, read: ReadBlob, wanted: Platform | None = None) -> Document:
    """Follow indexes down to a manifest for a platform; without one, this machine's."""
    for _ in range(_MAX_DEPTH + 1):
        document = Document(descriptor, read(descriptor))
        value = document.value
        check_type(value, descriptor.media_type)
        if not is_index(descriptor.media_type):
            return document
        descriptor = choose_platform(value, descriptor.digest, wanted)
    raise BadImageError("the image's indexes are nested too deeply")


def is_index(media_type: str) -> bool:
    """Whether that is the type of an index, and not of a manifest. Raises BadImageError if it is neither."""
    if media_type in _SCHEMA1_TYPES:
        raise BadImageError(
            "the image is in docker's format of before 2016 (schema 1), which has no digests to trust",
            hint="whoever publishes it can push it again with any tool of today",
        )
    if media_type not in INDEX_TYPES and media_type not in MANIFEST_TYPES:
        raise BadImageError(f"{media_type or 'nothing'} is no type of an image manifest")
    return media_type in INDEX_TYPES


def type_of(value: Json) -> str:
    """The type of a manifest or an index that no descriptor stands for; OCI's need not say it."""
    given = value.get("mediaType") or (INDEX_TYPES if "manifests" in value else MANIFEST_TYPES)[0]
    return str(given)


def check_type(value: Json, media_type: str) -> None:
    """See that all readers take it for the same thing (CVE-2021-41190). Raises BadImageError.

    What says it is one thing and has the parts of the other is read by some as an index
    and by others as a manifest, with one digest for both.
    """
    wrong = ("layers", "config") if is_index(media_type) else ("manifests",)
    inner = value.get("mediaType", media_type)
    if inner != media_type:
        raise BadImageError(f"a manifest says that it is {inner!r:.100}, but is given as {media_type!r:.100}")
    if value.get("schemaVersion", 2) != 2 or "fsLayers" in value or any(key in value for key in wrong):
        raise BadImageError(f"what is given as {media_type} is something else, or two things at once")


def choose_platform(index: Json, where: str, wanted: Platform | None = None) -> Descriptor:
    """The entry of an index that suits a platform best, or this machine. Raises PlatformNotFoundError."""
    entries = objects_of(index, "manifests", where)
    return as_descriptor(choose_entry(entries, wanted))


def choose_entry(entries: list[Json], wanted: Platform | None = None) -> Json:
    """The same for the entries themselves."""
    return entries[platforms.choose([platform_of(entry) for entry in entries], wanted)]


def platform_of(entry: Json) -> Platform | None:
    """For what an entry of an index is, where it says so."""
    platform = as_object(entry.get("platform") or {})
    return of_fields(platform.get("os"), platform.get("architecture"), platform.get("variant"))


def read_image(document: Document, read: ReadBlob) -> SourceImage[Descriptor]:
    """The image of a manifest."""
    manifest = document.value
    config = as_descriptor(as_object(manifest.get("config")))
    if config.media_type not in (*CONFIG_TYPES, ""):
        kind = str(manifest.get("artifactType") or config.media_type)
        raise BadImageError(f"it is no image of a container, but an artifact: {kind!r:.100}")
    configuration = read(config)
    layers = tuple(as_descriptor(entry) for entry in objects_of(manifest, "layers", "the manifest"))
    for layer in layers:
        if layer.media_type.endswith("+encrypted"):
            raise BadImageError(
                "the image's layers are encrypted", hint="decrypt it first: skopeo copy --decryption-key"
            )
    diff_ids = parse_diff_ids(configuration, layers)
    # Ids are of sha256 here, whatever the manifest names its blobs by.
    image_id = f"sha256:{hashlib.sha256(configuration).hexdigest()}"
    return SourceImage(image_id, configuration.decode(), diff_ids, layers, document.body)


def parse_diff_ids(configuration: bytes, layers: tuple[object, ...]) -> tuple[str, ...]:
    """The diffIDs in a configuration, one for each layer."""
    rootfs = as_object(as_object(parse_json(configuration, "the configuration")).get("rootfs"))
    diff_ids = rootfs.get("diff_ids")
    if not isinstance(diff_ids, list):
        raise BadImageError("the image's configuration lists no layers (rootfs.diff_ids)")
    if len(layers) != len(diff_ids):
        raise BadImageError(f"the manifest lists {len(layers)} layers, the configuration {len(diff_ids)}")
    return tuple(_check_diff_id(each) for each in diff_ids)


def _check_diff_id(value: object) -> str:
    digest = check_digest(value)
    if not digest.startswith("sha256:"):
        raise BadImageError(f"the diffID {digest[:19]}… is not of sha256, by which layers are known here")
    return digest


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
    urls = value.get("urls") or []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise BadImageError("the urls of a descriptor are no list of texts")
    return Descriptor(str(value.get("mediaType", "")), check_digest(value.get("digest")), size, tuple(urls))
