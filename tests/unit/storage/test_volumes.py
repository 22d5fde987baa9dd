"""Volumes as rows, their options, and filters of lists of them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dacha.errors import DachaError, UsageError
from dacha.storage import database, doomed, volume_filters, volumes
from dacha.storage.volumes import Volume, VolumeExistsError, VolumeInUseError


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A new store, with the boxes 'one' and 'two'."""
    monkeypatch.setattr("dacha.paths._UID", 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    opened = database.open_database()
    opened.execute("INSERT INTO images VALUES ('i', '{}', '', 0)")
    for name in ("one", "two"):
        opened.execute("INSERT INTO boxes VALUES (?, ?, 'i', '', 0, '{}')", (f"id-{name}", name))
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "x" * 255])
def test_a_name(name: str) -> None:
    assert volumes.check_name(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "..", "a b", "ä", "a:b", "a\n", "x" * 256])
def test_no_name(name: str) -> None:
    with pytest.raises(UsageError):
        volumes.check_name(name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"o": "uid=7,gid=8"},
        {"o": "nocopy,ro"},
        {"nocopy": ""},
        {"type": "tmpfs", "o": "size=1m,mode=700,uid=7,nosuid"},
        {"type": "tmpfs", "device": "tmpfs"},
        {"type": "none", "o": "bind,ro", "device": "/"},
    ],
)
def test_options_that_an_ordinary_user_can_have(options: dict[str, str]) -> None:
    assert volumes.check_options(options) == options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"foo": "bar"}, "unknown volume option"),
        ({"o": "foo"}, "unknown mount option"),
        ({"o": "uid=me"}, "no number"),
        ({"o": "uid=-1"}, "no number"),
        ({"o": "size=1g"}, "quota"),
        ({"o": "inodes=5"}, "quota"),
        ({"type": "nfs", "device": "h:/"}, "cannot mount"),
        ({"device": "/dev/sda"}, "cannot mount"),
        ({"o": "bind"}, "wants a directory"),
        ({"o": "bind", "device": "/no/such"}, "wants a directory"),
        ({"o": "bind,size=1", "device": "/"}, "unknown mount option"),
        ({"type": "tmpfs", "device": "/dev/sda"}, "no device"),
    ],
)
def test_options_that_are_refused(options: dict[str, str], says: str) -> None:
    with pytest.raises(DachaError, match=says):
        volumes.check_options(options)


def test_what_boxes_use_cannot_be_removed(connection: sqlite3.Connection) -> None:
    with database.transaction(connection):
        volumes.use(connection, "id-one", ["data", "gone"], ["gone"])
        volumes.use(connection, "id-two", ["data"], [])
    assert volumes.get(connection, "data").boxes == ("one", "two")
    with pytest.raises(VolumeInUseError, match="one, two"):
        volumes.remove(connection, "data")
    with database.transaction(connection):
        volumes.release(connection, "id-one")
    assert doomed.listing(connection) == ["volumes/gone"]
    assert volumes.find(connection, "gone") is None
    assert volumes.get(connection, "data").boxes == ("two",)


def test_a_volume_without_a_name_stays_while_another_box_has_it(connection: sqlite3.Connection) -> None:
    with database.transaction(connection):
        volumes.use(connection, "id-one", ["shared"], ["shared"])
        volumes.use(connection, "id-two", ["shared"], [])
        volumes.release(connection, "id-one")
    assert doomed.listing(connection) == []
    assert volumes.get(connection, "shared").boxes == ("two",)


def test_a_name_is_taken_once(connection: sqlite3.Connection) -> None:
    volumes.create(connection, "data", labels={"a": "b"})
    with pytest.raises(VolumeExistsError):
        volumes.create(connection, "data")
    assert len(volumes.create(connection, "").name) == 64


def test_a_new_volume_has_nothing_of_one_that_was_called_so_before(connection: sqlite3.Connection) -> None:
    """Also if the command that removed it was killed before it could delete the files."""
    directory = Path(volumes.create(connection, "data").path)
    directory.mkdir(parents=True)
    volumes.remove(connection, "data")
    assert directory.is_dir()
    assert doomed.listing(connection) == ["volumes/data"]
    volumes.create(connection, "data")
    assert not directory.exists()
    directory.mkdir(parents=True)
    doomed.take_away(connection)
    assert directory.is_dir()


OLD = Volume("old", time.time() - 7200, {"a": "b"}, {"type": "tmpfs"}, "", ("box",))
NEW = Volume("new", time.time(), {"a": "c", "d": ""}, {}, "id", ())


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], "old new"),
        (["name=^o"], "old"),
        (["name=old", "name=new"], "old new"),
        (["label=a"], "old new"),
        (["label=a=b"], "old"),
        (["label=a", "label=d"], "new"),
        (["label!=a=b"], "new"),
        (["driver=local"], "old new"),
        (["driver=x"], ""),
        (["dangling=true"], "new"),
        (["dangling=0"], "old"),
        (["anonymous=true"], "new"),
        (["opt=type"], "old"),
        (["until=1h"], "old"),
        (["until=1h30m"], "old"),
        (["until=2030-01-01"], "old new"),
        (["name=old", "dangling=true"], ""),
    ],
)
def test_filters(filters: list[str], expected: str) -> None:
    assert [each.name for each in volume_filters.chosen([OLD, NEW], filters)] == expected.split()


@pytest.mark.parametrize(
    "text", ["", "name", "foo=bar", "dangling=perhaps", "until=soon", "name=(", "until=5x"]
)
def test_no_filter(text: str) -> None:
    with pytest.raises(UsageError):
        volume_filters.chosen([OLD], [text])
