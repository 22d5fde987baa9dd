"""Stores of containers/storage, written by nobody but us: for all that podman would not write.

    store = write_store(tmp_path, [[Entry("etc/motd", data=b"hello")], [whiteout("etc/motd")]])
    (store.layers[0].diff / "etc/motd").write_bytes(b"tampered")

All files belong to whoever runs the tests: owners are in the tar-split.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.lib.oci import Entry, write_tar


class HandMadeLayer(NamedTuple):
    """Where the parts of a layer are."""

    id: str
    diff: Path
    tar_split: Path


class HandMadeStore(NamedTuple):
    """A store with one image."""

    root: Path
    image: str  # its id
    layers: list[HandMadeLayer]
    configuration: Path

    @property
    def images_json(self) -> Path:
        """The records of images."""
        return self.root / "overlay-images" / "images.json"

    @property
    def layers_json(self) -> Path:
        """The records of layers."""
        return self.root / "overlay-layers" / "layers.json"


def write_store(
    root: Path, layers: Sequence[Sequence[Entry]], names: Sequence[str] = ("localhost/made:latest",)
) -> HandMadeStore:
    """Write a store with one image, as podman has it with the driver overlay."""
    for directory in ("overlay", "overlay-images", "overlay-layers"):
        (root / directory).mkdir(parents=True)
    tars = [write_tar(entries) for entries in layers]
    written, records, parent = [], [], ""
    for tar in tars:
        digest = hashlib.sha256(tar).hexdigest()
        layer = _write_layer(root, hashlib.sha256(f"{parent} {digest}".encode()).hexdigest(), tar)
        written.append(layer)
        records.append({"id": layer.id, "parent": parent, "diff-size": len(tar)})
        parent = layer.id
    configuration = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars],
            },
        }
    ).encode()
    image = hashlib.sha256(configuration).hexdigest()
    key = base64.b64encode(f"sha256:{image}".encode()).decode()
    path = root / "overlay-images" / image / f"={key}"
    path.parent.mkdir()
    path.write_bytes(configuration)
    store = HandMadeStore(root, image, written, path)
    record = {"id": image, "names": list(names), "layer": parent, "created": "2026-01-02T03:04:05.123456789Z"}
    store.images_json.write_text(json.dumps([record]))
    store.layers_json.write_text(json.dumps(records))
    for kind in ("images", "layers"):
        (root / f"overlay-{kind}" / f"{kind}.lock").touch()
    return store


def _write_layer(root: Path, identity: str, tar: bytes) -> HandMadeLayer:
    diff = root / "overlay" / identity / "diff"
    diff.mkdir(parents=True)
    tar_split = root / "overlay-layers" / f"{identity}.tar-split.gz"
    parts = list(split(tar))
    for part in parts:
        if part["type"] == 1 and part.get("size"):
            name = part.get("name") or base64.b64decode(part["name_raw"]).decode("utf-8", "surrogateescape")
            path = diff / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_contents(tar, name))
    tar_split.write_bytes(gzip.compress(b"".join(json.dumps(part).encode() + b"\n" for part in parts)))
    return HandMadeLayer(identity, diff, tar_split)


def _open(tar: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape")


def _contents(tar: bytes, name: str) -> bytes:
    with _open(tar) as archive:
        member = archive.getmember(name)
        return tar[member.offset_data : member.offset_data + member.size]


def split(tar: bytes) -> Iterator[dict[str, Any]]:
    """The entries of a tar-split for an archive."""
    end = 0
    with _open(tar) as archive:
        for member in archive:
            yield _segment(tar[end : member.offset_data])
            end = member.offset_data + (member.size if member.isreg() else 0)
            raw = member.name.encode("utf-8", "surrogateescape")
            try:
                name = {"name": raw.decode()}
            except UnicodeDecodeError:
                name = {"name_raw": base64.b64encode(raw).decode()}
            yield {"type": 1, **name, "size": member.size, "payload": None}
    yield _segment(tar[end:])


def _segment(data: bytes) -> dict[str, Any]:
    return {"type": 2, "payload": base64.b64encode(data).decode()}
