"""Build archives of images in memory, as docker, skopeo and hostile strangers write them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dacha.registry.archive import Archive
from dacha.registry.digest import Readable
from tests.lib.oci import Entry, write_tar


def digest_of(data: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def json_entry(name: str, value: object) -> Entry:
    """A file of JSON."""
    return Entry(name, data=json.dumps(value).encode())


def configuration(layers: Sequence[bytes]) -> bytes:
    """A configuration of an image with these layers, which are uncompressed."""
    machine = platform.machine()
    value: dict[str, Any] = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    return json.dumps(value).encode()


def layout_entries(directory: Path) -> list[Entry]:
    """The files of a directory, an image layout for instance."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return [Entry(str(path.relative_to(directory)), data=path.read_bytes()) for path in paths]


@contextmanager
def opened(entries: Sequence[Entry] | bytes) -> Iterator[Archive]:
    """An archive of these files, in a file without a name."""
    data = entries if isinstance(entries, bytes) else write_tar(entries)
    fd = os.memfd_create("archive")
    try:
        os.write(fd, data)
        yield Archive(fd, "image.tar")
    finally:
        os.close(fd)


def read_all(source: Readable, step: int = 1000) -> bytes:
    """All that a stream gives."""
    buffer = io.BytesIO()
    while data := source.read(step):
        assert len(data) <= step
        buffer.write(data)
    return buffer.getvalue()
