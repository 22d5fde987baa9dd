"""Build OCI image layouts out of nothing but Python values.

Real images are in `tests.lib.images`; here a test writes the layers it is
about, hostile ones included: names and links are stored as given.

    layout = write_layout(tmp_path / "oci", [
        [Entry("etc", DIR), Entry("etc/motd", data=b"hello")],
        [whiteout("etc/motd"), Entry("bin/su", mode=0o4755, data=b"elf")],
    ], tags=["greeting"])
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import zstandard

Kind = Literal["file", "dir", "symlink", "hardlink", "chardev", "blockdev", "fifo"]
Compression = Literal["none", "gzip", "zstd"]

# Shorter to write in a list of entries.
FILE: Kind = "file"
DIR: Kind = "dir"
SYMLINK: Kind = "symlink"
HARDLINK: Kind = "hardlink"
CHARDEV: Kind = "chardev"
FIFO: Kind = "fifo"

_TAR_TYPES: dict[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "chardev": tarfile.CHRTYPE,
    "blockdev": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}
_LAYER_SUFFIXES: dict[Compression, str] = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Entry:
    """One member of a layer. Bytes in names that are no UTF-8 are surrogate-escaped, as by os.fsdecode."""

    name: str
    kind: Kind = "file"
    mode: int | None = None  # 0755 for directories, 0777 for symlinks, 0644 for the rest
    uid: int = 0
    gid: int = 0
    data: bytes = b""
    linkname: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    mtime: float = 1_700_000_000
    device: tuple[int, int] = (0, 0)

    def as_tar_info(self) -> tarfile.TarInfo:
        """The tar header, with extended attributes as SCHILY.xattr records."""
        info = tarfile.TarInfo(self.name)
        info.type = _TAR_TYPES[self.kind]
        default_mode = {"dir": 0o755, "symlink": 0o777}.get(self.kind, 0o644)
        info.mode = default_mode if self.mode is None else self.mode
        info.uid, info.gid, info.mtime = self.uid, self.gid, self.mtime
        info.linkname = self.linkname
        info.size = len(self.data) if self.kind == "file" else 0
        info.devmajor, info.devminor = self.device
        info.pax_headers = {
            f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
            for name, value in self.xattrs.items()
        }
        return info


def whiteout(name: str) -> Entry:
    """The entry that removes `name` of the layers below."""
    directory, slash, base = name.rpartition("/")
    return Entry(f"{directory}{slash}.wh.{base}", mode=0)


def opaque(directory: str) -> Entry:
    """The entry that hides all that layers below have in `directory`."""
    return Entry(f"{directory}/.wh..wh..opq", mode=0)


Layer = Sequence[Entry] | bytes  # bytes: an uncompressed tar, for tests of broken ones


def write_tar(entries: Sequence[Entry]) -> bytes:
    """An uncompressed tar; the same entries give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for entry in entries:
            tar.addfile(entry.as_tar_info(), io.BytesIO(entry.data))
    return buffer.getvalue()


def compress(data: bytes, compression: Compression) -> bytes:
    """Compress a layer, reproducibly."""
    if compression == "gzip":
        return gzip.compress(data, mtime=0)
    if compression == "zstd":
        return zstandard.compress(data)
    return data


def write_layout(
    directory: Path,
    layers: Sequence[Layer],
    *,
    tags: Sequence[str] = ("latest",),
    compression: Compression = "gzip",
    config: Mapping[str, Any] | None = None,
    architecture: str = "",
) -> Path:
    """Write an image into the layout at `directory`, which is made or added to.

    `config` is the image's `config` object: Cmd, Env, Labels and so on. A tag
    that is there already moves to this image. Returns `directory`.
    """
    tars = [layer if isinstance(layer, bytes) else write_tar(layer) for layer in layers]
    media_type = f"application/vnd.oci.image.layer.v1.tar{_LAYER_SUFFIXES[compression]}"
    descriptors = [_write_blob(directory, compress(tar, compression), media_type) for tar in tars]
    image_config = {
        "created": "2023-11-14T22:13:20Z",
        "architecture": architecture or _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
        "history": [{"created_by": f"layer {number}"} for number in range(1, len(tars) + 1)],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _write_blob(directory, _as_json(image_config), "application/vnd.oci.image.config.v1+json"),
        "layers": descriptors,
    }
    descriptor = _write_blob(directory, _as_json(manifest), manifest["mediaType"])
    _add_to_index(directory, descriptor, tags)
    return directory


def _add_to_index(directory: Path, descriptor: dict[str, Any], tags: Sequence[str]) -> None:
    (directory / "oci-layout").write_bytes(_as_json({"imageLayoutVersion": "1.0.0"}))
    key = "org.opencontainers.image.ref.name"
    path = directory / "index.json"
    manifests = json.loads(path.read_bytes())["manifests"] if path.exists() else []
    manifests = [old for old in manifests if old.get("annotations", {}).get(key) not in tags]
    manifests += [{**descriptor, "annotations": {key: tag}} for tag in tags] or [descriptor]
    path.write_bytes(_as_json({"schemaVersion": 2, "manifests": manifests}))


def write_index(directory: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Make a layout one image for several platforms: an index with these entries, which name them."""
    media_type = "application/vnd.oci.image.index.v1+json"
    data = _as_json(
        {"schemaVersion": 2, "mediaType": media_type, "manifests": [dict(each) for each in entries]}
    )
    descriptor = _write_blob(directory, data, media_type)
    (directory / "index.json").write_bytes(_as_json({"schemaVersion": 2, "manifests": [descriptor]}))


def _write_blob(directory: Path, data: bytes, media_type: Any) -> dict[str, Any]:
    digest = _digest(data)
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest.removeprefix("sha256:")).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
