"""Views of layers: which there are, and one made from another.

Boxes with all ids and boxes in single-id mode want the files of a layer under different
owners. What is in the store in one view alone is put together again as the archive that it
was (`storage.reassemble`), and unpacked once more beside it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from dacha.storage import layers, unpack
from dacha.storage.layers import Layer
from dacha.storage.reassemble import Reassembled
from dacha.userns.outer import OuterMaps


def readable(layer: Layer, *candidates: OuterMaps) -> OuterMaps | None:
    """The first of these maps in whose view the layer is there."""
    return next((maps for maps in candidates if layer.has_view(maps)), None)


def make_missing(connection: sqlite3.Connection, maps: OuterMaps, image: str, *others: OuterMaps) -> bool:
    """Make the view that these maps call for of all layers of an image, from those of `others`.

    Whether all are there in the end: a layer may have no other view that these can read, or
    no journal. Raises DachaError where a layer on disk is damaged, or there is no room.
    """
    missing = [layer for layer in layers.of_image(connection, image) if not layer.has_view(maps)]
    sources = [readable(layer, *others) for layer in missing]
    if not all(sources) or not all(os.path.exists(layer.journal) for layer in missing):
        return False
    for layer, source in zip(missing, sources, strict=True):
        if source is not None:
            with closing(Reassembled(source, layer)) as archive:
                unpack.add_layer(connection, maps, archive, expected=layer.diff_id)
    return True
