"""Image layouts on disk, good ones and a stranger's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import pytest

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.layout import Descriptor, Layout
from dacha.registry.platform import parse
from tests.lib.oci import Entry, compress, write_layout, write_tar

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYERS = [[Entry("etc/motd", data=b"hello")], [Entry("etc/issue", data=b"world")]]


def write_blob(layout: Path, data: bytes, media_type: str = MANIFEST_TYPE, **more: Any) -> dict[str, Any]:
    name = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256" / name).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data), **more}


def write_json(layout: Path, value: object, media_type: str = MANIFEST_TYPE, **more: Any) -> dict[str, Any]:
    return write_blob(layout, json.dumps(value).encode(), media_type, **more)


def write_index(layout: Path, *descriptors: dict[str, Any]) -> None:
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": descriptors}))


def top(layout: Path) -> dict[str, Any]:
    """The only descriptor of index.json."""
    (descriptor,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    return dict(descriptor)


def blob_path(layout: Path, descriptor: dict[str, Any]) -> Path:
    return layout / "blobs" / "sha256" / str(descriptor["digest"]).removeprefix("sha256:")


def manifest_of(layout: Path) -> dict[str, Any]:
    return dict(json.loads(blob_path(layout, top(layout)).read_bytes()))


def replace_manifest(layout: Path, **changes: Any) -> None:
    """Write the manifest anew with changes, and have the index name it; None takes a key away."""
    manifest = {key: value for key, value in {**manifest_of(layout), **changes}.items() if value is not None}
    write_index(layout, write_json(layout, manifest))


def replace_configuration(layout: Path, data: bytes) -> None:
    replace_manifest(layout, config=write_blob(layout, data, "application/vnd.oci.image.config.v1+json"))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A good image of two layers, tagged v1."""
    return write_layout(tmp_path / "oci", LAYERS, tags=["v1"])


def read_layer(layout: Layout, layer: Descriptor) -> bytes:
    with contextlib.closing(layout.open_layer(layer)) as stream:
        return b"".join(iter(lambda: stream.read(50), b""))


def read_everything(layout: Layout) -> None:
    for layer in layout.image().layers:
        read_layer(layout, layer)


def test_an_image_is_its_configuration_and_its_layers_from_below(layout: Path) -> None:
    image = Layout(str(layout)).image("v1")
    tars = [write_tar(entries) for entries in LAYERS]
    assert image.diff_ids == tuple(f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars)
    assert image.id == manifest_of(layout)["config"]["digest"]
    assert f"sha256:{hashlib.sha256(image.configuration.encode()).hexdigest()}" == image.id
    assert [read_layer(Layout(str(layout)), layer) for layer in image.layers] == [
        compress(tar, "gzip") for tar in tars
    ]


def test_the_only_image_needs_no_tag(layout: Path) -> None:
    assert Layout(str(layout)).image() == Layout(str(layout)).image("v1")


def test_an_image_without_a_tag_is_found_when_it_is_the_only_one(tmp_path: Path) -> None:
    write_layout(tmp_path, LAYERS, tags=[])
    assert len(Layout(str(tmp_path)).image().layers) == 2


def test_each_tag_names_its_image(layout: Path) -> None:
    write_layout(layout, LAYERS[:1], tags=["v2"])
    assert [len(Layout(str(layout)).image(tag).layers) for tag in ("v1", "v2")] == [2, 1]


def test_of_several_images_one_must_be_named(layout: Path) -> None:
    write_layout(layout, LAYERS[:1], tags=["v2"])
    with pytest.raises(ImageNotFoundError, match="has 2 images") as caught:
        Layout(str(layout)).image()
    assert "its tags: v1, v2" in caught.value.hint


def test_an_unknown_tag_is_answered_with_the_known_ones(layout: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="no tag 'v3'") as caught:
        Layout(str(layout)).image("v3")
    assert caught.value.hint == "its tags: v1"


def test_a_layout_without_images_has_none(layout: Path) -> None:
    write_index(layout)
    with pytest.raises(ImageNotFoundError, match="has 0 images"):
        Layout(str(layout)).image()


def test_a_missing_directory_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="no image layout at"):
        Layout(str(tmp_path / "nowhere"))


