"""Several stores as one: images by name, layers in whichever store they are.

podman looks for an image in its own store first and then in those for all users, and a layer of
an image may lie on one that another store has (containers-storage.conf(5), additionalimagestores).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from dacha.errors import BadImageError, DachaError, ImageNotFoundError
from dacha.registry.containers_storage.records import ImageRecord, LayerRecord
from dacha.registry.containers_storage.store import Store
from dacha.registry.manifest import parse_diff_ids
from dacha.registry.reference import is_name
from dacha.registry.source import SourceImage

_MIN_ID_PREFIX = 4


class StoredImage(NamedTuple):
    """An image and the store that has it."""

    store: Store
    record: ImageRecord

    @property
    def title(self) -> str:
        """What to call it in messages."""
        return next((name for name in self.record.names if is_name(name)), self.record.id[:12])

    @property
    def references(self) -> tuple[str, ...]:
        """What containers-transports(5) calls it, by each of its names; where it has none, its store."""
        store = f"[{self.store.driver}@{self.store.root}]"
        return tuple(f"{store}{name}" for name in self.record.names) or (store,)


class StoredLayer(NamedTuple):
    """A layer and the store that has it."""

    store: Store
    record: LayerRecord

    def __str__(self) -> str:
        return f"layer {self.record.id[:12]} in {self.store.root}"


class Lookup:
    """Stores in the order in which they are asked."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores
        self._images: list[StoredImage] | None = None
        self._layers: dict[str, StoredLayer] | None = None

    def images(self) -> list[StoredImage]:
        """All images, as they were when this was asked first."""
        if self._images is None:
            self._images = [StoredImage(store, each) for store in self._stores for each in store.images()]
        return self._images

    def find_exactly(self, name: str) -> StoredImage | None:
        """The image of that full name, or with localhost/ before it, as podman calls what it built."""
        for wanted in (name, f"{name}:latest", f"localhost/{name}", f"localhost/{name}:latest"):
            for image in self.images():
                if wanted in image.record.names:
                    return image
        return None

    def find(self, text: str) -> StoredImage:
        """The image that a user means: by its name, its id, or the end of its name.

        Raises ImageNotFoundError, and DachaError if several may be meant.
        """
        exact = self.find_exactly(text)
        if exact is not None:
            return exact
        endings = (f"/{text}", f"/{text}:latest")
        prefix = text.removeprefix("sha256:")
        candidates = [
            image
            for image in self.images()
            if any(name.endswith(endings) for name in image.record.names)
            or (len(prefix) >= _MIN_ID_PREFIX and image.record.id.startswith(prefix))
        ]
        different = {image.record.id: image for image in reversed(candidates)}
        if len(different) > 1:
            known = " or ".join(sorted(image.title for image in different.values()))
            raise DachaError(f"'{text}' may be {known}", hint="give more of the name")
        if not different:
            raise ImageNotFoundError(
                f"podman has no image '{text}'", hint=f"it has: {self._known() or 'none with a name'}"
            )
        return next(iter(different.values()))

    def _known(self) -> str:
        names = sorted({name for image in self.images() for name in image.record.names})
        return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")

    def read(self, image: StoredImage) -> SourceImage[StoredLayer]:
        """All that is known of an image. Raises BadImageError where it is not what its id says."""
        digest = f"sha256:{image.record.id}"
        configuration = image.store.big_data(image.record, digest)
        where = f"'{image.title}' in {image.store.root}"
        if configuration is None:
            if self.is_list(image):
                raise BadImageError(f"{where} is a list of images, not an image")
            raise BadImageError(f"{where} has no configuration")
        if f"sha256:{hashlib.sha256(configuration).hexdigest()}" != digest:
            raise BadImageError(f"the configuration of {where} is damaged: it is not {digest[:19]}…")
        try:
            layers = tuple(self._chain(image.record.top_layer))
            diff_ids = parse_diff_ids(configuration, layers)
        except BadImageError as error:
            raise BadImageError(f"{where}: {error}", hint=error.hint) from error
        return SourceImage(digest, configuration.decode(), diff_ids, layers)

    def is_list(self, image: StoredImage) -> bool:
        """Whether it is a list of images for several platforms, as `podman manifest create` makes it."""
        if image.record.top_layer:
            return False
        return image.store.big_data(image.record, f"sha256:{image.record.id}") is None

    def _chain(self, top: str) -> list[StoredLayer]:
        """The layers of an image, the lowest first."""
        if self._layers is None:
            self._layers = {}
            for store in reversed(self._stores):
                self._layers |= {key: StoredLayer(store, each) for key, each in store.layers().items()}
        chain: list[StoredLayer] = []
        while top:
            layer = self._layers.get(top)
            if layer is None:
                raise BadImageError(f"layer {top[:12]} is missing")
            if not layer.record.is_complete:
                raise BadImageError(f"layer {top[:12]} was never finished", hint="pull it with podman again")
            if len(chain) > len(self._layers):
                raise BadImageError(f"layer {top[:12]} lies on itself")
            chain.append(layer)
            top = layer.record.parent
        return chain[::-1]
