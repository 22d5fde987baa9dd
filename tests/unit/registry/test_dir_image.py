"""Images in the directories of skopeo's `dir:`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.dir_image import DirImage
from dacha.registry.platform import parse
from tests.lib.archives import configuration, digest_of, read_all
from tests.lib.oci import Entry, compress, write_layout, write_tar

TARS = [write_tar([Entry("etc/motd", data=b"hello")]), write_tar([Entry("etc/issue", data=b"world")])]
LAYERS = [compress(tar, "gzip") for tar in TARS]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def add(directory: Path, data: bytes, suffix: str = "") -> dict[str, Any]:
    (directory / (digest_of(data).removeprefix("sha256:") + suffix)).write_bytes(data)
    return {"digest": digest_of(data), "size": len(data)}


def write_manifest(directory: Path, **changes: Any) -> None:
    value = {
        "schemaVersion": 2,
        "config": add(directory, configuration(TARS)),
        "layers": [add(directory, layer) for layer in LAYERS],
    }
    (directory / "manifest.json").write_text(json.dumps({**value, **changes}))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A good image of two layers, as skopeo 1.9 writes it."""
    (tmp_path / "version").write_text("Directory Transport Version: 1.1\n")
    write_manifest(tmp_path)
    return tmp_path


@pytest.mark.parametrize("media_type", [None, MANIFEST, "application/vnd.oci.image.manifest.v1+json"])
def test_an_image_is_its_configuration_and_its_layers(place: Path, media_type: str | None) -> None:
    write_manifest(place, **({"mediaType": media_type} if media_type else {}))
    source = DirImage(str(place))
    image = source.image()
    assert image.id == digest_of(configuration(TARS))
    assert image.diff_ids == tuple(map(digest_of, TARS))
    for layer, expected in zip(image.layers, LAYERS, strict=True):
        with closing(source.open_layer(layer)) as stream:
            assert read_all(stream, 50) == expected


def test_a_directory_without_a_version_is_from_before_there_was_one(place: Path) -> None:
    (place / "version").unlink()
    assert len(DirImage(str(place)).image().layers) == 2


@pytest.mark.parametrize("text", ["Directory Transport Version: 2.0", "3", "", "\xff\n"])
def test_a_directory_of_another_version_is_refused(place: Path, text: str) -> None:
    (place / "version").write_text(text, "latin-1")
    with pytest.raises(BadImageError, match="another version of dir"):
        DirImage(str(place))


@pytest.mark.parametrize("media_type", [None, LIST, "application/vnd.oci.image.index.v1+json"])
def test_of_many_platforms_this_machines_is_taken(place: Path, media_type: str | None) -> None:
    manifest = (place / "manifest.json").read_bytes()
    machine = json.loads(configuration([]))["architecture"]
    ours = {**add(place, manifest, ".manifest.json"), "mediaType": MANIFEST}
    other = {**ours, "digest": digest_of(b"other"), "platform": {"architecture": "s390x", "os": "linux"}}
    ours["platform"] = {"architecture": machine, "os": "linux"}
    index = {"manifests": [other, ours], **({"mediaType": media_type} if media_type else {})}
    (place / "manifest.json").write_text(json.dumps(index))
    assert len(DirImage(str(place)).image().layers) == 2


def test_the_platform_that_is_asked_for_is_taken(place: Path) -> None:
    ours = {**add(place, (place / "manifest.json").read_bytes(), ".manifest.json"), "mediaType": MANIFEST}
    index = {"manifests": [{**ours, "platform": {"architecture": "s390x", "os": "linux"}}]}
    (place / "manifest.json").write_text(json.dumps(index))
    assert len(DirImage(str(place)).image(platform=parse("s390x")).layers) == 2
    with pytest.raises(ImageNotFoundError) as caught:
        DirImage(str(place)).image(platform=parse("riscv64"))
    assert caught.value.hint == "it is for linux/s390x"


def test_a_missing_directory_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="no directory at"):
        DirImage(str(tmp_path / "nowhere"))


def test_a_file_is_no_directory(place: Path) -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        DirImage(str(place / "version"))
    assert "docker-archive:" in caught.value.hint


def test_a_layout_is_named(tmp_path: Path) -> None:
    write_layout(tmp_path, TARS)
    with pytest.raises(BadImageError, match=r"it has no manifest\.json") as caught:
        DirImage(str(tmp_path))
    assert caught.value.hint == f"say oci:{tmp_path}"


def blobs(place: Path) -> dict[str, Path]:
    names = {"config": configuration(TARS), "layer": LAYERS[1]}
    return {name: place / digest_of(data).removeprefix("sha256:") for name, data in names.items()}


def read_everything(place: Path) -> None:
    source = DirImage(str(place))
    for layer in source.image().layers:
        with closing(source.open_layer(layer)) as stream:
            read_all(stream)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("which", ["config", "layer"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "is damaged"),
        (lambda path: os.truncate(path, 10), "is cut off"),
        (lambda path: os.truncate(path, 1 << 40), "larger than its descriptor says"),
        (Path.unlink, "is missing in"),
        (make_fifo, "is no regular file"),
    ],
)
def test_a_damaged_blob_is_refused(
    place: Path, which: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(blobs(place)[which])
    with pytest.raises(BadImageError, match=message):
        read_everything(place)


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaType": "text/html"},
        {"config": None},
        {"config": {"digest": "../../etc/passwd", "size": 1}},
        {"layers": None},
        {"layers": []},
        {"layers": [{"digest": "sha384:" + "0" * 96, "size": 1}] * 2},
        {"manifests": 7},
    ],
    ids=str,
)
def test_a_manifest_that_is_none_is_a_bad_image(place: Path, changes: dict[str, Any]) -> None:
    write_manifest(place, **changes)
    with pytest.raises(BadImageError):
        DirImage(str(place)).image()


def test_a_manifest_of_gigabytes_is_refused(place: Path) -> None:
    os.truncate(place / "manifest.json", 1 << 40)
    with pytest.raises(BadImageError, match=r"manifest\.json is larger than"):
        DirImage(str(place)).image()
