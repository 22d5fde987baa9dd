"""Find images for a manifest list, and push the list with all that is in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from dacha.build import copy, push, registries
from dacha.build.destination import Destination
from dacha.build.locate import find_remote, names_of
from dacha.build.progress import Progress
from dacha.build.pull import Found
from dacha.build.registries import Access
from dacha.errors import DachaError
from dacha.registry import image_name, manifest
from dacha.registry import platform as platforms
from dacha.registry.image_name import ImageName
from dacha.registry.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Document, Json
from dacha.registry.platform import Platform
from dacha.registry.remote.upload import Uploader
from dacha.registry.sink import RegistrySink
from dacha.storage import images
from dacha.storage.manifest_lists import Member
from dacha.userns.outer import OuterMaps


class Wish(NamedTuple):
    """What a user says of an image in a list; what is empty is taken from the image."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    annotations: dict[str, str] = {}  # noqa: RUF012  (never changed)

    def applied_to(self, member: Member) -> Member:
        """The member as the user wants it."""
        return member._replace(
            os=self.os or member.os,
            architecture=self.architecture or member.architecture,
            variant=self.variant or member.variant,
            annotations={**member.annotations, **self.annotations},
        )


def find_members(
    connection: sqlite3.Connection, text: str, access: Access, *, takes_all: bool
) -> list[Member]:
    """What `text` names: an image of the store, or one in a registry; with `takes_all`, all of an index.

    Raises ImageNotFoundError and what registries raise.
    """
    image = images.find(connection, text)
    if image is not None:
        return [_member(image.id, "", _platform_of(images.configuration(connection, image.id)))]
    name = names_of(text, access.choose)[0]
    found = find_remote(name, access)
    document = found.document
    if takes_all and manifest.is_index(document.descriptor.media_type):
        return list(_members_of_index(name, document))
    digest = found.digests[-1]
    return [_member(_source(name, digest), digest, _platform_of(found.image.configuration))]


def _members_of_index(name: ImageName, index: Document) -> Iterator[Member]:
    for entry in manifest.objects_of(index.value, "manifests", str(name)):
        descriptor = manifest.as_descriptor(entry)
        platform = manifest.platform_of(entry)
        if manifest.is_index(descriptor.media_type) or platform is None or platform.os == "unknown":
            continue  # docker's attestations, for one
        yield _member(_source(name, descriptor.digest), descriptor.digest, platform)


def _source(name: ImageName, digest: str) -> str:
    return f"docker://{name._replace(tag='', digest=digest)}"


def _platform_of(configuration: str) -> Platform:
    fields = json.loads(configuration)
    found = platforms.of_fields(fields.get("os"), fields.get("architecture"), fields.get("variant"))
    return found or platforms.host_platform()


def _member(source: str, digest: str, platform: Platform) -> Member:
    return Member(source, digest, platform.os, platform.architecture, platform.variant, {})


def as_index(members: list[Member], descriptors: dict[str, Descriptor]) -> Json:
    """An OCI image index; what is not in `descriptors`, by source, has no digest yet."""
    entries = []
    for each in members:
        platform = {"os": each.os, "architecture": each.architecture, "variant": each.variant}
        found = descriptors.get(each.source)
        entry: dict[str, object] = {"mediaType": OCI_MANIFEST}
        if found is not None:
            entry = push.as_json(found)
        elif each.digest:
            entry["digest"] = each.digest
        entry["platform"] = {key: value for key, value in platform.items() if value}
        if each.annotations:
            entry["annotations"] = each.annotations
        entries.append(entry)
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}


def push_list(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    members: list[Member],
    name: ImageName,
    access: Access,
    progress: Progress,
) -> Document:
    """Push the images of a list under their digests, then the index under the name."""
    if not members:
        raise DachaError("the manifest list is empty", hint="put images in: dacha manifest add LIST IMAGE")
    client, there = registries.own_registry(name, access)
    uploader = Uploader(client)
    place = Destination(RegistrySink(uploader, ""), name)
    descriptors = {}
    for each in members:
        progress.step(f"pushing {each.os}/{each.architecture}{'/' if each.variant else ''}{each.variant}")
        if each.source.startswith("docker://"):
            descriptors[each.source] = _copy(each, place, access, progress)
        else:
            image = images.get(connection, each.source)
            document = push.push(connection, maps, image, place.sink, name, progress)
            descriptors[each.source] = document.descriptor
    index = push.document_of(as_index(members, descriptors), OCI_INDEX)
    uploader.put_manifest(index, there.version)
    return index


def _copy(member: Member, place: Destination, access: Access, progress: Progress) -> Descriptor:
    name = image_name.parse(member.source.removeprefix("docker://"))
    found: Found = find_remote(name, access._replace(platform=None))
    copy.copy_found(found, place, progress)
    return found.document.descriptor
