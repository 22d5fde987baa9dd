"""The builder of test images: what it writes is what readers read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.lib.oci import DIR, HARDLINK, Compression, Entry, opaque, whiteout, write_layout, write_tar


def read_blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    algorithm, _, name = descriptor["digest"].partition(":")
    data: bytes = (layout / "blobs" / algorithm / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == name
    assert len(data) == descriptor["size"]
    return data


def decompress(data: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        return gzip.decompress(data)
    if compression == "zstd":
        return zstandard.ZstdDecompressor().decompress(data)
    return data


def test_tar_keeps_owner_mode_links_and_binary_xattrs() -> None:
    capability = b"\x01\x00\x00\x02\x00\x20\xff\x00"
    entries = [
        Entry("bin", DIR),
        Entry("bin/ping", mode=0o4755, uid=3, gid=4, data=b"elf", xattrs={"security.capability": capability}),
        Entry("bin/ping6", HARDLINK, linkname="bin/ping"),
        Entry("../bad\udcff", data=b"x"),
    ]
    with tarfile.open(fileobj=io.BytesIO(write_tar(entries)), errors="surrogateescape") as tar:
        directory, ping, link, bad = tar.getmembers()
    assert directory.isdir()
    assert (ping.mode, ping.uid, ping.gid, ping.size) == (0o4755, 3, 4, 3)
    kept = ping.pax_headers["SCHILY.xattr.security.capability"]
    assert kept.encode("utf-8", "surrogateescape") == capability
    assert (link.islnk(), link.linkname) == (True, "bin/ping")
    assert bad.name == "../bad\udcff"


def test_whiteouts_carry_the_names_of_the_format() -> None:
    assert [whiteout("etc/motd").name, whiteout("motd").name] == ["etc/.wh.motd", ".wh.motd"]
    assert opaque("etc").name == "etc/.wh..wh..opq"


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layout_is_consistent(tmp_path: Path, compression: Compression) -> None:
    layer = [Entry("motd", data=b"hello")]
    write_layout(tmp_path, [layer, [whiteout("motd")]], tags=["a", "b"], compression=compression)
    index = json.loads((tmp_path / "index.json").read_bytes())
    tags = [m["annotations"]["org.opencontainers.image.ref.name"] for m in index["manifests"]]
    assert tags == ["a", "b"]
    manifest = json.loads(read_blob(tmp_path, index["manifests"][0]))
    config = json.loads(read_blob(tmp_path, manifest["config"]))
    blobs = [read_blob(tmp_path, descriptor) for descriptor in manifest["layers"]]
    diff_ids = [f"sha256:{hashlib.sha256(decompress(blob, compression)).hexdigest()}" for blob in blobs]
    assert config["rootfs"]["diff_ids"] == diff_ids


def test_a_tag_moves_to_the_image_written_last(tmp_path: Path) -> None:
    write_layout(tmp_path, [[Entry("one")]], tags=["a", "b"])
    write_layout(tmp_path, [[Entry("two")]], tags=["a"])
    index = json.loads((tmp_path / "index.json").read_bytes())
    tags = [m["annotations"]["org.opencontainers.image.ref.name"] for m in index["manifests"]]
    assert tags == ["b", "a"]
    assert index["manifests"][0]["digest"] != index["manifests"][1]["digest"]