def test_a_directory_without_an_index_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match=r"it has no index\.json"):
        Layout(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_index_that_may_not_be_read_is_said_to_be(layout: Path) -> None:
    (layout / "index.json").chmod(0)
    with pytest.raises(BadImageError, match="Permission denied"):
        Layout(str(layout)).image()


def machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def test_of_many_platforms_this_machines_is_taken(layout: Path) -> None:
    ours = top(layout)
    write_layout(layout, LAYERS[:1], tags=["other"], architecture="s390x")
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    other = {**entries[1], "platform": {"architecture": "s390x", "os": "linux"}}
    windows = {**other, "platform": {"architecture": machine(), "os": "windows"}}
    attestation = {**other, "platform": {"architecture": "unknown", "os": "unknown"}}
    ours["platform"] = {"architecture": machine(), "os": "linux"}
    index = {"manifests": [other, windows, attestation, ours]}
    write_index(layout, write_json(layout, index, INDEX_TYPE))
    assert len(Layout(str(layout)).image().layers) == 2


def _entry(layout: Path, architecture: str, layers: int, tag: str = "") -> dict[str, Any]:
    """An image of so many layers in the layout, as an entry for that platform."""
    write_layout(layout, LAYERS[:1] * layers, tags=["made"], architecture=architecture)
    entry = dict(json.loads((layout / "index.json").read_bytes())["manifests"][-1])
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag} if tag else {}
    return {**entry, "platform": {"architecture": architecture, "os": "linux"}}


def test_the_platform_that_is_asked_for_is_taken(layout: Path) -> None:
    entries = [_entry(layout, "arm64", 3), _entry(layout, "s390x", 4)]
    write_index(layout, write_json(layout, {"manifests": entries}, INDEX_TYPE))
    assert len(Layout(str(layout)).image(platform=parse("s390x")).layers) == 4
    assert str(Layout(str(layout)).image(platform=parse("arm64")).platform) == "linux/arm64"
    with pytest.raises(ImageNotFoundError, match="nothing for linux/riscv64") as caught:
        Layout(str(layout)).image(platform=parse("riscv64"))
    assert caught.value.hint == "it is for linux/arm64, linux/s390x"


@pytest.mark.parametrize("tag", ["", "stable"])
def test_the_top_index_may_have_an_entry_for_each_platform(layout: Path, tag: str) -> None:
    entries = [_entry(layout, "arm64", 3, tag), _entry(layout, "s390x", 4, tag)]
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    assert len(Layout(str(layout)).image(tag, parse("arm64")).layers) == 3
    assert len(Layout(str(layout)).image(tag, parse("s390x")).layers) == 4
    with pytest.raises(ImageNotFoundError, match="nothing for linux/riscv64"):
        Layout(str(layout)).image(tag, parse("riscv64"))


def test_an_image_for_other_machines_alone_is_not_found(layout: Path) -> None:
    entry = {**top(layout), "platform": {"architecture": "s390x", "os": "linux"}}
    write_index(layout, write_json(layout, {"manifests": [entry]}, INDEX_TYPE))
    with pytest.raises(ImageNotFoundError, match=f"nothing for linux/{machine()}"):
        Layout(str(layout)).image()


@pytest.mark.parametrize("depth", [1, 3])
def test_indexes_may_stand_in_indexes(layout: Path, depth: int) -> None:
    entry = top(layout)
    for _ in range(depth):
        entry = write_json(layout, {"manifests": [entry]}, INDEX_TYPE)
    write_index(layout, entry)
    assert len(Layout(str(layout)).image().layers) == 2


def test_indexes_without_end_are_refused(layout: Path) -> None:
    entry = top(layout)
    for _ in range(100):
        entry = write_json(layout, {"manifests": [entry]}, INDEX_TYPE)
    write_index(layout, entry)
    with pytest.raises(BadImageError, match="nested too deeply"):
        Layout(str(layout)).image()


def test_an_index_that_names_itself_is_damaged(layout: Path) -> None:
    # No blob holds its own digest, so one that claims to is not the blob that was asked for.
    digest = "sha256:" + "0" * 64
    text = json.dumps({"manifests": [{"mediaType": INDEX_TYPE, "digest": digest, "size": 1}]})
    entry = {"mediaType": INDEX_TYPE, "digest": digest, "size": len(text)}
    blob_path(layout, entry).write_text(text)
    write_index(layout, entry)
    with pytest.raises(BadImageError, match="is damaged"):
        Layout(str(layout)).image()


def test_a_changed_manifest_is_refused(layout: Path) -> None:
    path = blob_path(layout, top(layout))
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion":2', b'"schemaVersion":3'))
    with pytest.raises(BadImageError, match="is damaged"):
        Layout(str(layout)).image()


def test_a_changed_configuration_is_refused(layout: Path) -> None:
    path = blob_path(layout, manifest_of(layout)["config"])
    path.write_bytes(path.read_bytes().replace(b"2023", b"2024"))
    with pytest.raises(BadImageError, match="is damaged"):
        Layout(str(layout)).image()


def test_a_changed_layer_is_refused_when_it_has_been_read(layout: Path) -> None:
    path = blob_path(layout, manifest_of(layout)["layers"][0])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    image = Layout(str(layout)).image()
    with pytest.raises(BadImageError, match="is damaged"):
        read_layer(Layout(str(layout)), image.layers[0])


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_missing_blob_is_named(layout: Path, which: str) -> None:
    manifest = manifest_of(layout)
    descriptor = {"manifest": top(layout), "config": manifest["config"], "layer": manifest["layers"][1]}[
        which
    ]
    blob_path(layout, descriptor).unlink()
    opened = Layout(str(layout))
    with pytest.raises(BadImageError, match=f"{descriptor['digest']} is missing"):
        read_everything(opened)


