"""What docker save and skopeo write, old and new, and what strangers make of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.compression import decompressed
from dacha.registry.docker_archive import DockerArchive, normal_name
from dacha.registry.manifest import MAX_JSON_BYTES
from dacha.registry.platform import parse
from tests.lib.archives import configuration, digest_of, json_entry, opened, read_all
from tests.lib.oci import SYMLINK, Entry, write_tar

LAYERS = [write_tar([Entry("etc/motd", data=b"hello")]), write_tar([Entry("etc/issue", data=b"world")])]
CONFIGURATION = configuration(LAYERS)
HEX = [digest_of(layer).removeprefix("sha256:") for layer in LAYERS]
CONFIG = digest_of(CONFIGURATION).removeprefix("sha256:")
NAME = "alpine:3.23"


def manifest(config: str, layers: Sequence[str], *names: str) -> dict[str, Any]:
    return {"Config": config, "RepoTags": list(names) or None, "Layers": list(layers)}


def old_form() -> list[Entry]:
    """As docker wrote it up to 24: a layer in the directory of its id, a second one of the same a symlink."""
    ids = ["1" * 64, "2" * 64]
    return [
        *(Entry(f"{each}/VERSION", data=b"1.0") for each in ids),
        *(json_entry(f"{each}/json", {"id": each}) for each in ids),
        Entry(f"{ids[0]}/layer.tar", data=LAYERS[0]),
        Entry(f"{ids[1]}/layer.tar", SYMLINK, linkname=f"../{'3' * 64}/layer.tar"),
        Entry(f"{'3' * 64}/layer.tar", data=LAYERS[1]),
        Entry(f"{CONFIG}.json", data=CONFIGURATION),
        json_entry("repositories", {"alpine": {"3.23": ids[1]}}),
        json_entry(
            "manifest.json", [manifest(f"{CONFIG}.json", [f"{each}/layer.tar" for each in ids], NAME)]
        ),
    ]


def new_form() -> list[Entry]:
    """As docker writes it from 25 on: an image layout, and manifest.json beside its index."""
    return [
        json_entry("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        json_entry("index.json", {"manifests": []}),
        *(Entry(f"blobs/sha256/{name}", data=layer) for name, layer in zip(HEX, LAYERS, strict=True)),
        Entry(f"blobs/sha256/{CONFIG}", data=CONFIGURATION),
        json_entry(
            "manifest.json",
            [manifest(f"blobs/sha256/{CONFIG}", [f"blobs/sha256/{name}" for name in HEX], NAME)],
        ),
    ]


def skopeos_form() -> list[Entry]:
    return [
        *(Entry(f"{name}.tar", data=layer) for name, layer in zip(HEX, LAYERS, strict=True)),
        Entry(f"{CONFIG}.json", data=CONFIGURATION),
        json_entry("manifest.json", [manifest(f"{CONFIG}.json", [f"{name}.tar" for name in HEX], NAME)]),
    ]


def compressed_form() -> list[Entry]:
    """As go-containerregistry, kaniko and others write it."""
    return [
        Entry(f"sha256:{CONFIG}", data=CONFIGURATION),
        *(
            Entry(f"{name}.tar.gz", data=gzip.compress(layer))
            for name, layer in zip(HEX, LAYERS, strict=True)
        ),
        json_entry("manifest.json", [manifest(f"sha256:{CONFIG}", [f"{name}.tar.gz" for name in HEX], NAME)]),
    ]


@pytest.mark.parametrize("form", [old_form, new_form, skopeos_form, compressed_form])
@pytest.mark.parametrize("tag", ["", NAME, "docker.io/library/alpine:3.23", "@0"])
def test_an_image_is_its_configuration_and_its_layers_from_below(form: Any, tag: str) -> None:
    with opened(form()) as files:
        source = DockerArchive("image.tar", files)
        image = source.image(tag)
        assert image.id == digest_of(CONFIGURATION)
        assert image.configuration.encode() == CONFIGURATION
        assert image.diff_ids == tuple(map(digest_of, LAYERS))
        for layer, expected in zip(image.layers, LAYERS, strict=True):
            with closing(source.open_layer(layer)) as stream:
                assert read_all(decompressed(stream)) == expected


def archive_of(*entries: dict[str, Any]) -> list[Entry]:
    return [*skopeos_form()[:-1], json_entry("manifest.json", list(entries))]


def good(*names: str, **changes: Any) -> dict[str, Any]:
    return {**manifest(f"{CONFIG}.json", [f"{name}.tar" for name in HEX], *names), **changes}


def choose(tag: str, *entries: dict[str, Any]) -> int:
    """Which of the entries is taken, by the number of layers that each of them has."""
    files = archive_of(*entries)
    for count in range(len(LAYERS) + 1):
        files.append(Entry(f"{count}.json", data=configuration(LAYERS[:count])))
    with opened(files) as archive:
        return len(DockerArchive("image.tar", archive).image(tag).layers)


ENTRIES = [
    good("one:1", "one:latest", Config="0.json", Layers=None),
    good(Config="1.json", Layers=[f"{HEX[0]}.tar"]),
    good("quay.io/team/two:v1"),
]


@pytest.mark.parametrize(
    ("tag", "count"),
    [
        ("one:1", 0),
        ("one", 0),
        ("docker.io/library/one", 0),
        ("quay.io/team/two:v1", 2),
        ("@0", 0),
        ("@1", 1),
        ("@2", 2),
    ],
)
def test_each_name_means_its_image(tag: str, count: int) -> None:
    assert choose(tag, *ENTRIES) == count


@pytest.mark.parametrize("tag", ["two:v1", "one:2", "@3", "@-1", "@", "@\u0663", "@1111111111111111"])
def test_an_unknown_name_is_answered_with_the_known_ones(tag: str) -> None:
    with pytest.raises(ImageNotFoundError, match=r"in image\.tar") as caught:
        choose(tag, *ENTRIES)
    assert caught.value.hint == "its names: one:1, one:latest, quay.io/team/two:v1"


def test_of_several_images_one_must_be_named() -> None:
    with pytest.raises(ImageNotFoundError, match=r"image\.tar has 3 images") as caught:
        choose("", *ENTRIES)
    assert "docker-archive:image.tar:NAME" in caught.value.hint


def test_an_archive_without_images_has_none() -> None:
    with pytest.raises(ImageNotFoundError, match="has 0 images"):
        choose("")


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("alpine", "alpine:latest"),
        ("docker.io/library/alpine:3", "alpine:3"),
        ("localhost:5000/alpine", "localhost:5000/alpine:latest"),
        ("docker.io/team/image", "team/image:latest"),
    ],
)
def test_names_are_compared_as_docker_means_them(name: str, normal: str) -> None:
    assert normal_name(name) == normal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Config": None}, "names no configuration"),
        ({"Config": "nowhere.json"}, r"the configuration is missing in image\.tar"),
        ({"Config": "../../etc/passwd"}, "the configuration is missing"),
        ({"Config": f"{HEX[0]}.tar"}, "the configuration is no JSON"),
        ({"Config": "large.json"}, "the configuration is larger than"),
        ({"Config": "empty.json"}, "JSON object is missing"),
        ({"Layers": [f"{HEX[0]}.tar"]}, "lists 1 layers, the configuration 2"),
        ({"Layers": [1, 2]}, "'Layers' in manifest.json is no list"),
        ({"Layers": "ab"}, "'Layers' in manifest.json is no list"),
        ({"RepoTags": [1]}, "'RepoTags' in manifest.json is no list"),
    ],
    ids=str,
)
def test_an_entry_that_is_none_is_a_bad_image(changes: dict[str, Any], message: str) -> None:
    files = [
        *archive_of(good(**changes)),
        Entry("large.json", data=b" " * (MAX_JSON_BYTES + 1)),
        json_entry("empty.json", {}),
    ]
    with opened(files) as archive, pytest.raises(BadImageError, match=message):
        DockerArchive("image.tar", archive).image()


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"null", b"[7]", b"[" * 100_000, json.dumps([good()]).encode("utf-16"), b" " * (5 << 20)],
    ids=["empty", "object", "null", "number", "deep", "utf-16", "large"],
)
def test_a_manifest_that_is_none_is_a_bad_image(data: bytes) -> None:
    files = [*skopeos_form()[:-1], Entry("manifest.json", data=data)]
    with opened(files) as archive, pytest.raises(BadImageError, match=r"manifest\.json|JSON object"):
        DockerArchive("image.tar", archive).image()


@pytest.mark.parametrize("layer", ["nowhere.tar", "../etc/passwd", "/etc/passwd", ""])
def test_a_layer_that_is_not_in_the_archive_is_named(layer: str) -> None:
    with opened(archive_of(good(Layers=[layer, layer]))) as files:
        source = DockerArchive("image.tar", files)
        image = source.image()
        with pytest.raises(BadImageError, match=r"is missing in image\.tar"):
            source.open_layer(image.layers[0])


def _for_platforms(*architectures: str, name: str = NAME) -> list[Entry]:
    """One name for several images, one for each platform."""
    facts = {each: {**json.loads(CONFIGURATION), "architecture": each} for each in architectures}
    return [
        *(json_entry(f"{each}.json", facts[each]) for each in architectures),
        *(Entry(f"{each}.tar", data=layer) for each, layer in zip(HEX, LAYERS, strict=True)),
        json_entry(
            "manifest.json",
            [manifest(f"{each}.json", [f"{layer}.tar" for layer in HEX], name) for each in architectures],
        ),
    ]


@pytest.mark.parametrize("tag", ["", NAME])
def test_of_one_name_for_several_platforms_the_one_asked_for_is_taken(tag: str) -> None:
    with opened(_for_platforms("arm64", "s390x")) as files:
        archive = DockerArchive("image.tar", files)
        for text in ("arm64", "s390x"):
            assert archive.image(tag, parse(text)).platform == parse(text)
        with pytest.raises(ImageNotFoundError, match="nothing for linux/riscv64") as caught:
            archive.image(tag, parse("riscv64"))
        assert caught.value.hint == "it is for linux/arm64, linux/s390x"
