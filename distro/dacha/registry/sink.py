"""Where images are written to: a registry, an image layout, or a directory as skopeo has it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Protocol

from dacha.errors import DachaError
from dacha.linux import files
from dacha.registry.manifest import Descriptor, Document
from dacha.registry.remote.upload import Uploader

_TAG = "org.opencontainers.image.ref.name"

Reached = Callable[[int], None]  # told how many bytes are written


class Sink(Protocol):
    """Takes blobs in any order, then the manifest that lists them."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether it is there already."""
        ...

    def put_small(self, descriptor: Descriptor, data: bytes) -> None:
        """Write a blob that is in memory."""
        ...

    def put_file(self, descriptor: Descriptor, fd: int, reached: Reached) -> None:
        """Write a blob that is in a file, from its beginning."""
        ...

    def put_manifest(self, document: Document) -> None:
        """Write the manifest, by which the image appears."""
        ...


class RegistrySink:
    """A repository; `version` is the tag to push under, or empty."""

    def __init__(self, uploader: Uploader, version: str) -> None:
        self._uploader = uploader
        self._version = version

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the repository has it."""
        return self._uploader.has_blob(descriptor.digest)

    def mount(self, descriptor: Descriptor, path: str) -> bool:
        """Take it over from another repository; whether the registry did that."""
        return self._uploader.mount(descriptor.digest, path)

    def put_small(self, descriptor: Descriptor, data: bytes) -> None:
        """Upload it."""
        self._uploader.put_small(descriptor, data)

    def put_file(self, descriptor: Descriptor, fd: int, reached: Reached) -> None:
        """Upload it in chunks."""
        self._uploader.put_file(descriptor, fd, reached)

    def put_manifest(self, document: Document) -> None:
        """Upload it under the tag, or under its digest."""
        self._uploader.put_manifest(document, self._version or document.descriptor.digest)


class LayoutSink:
    """An image layout in a directory, which is made or added to (OCI specification, image-layout.md)."""

    def __init__(self, path: str, tag: str) -> None:
        self._path = path
        self._tag = tag
        index = _read_index(path)
        entries = index.get("manifests")
        self._entries: list[dict[str, object]] = entries if isinstance(entries, list) else []

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether it is there, with the right size."""
        return _has_size(self._blob(descriptor), descriptor.size_bytes)

    def put_small(self, descriptor: Descriptor, data: bytes) -> None:
        """Write it."""
        _write(self._blob(descriptor), data)

    def put_file(self, descriptor: Descriptor, fd: int, reached: Reached) -> None:
        """Copy it."""
        _copy(fd, self._blob(descriptor), reached)

    def put_manifest(self, document: Document) -> None:
        """Write it, and list it under the tag."""
        descriptor = document.descriptor
        self.put_small(descriptor, document.body)
        entry: dict[str, object] = {
            "mediaType": descriptor.media_type,
            "digest": descriptor.digest,
            "size": descriptor.size_bytes,
        }
        if self._tag:
            entry["annotations"] = {_TAG: self._tag}
        # The tag moves; of images without a tag each stands once.
        kept = [
            each
            for each in self._entries
            if each.get("annotations") != entry.get("annotations")
            or (not self._tag and each.get("digest") != descriptor.digest)
        ]
        _write(f"{self._path}/oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        index = {"schemaVersion": 2, "manifests": [*kept, entry]}
        _write(f"{self._path}/index.json", json.dumps(index).encode())

    def _blob(self, descriptor: Descriptor) -> str:
        algorithm, _, encoded = descriptor.digest.partition(":")
        return f"{self._path}/blobs/{algorithm}/{encoded}"


class DirSink:
    """A directory as skopeo writes it, the transport `dir:`."""

    def __init__(self, path: str) -> None:
        self._path = path
        if os.path.isdir(path) and os.listdir(path) and not os.path.exists(f"{path}/manifest.json"):
            raise DachaError(f"{path} is a directory with something else in it", hint="give a new one")

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether it is there, with the right size."""
        return _has_size(self._blob(descriptor), descriptor.size_bytes)

    def put_small(self, descriptor: Descriptor, data: bytes) -> None:
        """Write it."""
        _write(self._blob(descriptor), data)

    def put_file(self, descriptor: Descriptor, fd: int, reached: Reached) -> None:
        """Copy it."""
        _copy(fd, self._blob(descriptor), reached)

    def put_manifest(self, document: Document) -> None:
        """Write it, and the version of the transport."""
        _write(f"{self._path}/version", b"Directory Transport Version: 1.1\n")
        _write(f"{self._path}/manifest.json", document.body)

    def _blob(self, descriptor: Descriptor) -> str:
        return f"{self._path}/{descriptor.digest.rpartition(':')[2]}"


def _read_index(path: str) -> dict[str, object]:
    try:
        with open(f"{path}/index.json", encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        if os.path.isdir(path) and os.listdir(path):
            raise DachaError(
                f"{path} is a directory with something else in it", hint="give a new one"
            ) from None
        return {}
    except (OSError, ValueError) as error:
        raise DachaError(f"cannot read the image layout {path}: {error}") from error
    return value if isinstance(value, dict) else {}


def _has_size(path: str, size_bytes: int) -> bool:
    try:
        return os.stat(path).st_size == size_bytes
    except OSError:
        return False


def _write(path: str, data: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.replace_file(path, data, 0o644)
    except OSError as error:
        raise DachaError(f"cannot write {path}: {error.strerror}") from error


def _copy(fd: int, path: str, reached: Reached) -> None:
    temporary = f"{path}.{os.getpid()}~"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            offset = 0
            while count := os.sendfile(target, fd, offset, 1 << 20):
                offset += count
                reached(offset)
        finally:
            os.close(target)
        os.rename(temporary, path)
    except OSError as error:
        raise DachaError(f"cannot write {path}: {error.strerror}") from error
