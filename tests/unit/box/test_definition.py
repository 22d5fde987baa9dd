"""What a box may be called and made of, and its row in the database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dacha.box import definition
from dacha.box.definition import BoxExistsError, Volume, check_hostname, check_name, parse_volume
from dacha.errors import BoxNotFoundError, ImageNotFoundError, UsageError
from dacha.storage import images
from dacha.storage.database import open_database

IMAGE = "sha256:" + "1" * 64


@pytest.mark.parametrize("name", ["a", "debian", "Debian-12", "0day", "a_b.c-", "x" * 63])
def test_a_box_may_be_called(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-a",
        "_a",
        ".hidden",
        "a/b",
        "../a",
        "a b",
        "a\n",
        "a:b",
        "a\0",
        "caf\xe9",
        "\u0660",
        "x" * 64,
    ],
)
def test_a_box_may_not_be_called(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a box"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "desk", "Desk-1", "a.example.org", "1", "x" * 64])
def test_a_host_may_be_called(name: str) -> None:
    assert check_hostname(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "a.", "a_b", "a b", "a\n", "caf\xe9", "x" * 65, "a..b", "a.-b"]
)
def test_a_host_may_not_be_called(name: str) -> None:
    with pytest.raises(UsageError, match="is no host name"):
        check_hostname(name)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to share, also as ~/shared."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.mark.parametrize(
    ("form", "target", "options"),
    [
        ("{}:/data", "/data", ()),
        ("{}:", "{}", ()),
        ("{}::ro", "{}", ("ro",)),
        ("{}:/data:ro,rslave,z", "/data", ("ro", "rslave", "z")),
        ("{}:/data:,ro,", "/data", ("ro",)),
        ("{}/../shared/:/data//deep/../x/", "/data/x", ()),
        ("~/shared:/data", "/data", ()),
        ("~/shared:", "{}", ()),
    ],
)
def test_a_volume_is_a_path_of_the_host_and_one_of_the_box(
    shared: Path, form: str, target: str, options: tuple[str, ...]
) -> None:
    expected = Volume(str(shared), target.format(shared), options)
    assert parse_volume(form.format(shared)) == expected


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("", "paths must be absolute"),
        (":/data", "paths must be absolute"),
        ("re/lative:/data", "paths must be absolute"),
        ("{}:data", "paths must be absolute"),
        ("name", "paths must be absolute"),
        ("name:data", "paths must be absolute"),
        ("a b:/data", "no name for a volume"),
        ("{}:/data:nocopy", "unknown volume option 'nocopy'"),
        ("name:/data:exotic", "unknown volume option 'exotic'"),
        ("{}:/data:rw,exotic", "unknown volume option 'exotic'"),
        ("{}/none:/data", "there is no"),
        ("{}:/", "the box's root"),
        ("{}:/data/..", "the box's root"),
    ],
)
def test_what_is_no_volume_is_refused(shared: Path, form: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_volume(form.format(shared))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data:/data", Volume("data", "/data")),
        ("data:/data:ro,nocopy,nocreate", Volume("data", "/data", ("ro", "nocopy", "nocreate"))),
        ("/data", Volume("", "/data")),
    ],
)
def test_a_volume_of_the_store_has_no_slash_in_its_name(text: str, expected: Volume) -> None:
    assert parse_volume(text) == expected
    assert expected.is_of_store


@pytest.fixture
def connection(store: Path) -> Iterator[sqlite3.Connection]:
    """A store with an image, and no box."""
    assert store
    with closing(open_database()) as connection:
        images.add(connection, IMAGE, "{}", (), "debian", "test")
        yield connection


def test_a_box_is_read_as_it_was_recorded(connection: sqlite3.Connection) -> None:
    volumes = (Volume("/srv", "/data", ("ro", "z")), Volume("/caf\xe9", "/x"))
    box = definition.new("work", IMAGE, "debian", "desk", volumes)
    definition.insert(connection, box)
    assert definition.get(connection, "work") == box
    assert abs(box.created - time.time()) < 60


def test_boxes_are_listed_by_name(connection: sqlite3.Connection) -> None:
    for name in ("b", "c", "a"):
        definition.insert(connection, definition.new(name, IMAGE, "debian", "", ()))
    assert [box.name for box in definition.listing(connection)] == ["a", "b", "c"]


def test_a_name_is_taken_once(connection: sqlite3.Connection) -> None:
    first = definition.new("work", IMAGE, "debian", "", ())
    definition.insert(connection, first)
    with pytest.raises(BoxExistsError, match="a box named 'work' already"):
        definition.insert(connection, definition.new("work", IMAGE, "debian", "", ()))
    assert definition.listing(connection) == [first]


def test_a_box_of_an_image_that_was_removed_meanwhile_is_not_recorded(connection: sqlite3.Connection) -> None:
    box = definition.new("work", IMAGE, "debian", "", ())
    images.remove(connection, "debian")
    with pytest.raises(ImageNotFoundError, match="the image debian was removed meanwhile"):
        definition.insert(connection, box)


def test_a_deleted_box_is_not_found(connection: sqlite3.Connection) -> None:
    box = definition.new("work", IMAGE, "debian", "", ())
    definition.insert(connection, box)
    definition.delete(connection, box)
    assert definition.find(connection, "work") is None
    with pytest.raises(BoxNotFoundError) as caught:
        definition.get(connection, "work")
    assert caught.value.hint == "create it: dacha create work"


def test_what_a_later_version_adds_to_a_definition_is_ignored(connection: sqlite3.Connection) -> None:
    definition.insert(connection, definition.new("work", IMAGE, "debian", "desk", ()))
    connection.execute("""UPDATE boxes SET definition = '{"hostname": "desk", "colour": "green"}'""")
    box = definition.get(connection, "work")
    assert (box.hostname, box.volumes) == ("desk", ())