@pytest.mark.parametrize("which", ["manifest", "layer"])
def test_a_fifo_in_place_of_a_blob_is_refused_without_waiting(layout: Path, which: str) -> None:
    descriptor = top(layout) if which == "manifest" else manifest_of(layout)["layers"][1]
    path = blob_path(layout, descriptor)
    path.unlink()
    os.mkfifo(path)
    opened = Layout(str(layout))
    with pytest.raises(BadImageError, match="is no regular file"):
        read_everything(opened)


@pytest.mark.parametrize("change", [1, -1])
def test_a_size_that_is_not_the_blobs_is_refused(layout: Path, change: int) -> None:
    descriptor = top(layout)
    write_index(layout, {**descriptor, "size": descriptor["size"] + change})
    with pytest.raises(BadImageError, match=r"cut off|larger than its descriptor says"):
        Layout(str(layout)).image()


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [
        ("application/vnd.oci.image.layer.v1.tar", "image.layer"),
        ("application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        ("text/html", "text/html"),
        ("", "nothing is no type"),
    ],
)
def test_a_type_that_is_no_manifest_is_refused(layout: Path, media_type: str, shown: str) -> None:
    write_index(layout, {**top(layout), "mediaType": media_type})
    with pytest.raises(BadImageError, match=shown):
        Layout(str(layout)).image()


def test_dockers_names_for_the_types_are_known(layout: Path) -> None:
    value = json.loads((layout / "blobs" / top(layout)["digest"].replace(":", "/")).read_text())
    docker_type = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = write_json(layout, {**value, "mediaType": docker_type}, docker_type)
    index_type = "application/vnd.docker.distribution.manifest.list.v2+json"
    write_index(layout, write_json(layout, {"manifests": [manifest]}, index_type))
    assert len(Layout(str(layout)).image().layers) == 2


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"manifests": 7}', '{"manifests": [7]}', '{"manifests": [{}]}'],
)
def test_an_index_that_is_none_is_a_bad_image(layout: Path, text: str) -> None:
    (layout / "index.json").write_text(text)
    with pytest.raises(BadImageError):
        Layout(str(layout)).image()


@pytest.mark.parametrize(
    "changes",
    [
        {"config": None},
        {"config": 7},
        {"layers": None},
        {"layers": {}},
        {"layers": [7]},
        {"layers": []},  # the configuration lists two
    ],
    ids=str,
)
def test_a_manifest_that_is_none_is_a_bad_image(layout: Path, changes: dict[str, Any]) -> None:
    replace_manifest(layout, **changes)
    with pytest.raises(BadImageError):
        Layout(str(layout)).image()


@pytest.mark.parametrize(
    "changes",
    [{"digest": "sha256:../../../etc/passwd"}, {"digest": None}, {"size": "7"}, {"size": -1}, {"size": None}],
    ids=str,
)
def test_a_descriptor_that_is_none_is_a_bad_image(layout: Path, changes: dict[str, Any]) -> None:
    write_index(layout, {**top(layout), **changes})
    with pytest.raises(BadImageError, match=r"is no digest|has no size"):
        Layout(str(layout)).image()


@pytest.mark.parametrize(
    "data",
    [
        b'{"rootfs": {}}',
        b'{"rootfs": {"diff_ids": 7}}',
        b'{"rootfs": {"diff_ids": ["sha256:7", "../x"]}}',
        b'{"author": "J\xf6rg", "rootfs": {}}',
        '{"rootfs": {"diff_ids": []}}'.encode("utf-16"),
        '\ufeff{"rootfs": {"diff_ids": []}}'.encode(),
    ],
    ids=["no list", "a number", "no digests", "latin-1", "utf-16", "byte order mark"],
)
def test_a_configuration_that_is_none_is_a_bad_image(layout: Path, data: bytes) -> None:
    replace_configuration(layout, data)
    with pytest.raises(BadImageError):
        Layout(str(layout)).image()


def test_a_manifest_of_gigabytes_is_refused_before_it_is_read(layout: Path) -> None:
    descriptor = top(layout)
    path = blob_path(layout, descriptor)
    os.truncate(path, 1 << 40)  # takes no room
    write_index(layout, {**descriptor, "size": 1 << 40})
    start = time.monotonic()
    with pytest.raises(BadImageError, match="larger than any manifest"):
        Layout(str(layout)).image()
    write_index(layout, descriptor)
    with pytest.raises(BadImageError, match="larger than its descriptor says"):
        Layout(str(layout)).image()
    assert time.monotonic() - start < 5


def test_an_index_of_gigabytes_is_refused(layout: Path) -> None:
    os.truncate(layout / "index.json", 1 << 40)
    with pytest.raises(BadImageError, match=r"index\.json is larger than"):
        Layout(str(layout)).image()
