"""One store of containers/storage: its records, its lock files, and where the files of a layer are.

    DRIVER-images/images.json, images.lock
    DRIVER-images/IMAGE/=BASE64            what belongs to an image, by the base64 of its key
    DRIVER-layers/layers.json, layers.lock
    DRIVER-layers/LAYER.tar-split.gz
    overlay/LAYER/diff, vfs/dir/LAYER      the files of a layer; vfs repeats those of the layers below

All but the files of layers belongs to the user who runs podman, so it is read without H. Stores
for all users, which nobody writes to, may be without lock files.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dacha.errors import BadImageError, DachaError, ImageNotFoundError
from dacha.linux import files, lock
from dacha.linux.child import ChildStream
from dacha.registry.containers_storage import archive
from dacha.registry.containers_storage.records import (
    ImageRecord,
    LayerRecord,
    parse_images,
    parse_layers,
)
from dacha.registry.digest import Stream
from dacha.registry.manifest import MAX_JSON_BYTES
from dacha.userns.outer import OuterMaps

# Where a driver has the files of a layer.
_TREES = {"overlay": "overlay/{id}/diff", "vfs": "vfs/dir/{id}"}
_MAX_RECORDS_BYTES = 1 << 28
_BENEATH = files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS

Notice = Callable[[str], object]


def silent(_text: str) -> None:
    """A notice that nobody reads."""


class Store:
    """The images and layers that one driver keeps below a graph root. Close it."""

    def __init__(self, root: str, driver: str, notice: Notice = silent) -> None:
        self.root = root
        self.driver = driver
        self._notice = notice
        try:
            # The root itself may be a symlink: people keep images on another disk.
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise cannot_read(root, error) from error

    def close(self) -> None:
        """Give up its directory."""
        os.close(self._fd)

    def images(self) -> list[ImageRecord]:
        """All images in it. Raises BadImageError for damaged records."""
        with self._reading("images"):
            name = f"{self.driver}-images/images.json"
            return parse_images(self._read(name, _MAX_RECORDS_BYTES) or b"", f"{self.root}/{name}")

    def layers(self) -> dict[str, LayerRecord]:
        """All layers in it by their ids. Raises BadImageError for damaged records."""
        found: dict[str, LayerRecord] = {}
        with self._reading("layers"):
            # Layers of containers that are gone after a reboot; images may share none of them.
            for file in ("volatile-layers.json", "layers.json"):
                name = f"{self.driver}-layers/{file}"
                data = self._read(name, _MAX_RECORDS_BYTES) or b""
                found |= {each.id: each for each in parse_layers(data, f"{self.root}/{name}")}
        return found

    def big_data(self, image: ImageRecord, key: str) -> bytes | None:
        """What an image has under that key: a configuration, a manifest. None if it is not there."""
        plain = not set(key) - frozenset("abcdefghijklmnopqrstuvwxyz0123456789.")
        name = key if plain else "=" + base64.b64encode(key.encode()).decode()
        return self._read(f"{self.driver}-images/{image.id}/{name}", MAX_JSON_BYTES)

    @contextmanager
    def layer(self, maps: OuterMaps, layer: LayerRecord) -> Iterator[ChildStream]:
        """The uncompressed archive of a layer, which podman cannot delete while it is read."""
        with self._reading("layers"):
            stream = self._open_layer(maps, layer)
            try:
                yield stream
            finally:
                stream.close()

    def _open_layer(self, maps: OuterMaps, layer: LayerRecord) -> ChildStream:
        name = f"{self.driver}-layers/{layer.id}.tar-split.gz"

        def open_tar_split() -> Stream:
            fd = self._open(name)
            if fd is None:
                raise BadImageError(f"its tar-split is missing: {self.root}/{name}")
            return open(fd, "rb")

        return archive.open_archive(maps, self._fd, _TREES[self.driver].format(id=layer.id), open_tar_split)

    @contextmanager
    def _reading(self, kind: str) -> Iterator[None]:
        fd = self._open(f"{self.driver}-{kind}/{kind}.lock")
        if fd is None:
            yield
            return
        try:
            lock.share_record_lock(
                fd, lambda: self._notice(f"waiting for podman, which is writing to {self.root}")
            )
            yield
        finally:
            os.close(fd)

    def _open(self, name: str) -> int | None:
        """A regular file below the root, or None if there is none. Raises DachaError."""
        try:
            fd = files.openat2(self._fd, name, os.O_RDONLY | os.O_NONBLOCK, _BENEATH)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot_read(f"{self.root}/{name}", error) from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadImageError(f"{self.root}/{name} is no regular file")
        return fd

    def _read(self, name: str, max_bytes: int) -> bytes | None:
        fd = self._open(name)
        if fd is None:
            return None
        with open(fd, "rb") as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise BadImageError(f"{self.root}/{name} is larger than {max_bytes} bytes")
        return data


def open_stores(root: str, notice: Notice = silent) -> list[Store]:
    """The stores below a graph root, one for each driver that has images there.

    Raises ImageNotFoundError where there is none, DachaError where it may not be read.
    """
    try:
        names = os.listdir(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageNotFoundError(
            f"there is no store of podman's at {root}", hint="say where it is: --root DIR"
        ) from error
    except OSError as error:
        raise cannot_read(root, error) from error
    drivers = [name.removesuffix("-images") for name in sorted(names) if name.endswith("-images")]
    known = [driver for driver in drivers if driver in _TREES]
    if not known and drivers:
        raise BadImageError(
            f"{root} is a store of the driver {drivers[0]}; dacha reads overlay and vfs",
            hint="one image at a time: podman save IMAGE | dacha image load - --name IMAGE",
        )
    if not known:
        raise ImageNotFoundError(
            f"{root} is no store of podman's: it has no overlay-images", hint="say where it is: --root DIR"
        )
    return [Store(root, driver, notice) for driver in known]


def cannot_read(path: str, error: OSError) -> DachaError:
    """A refusal of the system, told with its place."""
    hint = ""
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = "another user's images: podman save IMAGE (as that user), then dacha image load"
    if error.errno == errno.ELOOP:
        return BadImageError(f"{path} is or leads through a symlink, which has no place in a store")
    return DachaError(f"cannot read {path}: {os.strerror(error.errno or 0)}", hint=hint)
