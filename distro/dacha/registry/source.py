"""What every transport that brings images looks like from above."""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

from dacha.registry.digest import Stream

Layer = TypeVar("Layer")


class SourceImage(NamedTuple, Generic[Layer]):
    """An image where it comes from: its configuration as stored, and its layers, the lowest first.

    What a layer is, only the source knows that it goes back to.
    """

    id: str
    configuration: str
    diff_ids: tuple[str, ...]
    layers: tuple[Layer, ...]


class ImageSource(Protocol[Layer]):
    """Where images come from. Everything in it is a stranger's: checked before it is used."""

    def image(self, tag: str = "") -> SourceImage[Layer]:
        """The image with that tag, or the only one there is. Raises BadImageError or ImageNotFoundError."""
        ...

    def open_layer(self, layer: Layer) -> Stream:
        """A layer, compressed as it may be. The caller reads it to its end, and closes it."""
        ...
