"""What every transport that brings images looks like from above."""

from __future__ import annotations

import json
from typing import Generic, NamedTuple, Protocol, TypeVar

from dacha.registry.digest import Stream
from dacha.registry.platform import Platform, of_fields

Layer = TypeVar("Layer")


class SourceImage(NamedTuple, Generic[Layer]):
    """An image where it comes from: its configuration as stored, and its layers, the lowest first.

    What a layer is, only the source knows that it goes back to.
    """

    id: str
    configuration: str
    diff_ids: tuple[str, ...]
    layers: tuple[Layer, ...]
    manifest: bytes = b""  # as stored; empty where the source has none

    @property
    def platform(self) -> Platform | None:
        """For what it is, as its configuration says; None if it says nothing."""
        facts = json.loads(self.configuration)
        return of_fields(facts.get("os"), facts.get("architecture"), facts.get("variant"))


class ImageSource(Protocol[Layer]):
    """Where images come from. Everything in it is a stranger's: checked before it is used."""

    def image(self, tag: str = "", platform: Platform | None = None) -> SourceImage[Layer]:
        """The image with that tag, or the only one there is; of several, the one for that platform.

        Without a platform it is this machine's. Raises BadImageError or ImageNotFoundError.
        """
        ...

    def open_layer(self, layer: Layer) -> Stream:
        """A layer, compressed as it may be. The caller reads it to its end, and closes it."""
        ...
