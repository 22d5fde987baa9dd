"""The database: which images, layers and boxes there are.

SQLite in WAL mode under the graph root. A verb is one transaction, and files are in place
before the row that names them: what no row names does not count, and is swept away.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dacha import paths
from dacha.errors import DachaError
from dacha.linux.lock import FileLock

_RESERVE_BYTES = 1 << 18
_FIRST = """
CREATE TABLE layers (
    diff_id TEXT PRIMARY KEY,       -- sha256:… of the uncompressed tar
    directory TEXT NOT NULL UNIQUE, -- its name under layers/
    size INTEGER NOT NULL,          -- bytes in regular files
    uids TEXT NOT NULL,             -- the owners of its files, as the image has them: a JSON list
    gids TEXT NOT NULL
) STRICT;
CREATE TABLE images (
    id TEXT PRIMARY KEY,            -- sha256:… of its configuration
    config TEXT NOT NULL,           -- OCI image configuration, JSON
    source TEXT NOT NULL,           -- where it came from, as a user would write it
    created REAL NOT NULL           -- when it came into the store, seconds since 1970
) STRICT;
CREATE TABLE image_layers (
    image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,      -- 0 is the lowest
    diff_id TEXT NOT NULL REFERENCES layers(diff_id),
    PRIMARY KEY (image, position)
) STRICT;
CREATE TABLE image_names (
    name TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE
) STRICT;
CREATE TABLE boxes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    image TEXT NOT NULL REFERENCES images(id),
    image_name TEXT NOT NULL,       -- the reference it was made from
    created REAL NOT NULL,
    definition TEXT NOT NULL        -- what else it was made with, JSON
) STRICT;
"""
_VOLUMES = """
CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    created REAL NOT NULL,
    labels TEXT NOT NULL,           -- a JSON object
    options TEXT NOT NULL,          -- as podman's `--opt` has them, a JSON object
    anonymous_of TEXT               -- the box with which it goes, NULL for one with a name
) STRICT;
CREATE TABLE box_volumes (
    box TEXT NOT NULL REFERENCES boxes(id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes(name),
    PRIMARY KEY (box, volume)
) STRICT;
"""
_REGISTRIES = """
CREATE TABLE layer_blobs (          -- where a layer is to be had compressed
    diff_id TEXT NOT NULL REFERENCES layers(diff_id) ON DELETE CASCADE,
    repository TEXT NOT NULL,       -- HOST/PATH
    digest TEXT NOT NULL,           -- of the compressed archive
    size INTEGER NOT NULL,          -- its bytes
    media_type TEXT NOT NULL,
    PRIMARY KEY (diff_id, repository, digest)
) STRICT;
CREATE TABLE manifest_lists (       -- that the user puts together
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL              -- its members, JSON
) STRICT;
"""
_CARE = """
ALTER TABLE layers ADD COLUMN files INTEGER;  -- regular files in it
CREATE TABLE doomed (
    directory TEXT PRIMARY KEY      -- in the store, of a row that was removed
) STRICT;
"""
# A store's format is the number of these that it has gone through, in this order. Append, never change.
# They are cut at semicolons, so comments have none.
_MIGRATIONS = (_FIRST, _VOLUMES, _REGISTRIES, _CARE)


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.execute("PRAGMA journal_mode = WAL")
    if version < len(_MIGRATIONS):
        _migrate(connection)
    elif version > len(_MIGRATIONS):
        connection.close()
        raise DachaError(
            f"the store {os.path.dirname(path)} was written by a newer dacha (format {version})",
            hint="upgrade dacha",
        )
    return connection


def create(path: str) -> sqlite3.Connection:
    """Make an empty database of today's format. Raises sqlite3.Error."""
    return _connect(path)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring a store of any earlier format to today's, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def open_database() -> sqlite3.Connection:
    """Open the store's database; the store is made where there is none.

    Raises DachaError where it cannot be made, opened or read.
    """
    root = paths.data_root()
    try:
        os.makedirs(root, mode=0o700, exist_ok=True)
        # The first one switches to WAL, for which SQLite does not wait until the others are out of the way.
        with FileLock(f"{root}/dacha.db.lock"):
            try:
                connection = _connect(f"{root}/dacha.db")
            except sqlite3.OperationalError:
                _free_reserve(root)
                connection = _connect(f"{root}/dacha.db")
            _make_reserve(root)
            return connection
    except OSError as error:
        raise DachaError(f"cannot make the store {root}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise failure("open", error) from error


def failure(what: str, error: sqlite3.Error) -> DachaError:
    """What SQLite says, with what to do about it."""
    root = paths.data_root()
    hint = "free some space: dacha rm, dacha image rm" if os.statvfs(root).f_bavail == 0 else ""
    # The low byte is the error, the others say more about it (https://sqlite.org/rescode.html).
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        hint = "save what can be read: dacha system check --repair"
    return DachaError(f"cannot {what} the store {root}: {error}", hint=hint)


def _make_reserve(root: str) -> None:
    """Hold some space back: on a full disk SQLite cannot even read, and nothing could be removed."""
    path = f"{root}/reserve"
    if os.path.exists(path):
        return
    with suppress(OSError), open(path, "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
        except OSError:
            os.unlink(path)


def _free_reserve(root: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(f"{root}/reserve")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing: committed at the end of the block, rolled back if it raises."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise failure("write to", error) from error
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:  # SQLite has rolled back itself where the disk is full
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise failure("write to", error) from error
        raise
