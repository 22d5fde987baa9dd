"""The store's database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dacha.errors import DachaError
from dacha.storage import database
from dacha.storage.database import open_database, transaction

INSERT = "INSERT INTO images (id, config, source, created) VALUES (?, '{}', 'test', 1.0)"


@pytest.fixture
def connection(store: Path) -> Iterator[sqlite3.Connection]:
    """An empty database, open."""
    assert not store.exists()
    with closing(open_database()) as connection:
        yield connection


def image_ids(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM images ORDER BY id")]


def test_the_store_is_made_for_its_user_alone(connection: sqlite3.Connection, store: Path) -> None:
    assert image_ids(connection) == []
    assert store.stat().st_mode & 0o777 == 0o700


def test_what_was_committed_is_there_when_it_is_opened_again(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute(INSERT, ("a",))
    with closing(open_database()) as other:
        assert image_ids(other) == ["a"]


def test_a_reader_is_not_kept_waiting_by_a_writer(connection: sqlite3.Connection) -> None:
    with closing(open_database()) as reader, transaction(connection):
        connection.execute(INSERT, ("a",))
        assert image_ids(reader) == []


def test_a_transaction_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    def fail() -> None:
        with transaction(connection):
            connection.execute(INSERT, ("a",))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert image_ids(connection) == []
    with transaction(connection):
        connection.execute(INSERT, ("b",))
    assert image_ids(connection) == ["b"]


def test_a_killed_process_changes_nothing(connection: sqlite3.Connection) -> None:
    pid = os.fork()
    if pid == 0:
        ours = open_database()
        ours.execute("BEGIN IMMEDIATE")
        ours.execute(INSERT, ("a",))
        os.kill(os.getpid(), 9)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == 9
    assert image_ids(connection) == []
    with transaction(connection):
        connection.execute(INSERT, ("b",))


def test_a_full_disk_is_said_to_be_and_changes_nothing(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 20")

    def fill() -> None:
        with transaction(connection):
            connection.execute(INSERT, ("a",))
            connection.execute(INSERT, ("b" * 1_000_000,))

    with pytest.raises(DachaError, match=r"^cannot write to the store.*: database or disk is full$"):
        fill()
    assert image_ids(connection) == []


def test_rows_that_others_name_cannot_go(connection: sqlite3.Connection) -> None:
    connection.execute(INSERT, ("a",))
    connection.execute(
        "INSERT INTO boxes (id, name, image, image_name, created, definition)"
        " VALUES ('1', 'work', 'a', 'x', 1.0, '{}')"
    )
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM images")


def test_the_store_of_a_newer_dacha_is_left_alone(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DachaError, match=r"written by a newer dacha \(format 99\)") as caught:
        open_database()
    assert caught.value.hint == "upgrade dacha"


def test_a_file_that_is_no_database_is_said_to_be(store: Path) -> None:
    store.mkdir()
    (store / "dacha.db").write_text("hello, I am a text" * 100)
    with pytest.raises(DachaError, match="cannot open the store"):
        open_database()


def test_a_store_that_cannot_be_made_is_said_to_be(store: Path) -> None:
    store.write_text("in the way")
    with pytest.raises(DachaError, match="cannot make the store"):
        open_database()


def test_a_database_that_was_only_begun_is_made_anew(store: Path) -> None:
    store.mkdir()
    (store / "dacha.db").touch()
    with closing(open_database()) as connection:
        assert image_ids(connection) == []


def open_at_once(reader: int) -> int:
    os.read(reader, 1)
    try:
        connection = open_database()
        image_ids(connection)
        connection.close()
    except Exception as error:
        os.write(2, f"{error}\n".encode())
        return 1
    return 0


@pytest.mark.parametrize("attempt", range(10))
def test_many_processes_may_make_the_store_at_once(store: Path, attempt: int) -> None:
    reader, writer = os.pipe()
    pids = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os._exit(open_at_once(reader))
        pids.append(pid)
    os.close(reader)
    os.close(writer)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8
    assert (store / "dacha.db").exists(), attempt


def test_a_store_of_an_earlier_format_is_brought_to_todays(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = database._MIGRATIONS
    monkeypatch.setattr(database, "_MIGRATIONS", migrations[:1])
    with closing(open_database()) as connection:
        connection.execute("INSERT INTO images VALUES ('sha256:1', '{}', 'here', 1.5)")
    monkeypatch.setattr(database, "_MIGRATIONS", migrations)
    with closing(open_database()) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations),)
        assert connection.execute("SELECT source FROM images").fetchall() == [("here",)]
        assert connection.execute("SELECT * FROM volumes").fetchall() == []


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = database._MIGRATIONS
    open_database().close()
    bad = "CREATE TABLE half (a TEXT) STRICT; CREATE NONSENSE"
    monkeypatch.setattr(database, "_MIGRATIONS", (*migrations, bad))
    with pytest.raises(DachaError, match="NONSENSE"):
        open_database()
    monkeypatch.setattr(database, "_MIGRATIONS", migrations)
    with closing(open_database()) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations),)
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        assert "half" not in tables
