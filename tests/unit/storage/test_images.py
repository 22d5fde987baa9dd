"""Images in the store: names, ids and what keeps them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dacha.box import definition
from dacha.errors import DachaError, ImageNotFoundError
from dacha.storage import images, layers
from dacha.storage.database import open_database
from dacha.storage.images import Image, ImageInUseError

ONE = "sha256:" + "1" * 64
TWO = "sha256:" + "1" * 10 + "2" * 54
LOW, HIGH = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def connection(store: Path) -> Iterator[sqlite3.Connection]:
    """A store with two layers, of 100 and 20 bytes, and no image."""
    with closing(open_database()) as connection:
        for diff_id, size in ((LOW, 100), (HIGH, 20)):
            connection.execute(
                "INSERT INTO layers (diff_id, directory, size, uids, gids)"
                " VALUES (?, ?, ?, '[0]', '[0, 42]')",
                (diff_id, diff_id[7:31], size),
            )
        yield connection


def add(
    connection: sqlite3.Connection, image: str = ONE, name: str = "debian", stack: Sequence[str] = (LOW, HIGH)
) -> Image:
    return images.add(connection, image, '{"os": "linux"}', stack, name, "oci:somewhere")


def make_box(connection: sqlite3.Connection, image: Image, name: str) -> None:
    definition.insert(connection, definition.new(name, image.id, "debian", "", ()))


def test_an_image_is_found_by_its_name_and_by_its_id(connection: sqlite3.Connection) -> None:
    image = add(connection)
    assert image.names == ("debian",)
    assert image.layers == (LOW, HIGH)
    assert image.size_bytes == 120
    for reference in ("debian", "debian:latest", ONE, "1" * 64, "1111", "sha256:1111"):
        assert images.find(connection, reference) == image
    assert images.config(connection, image.id) == {"os": "linux"}


def test_what_podman_calls_localhost_is_found_without_that(connection: sqlite3.Connection) -> None:
    image = add(connection, name="localhost/mine")
    for reference in ("mine", "mine:latest", "localhost/mine:latest"):
        assert images.find(connection, reference) == image
    other = add(connection, TWO, "mine")
    assert images.find(connection, "mine") == other


def test_one_of_two_names_goes_also_if_it_was_written_shortly(connection: sqlite3.Connection) -> None:
    images.tag(connection, add(connection, name="localhost/mine"), "yours")
    images.remove(connection, "mine")
    assert images.get(connection, ONE).names == ("yours",)


def test_an_image_may_come_without_a_name(connection: sqlite3.Connection) -> None:
    assert add(connection, name="").names == ()
    assert images.names(connection) == {}


@pytest.mark.parametrize(
    "reference", ["", "debia", "Debian", "111", "2222", "%", "____", "sha256:", "sha256"]
)
def test_nothing_else_finds_it(connection: sqlite3.Connection, reference: str) -> None:
    add(connection)
    assert images.find(connection, reference) is None
    with pytest.raises(ImageNotFoundError, match="no image"):
        images.get(connection, reference)


def test_the_configuration_of_an_unknown_image_is_not_found(connection: sqlite3.Connection) -> None:
    with pytest.raises(ImageNotFoundError):
        images.config(connection, ONE)


def test_a_beginning_that_several_ids_have_is_refused(connection: sqlite3.Connection) -> None:
    add(connection)
    add(connection, TWO, "other")
    with pytest.raises(DachaError, match="several images begin with 11111"):
        images.find(connection, "11111")
    found = images.find(connection, "1" * 10 + "2")
    assert found is not None
    assert found.id == TWO


def test_a_name_wins_over_the_beginning_of_an_id(connection: sqlite3.Connection) -> None:
    add(connection)
    other = add(connection, TWO, "1111")
    assert images.find(connection, "1111") == other


def test_layers_stay_in_their_order(connection: sqlite3.Connection) -> None:
    assert add(connection, stack=(HIGH, LOW)).layers == (HIGH, LOW)
    assert [layer.diff_id for layer in layers.of_image(connection, ONE)] == [HIGH, LOW]
    assert layers.of_image(connection, ONE)[0].gids == frozenset({0, 42})


def test_a_layer_may_be_in_an_image_twice(connection: sqlite3.Connection) -> None:
    assert add(connection, stack=(LOW, HIGH, LOW)).layers == (LOW, HIGH, LOW)


def test_an_image_loaded_again_gets_one_more_name(connection: sqlite3.Connection) -> None:
    add(connection)
    image = add(connection, name="again")
    assert image.names == ("again", "debian")
    assert image.layers == (LOW, HIGH)
    assert [found.id for found in images.listing(connection)] == [ONE]


def test_a_name_moves_to_the_image_that_took_it_last(connection: sqlite3.Connection) -> None:
    first = add(connection)
    second = add(connection, TWO)
    assert images.get(connection, first.id).names == ()
    assert images.get(connection, "debian").id == second.id
    images.tag(connection, first, "debian")
    assert images.get(connection, "debian").id == first.id


def test_the_newest_image_is_listed_first(connection: sqlite3.Connection) -> None:
    add(connection)
    add(connection, TWO, "other")
    assert [image.names for image in images.listing(connection)] == [("other",), ("debian",)]


def test_an_image_whose_layers_were_removed_meanwhile_is_not_added(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM layers WHERE diff_id = ?", (HIGH,))
    with pytest.raises(DachaError, match="layers of 'debian' were removed meanwhile"):
        add(connection)
    assert images.listing(connection) == []
    assert images.find(connection, "debian") is None


def test_the_last_name_takes_the_image_with_it(connection: sqlite3.Connection) -> None:
    image = add(connection)
    images.tag(connection, image, "second")
    images.remove(connection, "debian")
    assert images.get(connection, ONE).names == ("second",)
    images.remove(connection, "second")
    assert images.find(connection, ONE) is None
    assert connection.execute("SELECT count(*) FROM image_layers").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM layers").fetchone() == (2,)


def test_an_id_takes_all_names_with_it(connection: sqlite3.Connection) -> None:
    images.tag(connection, add(connection), "second")
    images.remove(connection, "1111")
    assert images.listing(connection) == []
    assert images.find(connection, "second") is None


def test_an_image_with_boxes_stays_but_may_lose_a_name(connection: sqlite3.Connection) -> None:
    image = add(connection)
    make_box(connection, image, "work")
    make_box(connection, image, "play")
    assert images.users(connection, image) == ["play", "work"]
    for reference in ("debian", ONE):
        with pytest.raises(ImageInUseError, match="in use by play, work") as caught:
            images.remove(connection, reference)
        assert caught.value.hint == "first: dacha rm play work"
    images.tag(connection, image, "second")
    images.remove(connection, "debian")
    assert images.get(connection, "second").id == ONE


def test_only_layers_that_no_image_lists_are_unused(connection: sqlite3.Connection, store: Path) -> None:
    add(connection, stack=(LOW,))
    for diff_id in (LOW, HIGH):
        (store / "layers" / diff_id[7:31]).mkdir(parents=True)
    trees = layers.remove_unused(connection)
    assert layers.find(connection, LOW) is not None
    assert layers.find(connection, HIGH) is None
    assert [path.name for path in (store / "layers").iterdir()] == [LOW[7:31]]
    assert [Path(tree).parent for tree in trees] == [store / "staging"]


def test_a_layer_that_no_image_lists_goes_without_its_directory_too(connection: sqlite3.Connection) -> None:
    assert layers.remove_unused(connection) == []
    assert layers.find(connection, LOW) is None
