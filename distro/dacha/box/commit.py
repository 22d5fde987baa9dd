"""Make an image of a box: what the box has changed becomes one more layer on those of its image.

The box may run meanwhile: its upper is read as it lies on disk. Its lock is held, so that it is
not removed under our hands; what a running box changes during that is in the image or not.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from typing import NamedTuple

from dacha.box import changes
from dacha.box.changes import Subject
from dacha.box.start import get_locked, lock_box
from dacha.build import changes as configuration
from dacha.linux import account
from dacha.storage import database, images, layers, unpack
from dacha.storage.images import Image
from dacha.storage.outer_stream import OuterStream
from dacha.storage.pack import Packer
from dacha.userns import outer


class Request(NamedTuple):
    """What shall become of which box."""

    box: str
    image: str  # the name of the new image
    author: str = ""
    message: str = ""
    instructions: tuple[str, ...] = ()


def commit(request: Request) -> Image:
    """Make the image. Raises BoxNotFoundError, UsageError, and DachaError for what no layer can have."""
    configuration.changed({}, request.instructions)  # before the work is done
    with lock_box(request.box) as lock:
        connection = database.open_database()
        try:
            box = get_locked(connection, request.box, lock)
            base = images.config(connection, box.image)
            caller = account.calling_account()
            maps = outer.outer_maps(caller, is_single=box.is_single)
            subject = Subject(box, layers.of_image(connection, box.image), caller, maps)
            with closing(OuterStream(maps, lambda sink: pack(subject, sink))) as stream:
                layer = unpack.add_layer(connection, maps, stream)
            new = configuration.with_layer(
                base,
                layer.diff_id,
                request.instructions,
                made_by=f"dacha commit {box.name}",
                author=request.author,
                message=request.message,
            )
            text = json.dumps(new, sort_keys=True)
            image = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
            diff_ids = [each.diff_id for each in subject.layers]
            source = f"box {box.name}"
            return images.add(connection, image, text, [*diff_ids, layer.diff_id], request.image, source)
        finally:
            connection.close()


def pack(subject: Subject, sink: int) -> None:
    """Write the layer that a box has become to a descriptor. Call it in H."""
    with changes.open_box(subject) as found:
        packer = Packer(sink, subject.ownership)
        if found.upper is not None:
            packer.layer(found.upper.walk(), found.contents)
        packer.finish()
