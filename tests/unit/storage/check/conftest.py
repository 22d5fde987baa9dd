"""A store with one whole image, and what examines it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dacha.storage import images
from dacha.storage.check.base import Content, Store
from dacha.storage.check.measure import measure
from dacha.storage.database import open_database
from dacha.storage.images import Image
from dacha.userns import mapping
from dacha.userns.outer import OuterMaps

LAYER = "sha256:" + "a" * 64
DIRECTORY = "a" * 24


class Installation:
    """The store, its database, and the image in it."""

    def __init__(self, root: Path, connection: sqlite3.Connection) -> None:
        self.root = root
        self.connection = connection
        self.layer = root / "layers" / DIRECTORY
        (self.layer / "identity" / "etc").mkdir(parents=True)
        (self.layer / "identity" / "etc" / "motd").write_bytes(b"hello")
        connection.execute(
            "INSERT INTO layers (diff_id, directory, size, files, uids, gids)"
            " VALUES (?, ?, 5, 1, '[0]', '[0]')",
            (LAYER, DIRECTORY),
        )
        text = json.dumps({"rootfs": {"diff_ids": [LAYER]}})
        self.id = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        self.image: Image = images.add(connection, self.id, text, [LAYER], "debian", "oci:/somewhere")

    def as_examined(self, *, busy: frozenset[str] = frozenset()) -> Store:
        """What `system check` hands on, as root has it."""
        maps = OuterMaps(mapping.IDENTITY, mapping.IDENTITY, mapping.ALL_IDS, is_initial=True)
        contents: dict[str, list[Content]] = {}
        if self.layer.is_dir():
            content = measure(str(self.layer / "identity"))
            contents[DIRECTORY] = [content] if content is not None else []
        return Store(self.connection, maps, contents, busy)


@pytest.fixture
def installation(store: Path) -> Iterator[Installation]:
    """A store that is whole."""
    with closing(open_database()) as connection:
        yield Installation(store, connection)
