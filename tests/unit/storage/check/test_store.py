"""What is wrong with a store is found, and mended; what is right is left alone."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dacha.errors import DachaError
from dacha.storage import doomed, images, layers, staging
from dacha.storage.check import database, leftovers
from dacha.storage.check import images as image_check
from dacha.storage.check import layers as layer_check
from dacha.storage.check.base import Content, Finding
from dacha.storage.check.measure import measure
from dacha.storage.database import open_database
from tests.unit.storage.check.conftest import DIRECTORY, LAYER, Installation


def examine(installation: Installation, *, busy: frozenset[str] = frozenset()) -> list[Finding]:
    return [
        *database.examine(),
        *database.dangling(installation.connection),
        *layer_check.examine(installation.as_examined(busy=busy)),
        *image_check.examine(installation.connection),
        *leftovers.examine(installation.connection),
    ]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def mend(finding: Finding) -> list[str]:
    assert finding.repair is not None
    return finding.repair.apply()


def test_a_whole_store_has_no_findings(installation: Installation) -> None:
    assert examine(installation) == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"hell", "has 4 bytes in files, not 5"),
        (None, "has 0 files, not 1"),
    ],
)
def test_a_damaged_layer_is_taken_away_and_its_image_named(
    installation: Installation, content: bytes | None, what: str
) -> None:
    motd = installation.layer / "identity" / "etc" / "motd"
    motd.unlink()
    if content is not None:
        motd.write_bytes(content)
    finding = only(examine(installation))
    assert (finding.kind, finding.what) == ("damaged-layer", what)
    mend(finding)
    assert layers.find(installation.connection, LAYER) is None, "what is damaged must be fetched again"
    broken = next(each for each in examine(installation) if each.kind == "broken-image")
    assert broken.where == "image debian"
    assert broken.mend == "dacha image load oci:/somewhere --name debian"
    assert broken.repair is None


def test_a_layer_whose_files_are_gone_is_damaged(installation: Installation) -> None:
    (installation.layer / "identity").rename(installation.layer / "shifted")
    assert only(examine(installation)).what == "its files are not there"


def test_a_damaged_layer_under_a_running_box_stays(installation: Installation) -> None:
    (installation.layer / "identity" / "etc" / "motd").write_bytes(b"")
    finding = only(examine(installation, busy=frozenset({DIRECTORY})))
    assert finding.repair is None
    assert "dacha stop" in finding.mend


def test_an_empty_file_that_is_lost_is_noticed(installation: Installation) -> None:
    (installation.layer / "identity" / "empty").touch()
    assert only(examine(installation)).what == "has 2 files, not 1"


def test_a_row_without_a_number_of_files_is_held_to_their_size(installation: Installation) -> None:
    installation.connection.execute("UPDATE layers SET files = NULL")
    (installation.layer / "identity" / "empty").touch()
    assert examine(installation) == []


def test_a_lost_layer_counts_as_absent_until_it_is_there_again(installation: Installation) -> None:
    installation.layer.rename(installation.root / "elsewhere")
    assert layers.find(installation.connection, LAYER) is None
    assert [layer.diff_id for layer in layers.missing(installation.connection, installation.id)] == [LAYER]
    assert only(examine(installation)).what == "layer sha256:aaaaaaaaaaaa is missing"
    with pytest.raises(layers.MissingLayersError, match="has lost a layer"):
        layers.require(layers.of_image(installation.connection, installation.id), "debian")
    (installation.root / "elsewhere").rename(installation.layer)
    assert examine(installation) == []


def test_a_lost_layer_that_nothing_needs_is_forgotten(installation: Installation) -> None:
    images.remove(installation.connection, "debian")
    installation.layer.rename(installation.root / "elsewhere")
    finding = only(examine(installation))
    assert finding.kind == "lost-layer"
    mend(finding)
    assert installation.connection.execute("SELECT count(*) FROM layers").fetchone() == (0,)


def test_a_layer_that_no_row_names_goes_to_the_trash(installation: Installation) -> None:
    (installation.root / "layers" / "stray" / "shifted").mkdir(parents=True)
    finding = only(examine(installation))
    assert (finding.kind, finding.where) == ("stray-layer", "layers/stray")
    mend(finding)
    assert not (installation.root / "layers" / "stray").exists()
    assert only(examine(installation)).what == "is trash"


def test_a_layer_that_was_named_meanwhile_is_spared(installation: Installation) -> None:
    stray = installation.root / "layers" / "stray"
    stray.mkdir()
    finding = only(examine(installation))
    installation.connection.execute(
        "INSERT INTO layers (diff_id, directory, size, uids, gids) VALUES ('sha256:b', 'stray', 0, '', '')"
    )
    mend(finding)
    assert stray.exists()


def test_only_a_delta_of_a_dead_process_is_half_made(
    installation: Installation,
) -> None:
    (installation.layer / "delta-1000-1000").mkdir()
    (installation.layer / f"delta-1000-1000.{os.getpid()}~").mkdir()
    dead = installation.layer / "delta-1000-1000.4194305~"  # more than the largest pid: proc(5), pid_max
    dead.mkdir()
    finding = only(examine(installation))
    assert finding.kind == "half-made-delta"
    assert mend(finding) == [str(dead)]


def test_what_was_removed_and_what_is_held_in_staging(installation: Installation) -> None:
    doomed.doom(installation.connection, "boxes/gone")
    (installation.root / "boxes" / "gone").mkdir(parents=True)
    (installation.root / "staging" / "layer-1-x").mkdir(parents=True)
    with staging.staging_directory("held", lambda path: None):
        found = [(finding.where, finding.what) for finding in examine(installation)]
    assert found == [
        ("boxes/gone", "was removed, and is still there"),
        ("staging/layer-1-x", "its maker is dead"),
    ]
    doomed.take_away(installation.connection)
    assert doomed.listing(installation.connection) == []
    assert not (installation.root / "boxes" / "gone").exists()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE images SET config = '{}'", "its configuration is not the one its id stands for"),
        ("DELETE FROM image_layers", "its list of layers is not that of its configuration"),
    ],
)
def test_an_image_that_is_not_what_its_id_says(installation: Installation, statement: str, what: str) -> None:
    installation.connection.execute(statement)
    assert only(examine(installation)).what == what


def test_loading_an_image_again_mends_its_configuration(installation: Installation) -> None:
    text = installation.connection.execute("SELECT config FROM images").fetchone()[0]
    installation.connection.execute("UPDATE images SET config = '{}'")
    installation.connection.execute("DELETE FROM image_layers")
    images.add(installation.connection, installation.id, text, [LAYER], "debian", "oci:/somewhere")
    assert examine(installation) == []


def test_a_name_that_points_nowhere_is_removed(installation: Installation) -> None:
    installation.connection.execute("PRAGMA foreign_keys = OFF")
    installation.connection.execute("INSERT INTO image_names (name, image) VALUES ('lost', 'sha256:0')")
    finding = only(examine(installation))
    assert (finding.where, finding.cost) == ("image_names lost", "the name finds no image")
    mend(finding)
    assert examine(installation) == []
    assert images.find(installation.connection, "debian") is not None


def test_a_damaged_index_is_made_anew(installation: Installation, store: Path) -> None:
    index = "CREATE INDEX extra ON image_names (image)"
    installation.connection.execute(index)
    with closing(sqlite3.connect(store / "dacha.db", isolation_level=None)) as vandal:
        vandal.execute("PRAGMA writable_schema = ON")
        root = vandal.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'extra'").fetchone()[0]
        vandal.execute("DELETE FROM sqlite_schema WHERE name = 'extra'")
    with closing(sqlite3.connect(store / "dacha.db", isolation_level=None)) as vandal:  # knows of no index
        vandal.execute("INSERT INTO image_names (name, image) VALUES ('another', ?)", (installation.id,))
        vandal.execute("PRAGMA writable_schema = ON")
        vandal.execute(
            "INSERT INTO sqlite_schema VALUES ('index', 'extra', 'image_names', ?, ?)", (root, index)
        )
    finding = only(database.examine())
    assert "index" in finding.what
    mend(finding)
    assert database.examine() == []


def test_a_database_that_is_none_is_begun_anew_and_kept(store: Path) -> None:
    open_database().close()
    (store / "dacha.db").write_bytes(b"no database" * 1000)
    with pytest.raises(DachaError, match="file is not a database") as caught:
        open_database()
    assert caught.value.hint.endswith("dacha system check --repair")
    mend(only(database.examine()))
    with closing(open_database()) as connection:
        assert images.listing(connection) == []
    assert next(store.glob("dacha.db.damaged-*")).read_bytes().startswith(b"no database")


def test_what_can_be_read_is_saved_from_both_ends_of_the_damage(
    installation: Installation, store: Path
) -> None:
    connection = installation.connection
    connection.executemany(
        "INSERT INTO image_names (name, image) VALUES (?, ?)",
        [(f"name-{number:04}", installation.id) for number in range(1000)],
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = (store / "dacha.db").read_bytes()
    page = whole.index(b"name-0500" + installation.id.encode()) // 4096 * 4096
    (store / "dacha.db").write_bytes(whole[:page] + os.urandom(4096) + whole[page + 4096 :])
    finding = only(database.examine())
    assert finding.kind == "database"
    mend(finding)
    assert database.examine() == []
    with closing(open_database()) as saved:
        image = images.get(saved, "debian")
        assert {"name-0000", "name-0999"} <= set(image.names)
        assert 900 < len(image.names) < 1001, "a page holds some forty of them"
        assert layers.find(saved, LAYER) is not None


def test_hard_links_count_once_and_nothing_else_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "/".join(["d" * 200] * 15)).mkdir(parents=True)
    assert measure(str(tmp_path)) == Content(1, 5)
    assert measure(str(tmp_path / "nothing")) is None
    assert measure(str(tmp_path / "link")) is None
