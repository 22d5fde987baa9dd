"""Images by name, in several stores at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dacha.errors import BadImageError, DachaError, ImageNotFoundError
from dacha.registry.containers_storage.lookup import Lookup
from dacha.registry.containers_storage.store import open_stores
from tests.lib.containers_storage import HandMadeStore, write_store
from tests.lib.oci import Entry

Open = Callable[..., Lookup]


@pytest.fixture
def open_all() -> Iterator[Open]:
    """Opens stores, and closes them after the test."""
    with ExitStack() as stack:

        def open_all(*stores: HandMadeStore) -> Lookup:
            opened = [each for store in stores for each in open_stores(str(store.root))]
            for each in opened:
                stack.callback(each.close)
            return Lookup(opened)

        yield open_all


@pytest.fixture
def first(tmp_path: Path) -> HandMadeStore:
    """An image of one layer, with two names."""
    return write_store(tmp_path / "first", [[Entry("a")]], ["localhost/made:latest", "docker.io/library/a:1"])


@pytest.mark.parametrize(
    "text", ["localhost/made:latest", "localhost/made", "made", "docker.io/library/a:1", "library/a:1", "a:1"]
)
def test_an_image_is_found_as_podman_finds_it(first: HandMadeStore, open_all: Open, text: str) -> None:
    assert open_all(first).find(text).record.id == first.image


def test_an_image_is_found_by_its_id(first: HandMadeStore, open_all: Open) -> None:
    for text in (first.image, first.image[:8], f"sha256:{first.image}"):
        assert open_all(first).find(text).record.id == first.image


@pytest.mark.parametrize("text", ["a", "ade", "docker.io/library/a", "b:1"])
def test_what_is_not_there_is_told_with_what_is(first: HandMadeStore, open_all: Open, text: str) -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        open_all(first).find(text)
    assert caught.value.hint == "it has: docker.io/library/a:1, localhost/made:latest"


def test_what_may_be_two_is_refused(tmp_path: Path, first: HandMadeStore, open_all: Open) -> None:
    second = write_store(tmp_path / "second", [[Entry("b")]], ["quay.io/library/a:1"])
    with pytest.raises(DachaError, match=r"'a:1' may be localhost/made:latest or quay.io/library/a:1"):
        open_all(first, second).find("a:1")


def test_the_first_store_goes_before_the_others(tmp_path: Path, first: HandMadeStore, open_all: Open) -> None:
    second = write_store(tmp_path / "second", [[Entry("b")]], ["localhost/made:latest"])
    assert open_all(first, second).find("made").record.id == first.image
    assert open_all(second, first).find("made").record.id == second.image


def test_a_layer_may_lie_on_one_of_another_store(
    tmp_path: Path, first: HandMadeStore, open_all: Open
) -> None:
    upper = write_store(tmp_path / "upper", [[Entry("a")], [Entry("b")]])
    records = json.loads(upper.layers_json.read_text())
    assert records[0]["id"] == first.layers[0].id
    upper.layers_json.write_text(json.dumps(records[1:]))
    lookup = open_all(upper, first)
    source = lookup.read(lookup.find(upper.image))
    assert [layer.store.root for layer in source.layers] == [str(first.root), str(upper.root)]
    assert source.id == f"sha256:{upper.image}"
    alone = open_all(upper)
    image = alone.find(upper.image)
    with pytest.raises(BadImageError, match="is missing"):
        alone.read(image)


def test_a_list_of_images_is_none(first: HandMadeStore, open_all: Open) -> None:
    records = json.loads(first.images_json.read_text())
    records.append({"id": "1" * 64, "names": ["localhost/list:latest"], "layer": ""})
    first.images_json.write_text(json.dumps(records))
    lookup = open_all(first)
    assert [lookup.is_list(image) for image in lookup.images()] == [False, True]
    with pytest.raises(BadImageError, match="is a list of images"):
        lookup.read(lookup.find("list"))


def test_a_store_without_lock_files_is_read(first: HandMadeStore, open_all: Open) -> None:
    for kind in ("images", "layers"):
        (first.root / f"overlay-{kind}" / f"{kind}.lock").unlink()
    lookup = open_all(first)
    assert len(lookup.read(lookup.find("made")).layers) == 1


def test_when_an_image_was_built_is_known(first: HandMadeStore, open_all: Open) -> None:
    (image,) = open_all(first).images()
    assert image.record.created == pytest.approx(1767323045.123456)
