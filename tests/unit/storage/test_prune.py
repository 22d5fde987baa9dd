"""Which images are unneeded: podman's filters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dacha.errors import ImageNotFoundError, UsageError
from dacha.storage import history, image_names, images, prune
from dacha.storage.database import open_database

LAYER = "sha256:" + "a" * 64


@pytest.fixture
def connection(store: Path) -> Iterator[sqlite3.Connection]:
    """Three images: an old one without a name, a labelled one and one that a box stands on."""
    with closing(open_database()) as connection:
        connection.execute(
            "INSERT INTO layers (diff_id, directory, size, uids, gids) VALUES (?, 'a', 100, '[0]', '[0]')",
            (LAYER,),
        )
        for number, (name, created, labels) in enumerate(
            [
                ("old", "2001-02-03T04:05:06.123456789Z", {}),
                ("new", None, {"a": "1"}),
                ("used", None, {"b": ""}),
            ]
        ):
            text = json.dumps({"created": created, "config": {"Labels": labels}})
            images.add(connection, f"sha256:{number}" + "0" * 63, text, [LAYER], name, "test")
        connection.execute("DELETE FROM image_names WHERE name = 'old'")
        connection.execute(
            "INSERT INTO boxes (id, name, image, image_name, created, definition)"
            " VALUES ('x', 'box', ?, 'used', 1.0, '{}')",
            ("sha256:2" + "0" * 63,),
        )
        yield connection


@pytest.mark.parametrize(
    ("filters", "is_all", "numbers"),
    [
        ([], False, "0"),
        ([], True, "01"),
        (["label=a"], True, "1"),
        (["label=a=1"], True, "1"),
        (["label=a=2"], True, ""),
        (["label!=a"], True, "0"),
        (["label=a", "label=b"], True, ""),
        (["until=24h"], True, "0"),
        (["until=2002-01-01"], True, "0"),
        (["until=1000000000"], True, "0"),
        (["until=2000-01-01T00:00:00Z"], True, ""),
        (["until=0s"], True, "01"),
    ],
)
def test_filters(connection: sqlite3.Connection, filters: list[str], is_all: bool, numbers: str) -> None:
    found = prune.candidates(connection, prune.parse_filters(filters), is_all=is_all)
    assert "".join(sorted(image.id[7] for image in found)) == numbers


@pytest.mark.parametrize(
    "text",
    ["", "label", "label=", "until=", "until=yesterday", "until=h", "before=x", "until=1x", "until=1.2.3h"],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        prune.parse_filters([text])


def test_a_shared_layer_is_not_freed(connection: sqlite3.Connection) -> None:
    unneeded = prune.candidates(connection, prune.Filters(), is_all=True)
    gone, freed = prune.prune(connection, unneeded)
    assert (len(gone), freed) == (2, 0)


def test_an_image_that_got_a_box_meanwhile_stays(connection: sqlite3.Connection) -> None:
    unneeded = prune.candidates(connection, prune.Filters(), is_all=True)
    connection.execute("UPDATE boxes SET image = ?", (unneeded[0].id,))
    gone, _ = prune.prune(connection, unneeded)
    assert [image.id for image in gone] == [image.id for image in unneeded[1:]]


def test_names_come_all_or_none(connection: sqlite3.Connection) -> None:
    image_names.tag(connection, "new", ["one", "two"])
    assert images.get(connection, "one").names == ("new", "one", "two")
    with pytest.raises(UsageError, match="'three' is no name of image 'new'"):
        image_names.untag(connection, "new", ["one", "three"])
    assert image_names.untag(connection, "one", ["two:latest"]) == ["two"]
    assert image_names.untag(connection, "new", []) == ["new", "one"]
    with pytest.raises(ImageNotFoundError):
        image_names.tag(connection, "nothing", ["x"])


def test_a_name_moves_to_the_image_that_gets_it(connection: sqlite3.Connection) -> None:
    image_names.tag(connection, "used", ["new"])
    assert images.get(connection, "new").id[7] == "2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.999999999Z", 1.0),
        ("1970-01-01T01:00:01.5+01:00", 1.0),
        ("soon", None),
        (None, None),
        (7, None),
    ],
)
def test_times_of_images(text: object, expected: float | None) -> None:
    assert history.seconds(text) == expected


def test_history_gives_layers_to_the_steps_that_made_them(connection: sqlite3.Connection) -> None:
    steps = [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True, "comment": "c"}, "nonsense"]
    image = images.get(connection, "new")
    connection.execute(
        "UPDATE images SET config = ? WHERE id = ?", (json.dumps({"history": steps}), image.id)
    )
    found = history.of_image(connection, image)
    assert [(step.created_by, step.diff_id, step.size_bytes) for step in found] == [
        ("ENV", "", 0),
        ("ADD", LAYER, 100),
    ]
    connection.execute("UPDATE images SET config = '{}' WHERE id = ?", (image.id,))
    assert [step.diff_id for step in history.of_image(connection, image)] == [LAYER]
