"""Archives from before there was a manifest.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dacha.errors import BadImageError, ImageNotFoundError
from dacha.registry.docker_legacy import LegacyDockerArchive
from tests.lib.archives import digest_of, json_entry, opened, read_all
from tests.lib.oci import Entry, write_tar

LAYERS = [write_tar([Entry("etc/motd", data=b"hello")]), write_tar([Entry("etc/issue", data=b"world")])]
BASE, TOP = "a" * 64, "b" * 64
REPOSITORIES: dict[str, Any] = {"alpine": {"latest": TOP, "old": BASE}}


def archive_of(repositories: object = REPOSITORIES, **parents: str) -> list[Entry]:
    facts = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}, "created": "2015", "Size": 7}
    return [
        json_entry(f"{BASE}/json", {"id": BASE, **parents}),
        Entry(f"{BASE}/layer.tar", data=LAYERS[0]),
        json_entry(f"{TOP}/json", {"id": TOP, "parent": BASE, **facts}),
        Entry(f"{TOP}/layer.tar", data=LAYERS[1]),
        json_entry("repositories", repositories),
    ]


def test_a_configuration_is_made_of_the_topmost_layer() -> None:
    with opened(archive_of()) as files:
        source = LegacyDockerArchive("image.tar", files)
        image = source.image("alpine")
        assert image.id == digest_of(image.configuration.encode())
        assert image.diff_ids == tuple(map(digest_of, LAYERS))
        assert [read_all(source.open_layer(layer)) for layer in image.layers] == LAYERS
        assert json.loads(image.configuration) == {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["sh"]},
            "created": "2015",
            "rootfs": {"type": "layers", "diff_ids": list(image.diff_ids)},
        }


def test_a_layer_below_may_be_an_image_too() -> None:
    with opened(archive_of()) as files:
        assert len(LegacyDockerArchive("image.tar", files).image("alpine:old").layers) == 1


def test_of_several_images_one_must_be_named() -> None:
    with opened(archive_of()) as files, pytest.raises(ImageNotFoundError, match="has 2 images") as caught:
        LegacyDockerArchive("image.tar", files).image()
    assert "its names: alpine:latest, alpine:old" in caught.value.hint


def test_parents_without_end_are_refused() -> None:
    with opened(archive_of(parent=TOP)) as files, pytest.raises(BadImageError, match="parents without end"):
        LegacyDockerArchive("image.tar", files).image("alpine")


@pytest.mark.parametrize("parent", ["../etc", "A" * 64, "c" * 63])
def test_a_parent_that_is_no_id_is_refused(parent: str) -> None:
    with opened(archive_of(parent=parent)) as files, pytest.raises(BadImageError, match="is no digest"):
        LegacyDockerArchive("image.tar", files).image("alpine")


def test_a_missing_parent_is_named() -> None:
    with (
        opened(archive_of(parent="c" * 64)) as files,
        pytest.raises(BadImageError, match="ccc/json is missing"),
    ):
        LegacyDockerArchive("image.tar", files).image("alpine")


@pytest.mark.parametrize("repositories", [[], {"a": 7}, {"a": {"b": 7}}, {"a": {"b": "../x"}}], ids=str)
def test_repositories_that_are_none_are_refused(repositories: object) -> None:
    with opened(archive_of(repositories)) as files, pytest.raises(BadImageError):
        LegacyDockerArchive("image.tar", files).image()
