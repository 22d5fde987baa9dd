"""`dacha image push`, `copy` and `inspect`: images on their way out, and what they are."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from dacha.cli.remote import access_of
from dacha.errors import UsageError
from dacha.fast.grammar import Line

if TYPE_CHECKING:
    from dacha.storage.images import Image


def push_image(line: Line) -> int:
    """Push an image of the store and print the digest of its manifest."""
    from dacha.build import destination, push
    from dacha.cli.progress import show_progress
    from dacha.linux import account
    from dacha.storage import database, images
    from dacha.userns import single

    access = access_of(line)
    maps = single.widest_maps(account.calling_account())
    with closing(database.open_database()) as connection:
        image = images.get(connection, line.operands[0])
        target = line.operands[1] if len(line.operands) > 1 else _own_name(line.operands[0], image)
        with (
            show_progress(quiet=line.flag("quiet"), kind=line.text("progress")) as progress,
            destination.open_destination(target, access._replace(notice=progress.notice)) as place,
        ):
            progress.step(f"pushing {target}")
            document = push.push(connection, maps, image, place.sink, place.name, progress)
    print(document.descriptor.digest)
    return 0


def _own_name(given: str, image: Image) -> str:
    """The full name of an image, under which it is pushed if no other is given."""
    from dacha.registry import image_name

    for name in (given, *image.names):
        if image_name.has_host(name) and name in (*image.names, given):
            return name
    raise UsageError(
        f"'{given}' names no registry", hint="say where to: dacha image push IMAGE HOST/PATH[:TAG]"
    )


def copy_image(line: Line) -> int:
    """Copy an image between registries and files, and print the digest of its manifest."""
    from dacha.build import copy, destination
    from dacha.cli.progress import show_progress

    source = access_of(line)
    target = source._replace(platform=None)
    with (
        show_progress(quiet=line.flag("quiet"), kind=line.text("progress")) as progress,
        destination.open_destination(line.operands[1], target._replace(notice=progress.notice)) as place,
    ):
        progress.step(f"copying {line.operands[0]}")
        digest = copy.copy(line.operands[0], place, source._replace(notice=progress.notice), progress)
    print(digest)
    return 0


def inspect_images(line: Line) -> int:
    """Print what images are, as a JSON list; with --remote, as registries have them."""
    values = [_remote(text, line) if line.flag("remote") else _local(text) for text in line.operands]
    print(json.dumps(values, indent=2))
    return 0


def _local(text: str) -> dict[str, object]:
    from dacha.storage import database, images, layers

    with closing(database.open_database()) as connection:
        image = images.get(connection, text)
        return {
            **image._asdict(),
            "configuration": images.config(connection, image.id),
            "blobs": [
                blob._asdict() for diff_id in image.layers for blob in layers.blobs(connection, diff_id)
            ],
        }


def _remote(text: str, line: Line) -> dict[str, object]:
    from dacha.build import locate
    from dacha.registry import manifest

    access = access_of(line)
    found = locate.find_remote(locate.names_of(text, access.choose)[0], access)
    document = found.document
    value = document.value
    is_index = manifest.is_index(document.descriptor.media_type)
    entries = manifest.objects_of(value, "manifests", text) if is_index else []
    platforms = [str(each) for each in map(manifest.platform_of, entries) if each is not None]
    return {
        "name": str(found.name),
        "digest": document.descriptor.digest,
        "media_type": document.descriptor.media_type,
        "platforms": platforms,
        "id": found.image.id,
        "download_bytes": sum(layer.size_bytes for layer in dict.fromkeys(found.image.layers)),
        "layers": [
            {"diff_id": diff_id, **layer._asdict()}
            for diff_id, layer in zip(found.image.diff_ids, found.image.layers, strict=True)
        ],
        "configuration": json.loads(found.image.configuration),
    }
