"""An image of one layer out of the tar of a root file system, with a configuration as wished."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence

from dacha.build import changes, obtain
from dacha.build.progress import Progress
from dacha.storage import images
from dacha.storage.images import Image
from dacha.userns.outer import OuterMaps


def import_image(
    connection: sqlite3.Connection,
    maps: OuterMaps,
    path: str,
    name: str,
    progress: Progress,
    *,
    instructions: Sequence[str] = (),
    message: str = "",
) -> Image:
    """Make the image; without a `name` it has only its id. Raises UsageError and BadImageError."""
    changes.changed({}, instructions)  # before the work is done
    diff_id, platform = obtain.add_root_layer(connection, maps, path, progress)
    base: changes.Config = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        base["variant"] = platform.variant
    configuration = changes.with_layer(
        base, diff_id, instructions, made_by=f"dacha image import {path}", message=message
    )
    text = json.dumps(configuration, sort_keys=True)
    image = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return images.add(connection, image, text, [diff_id], name, f"tar:{path}")
