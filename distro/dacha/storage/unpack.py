"""Unpack archives into layers.

A layer grows in a staging directory and counts once it is on disk (syncfs), renamed into
place and named by the database, in this order.

Who unpacks: this process reads, checks and rewrites the archive (`storage.archive.stream`); GNU
tar, a grandchild in the shifted namespace, writes the files. The child between them waits
for tar, then makes directories opaque, and reports.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
from typing import Protocol

from dacha import paths
from dacha.errors import BadImageError, DachaError
from dacha.linux import child, files, process
from dacha.storage import layers, marks, staging
from dacha.storage.archive import stream
from dacha.storage.database import transaction
from dacha.storage.drivers import choice
from dacha.storage.layers import Layer, find
from dacha.storage.writeback import writing_back
from dacha.userns import outer
from dacha.userns.outer import OuterMaps


class Source(Protocol):
    """Where an uncompressed tar comes from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises BadImageError for damage found on the way."""
        ...


def remove_in_outer(maps: OuterMaps, trees: list[str]) -> None:
    """Delete trees whose files belong to ids that only H has."""

    def task() -> bytes:
        outer.enter(maps, None)
        process.remove_tree(*trees)
        return b""

    child.run_in_child(task)


def _remove_place(maps: OuterMaps, place: str) -> None:
    """Delete what is left of a layer. If nothing was unpacked this needs no H, which may be what failed."""
    layers.remove_journal(place)
    try:
        os.rmdir(place)
    except OSError:
        remove_in_outer(maps, [place])


def _add_view(maps: OuterMaps, place: str, target: str) -> None:
    """Move a view to a layer that has others. Only its owner may: rename(2) changes what ".." is in it."""

    def task() -> bytes:
        outer.enter(maps, None)
        os.rename(f"{place}/{maps.view}", f"{target}/{maps.view}")
        return b""

    child.run_in_child(task)


def _measure_in_outer(maps: OuterMaps, tree: str) -> tuple[int, int]:
    """How many files there are in a tree, and their bytes."""
    from dacha.storage.check.measure import measure  # few archives have an entry twice

    def task() -> bytes:
        outer.enter(maps, None)
        content = measure(tree)
        return json.dumps(content).encode()

    files_count, size_bytes = json.loads(child.run_in_child(task))
    return files_count, size_bytes


def add_layer(
    connection: sqlite3.Connection, maps: OuterMaps, source: Source, *, expected: str = ""
) -> Layer:
    """Unpack an archive into the store and return its layer, the one there already if there is one.

    Raises BadImageError for a damaged or hostile archive, or one that is not the
    `expected` diffID, and DachaError where it cannot be written; the store is unchanged then.
    """
    form = choice.choose(maps).marks
    with staging.staging_directory("layer", lambda path: _remove_place(maps, path)) as place:
        facts = _unpack(maps, source, place, form)
        if expected and facts.diff_id != expected:
            raise BadImageError(f"the layer is {facts.diff_id}, not {expected} as its image says")
        layer = Layer(
            facts.diff_id,
            facts.diff_id.removeprefix("sha256:")[:24],
            facts.size_bytes,
            frozenset(uid for uid, _ in facts.owners),
            frozenset(gid for _, gid in facts.owners),
        )
        count = facts.files
        if count is None:
            count, size_bytes = _measure_in_outer(maps, f"{place}/{maps.view}")
            layer = layer._replace(size_bytes=size_bytes)
        files.syncfs(place)
        with transaction(connection):
            home = f"{paths.data_root()}/layers"
            existing = find(connection, facts.diff_id)  # one that has lost its files does not count
            if existing is not None:
                if not existing.has_view(maps):
                    _add_view(maps, place, f"{home}/{existing.directory}")
                return existing
            os.makedirs(home, mode=0o700, exist_ok=True)
            target = f"{home}/{layer.directory}"
            if os.path.lexists(target):  # left by a process that died between rename and commit
                staging.move_to_trash(target)
            os.rename(place, target)
            connection.execute(
                "INSERT INTO layers (diff_id, directory, size, files, uids, gids) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (diff_id) DO UPDATE SET directory = excluded.directory, size = excluded.size,"
                " files = excluded.files, uids = excluded.uids, gids = excluded.gids",
                (
                    layer.diff_id,
                    layer.directory,
                    layer.size_bytes,
                    count,
                    json.dumps(sorted(layer.uids)),
                    json.dumps(sorted(layer.gids)),
                ),
            )
    return layer


def _unpack(maps: OuterMaps, source: Source, place: str, form: str) -> stream.LayerFacts:
    archive_reader, archive_writer = os.pipe2(os.O_CLOEXEC)
    order_reader, order_writer = os.pipe2(os.O_CLOEXEC)
    error_reader, error_writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(error_writer, False)  # a tar with more to say than a pipe holds must not wait for us
    pid = os.fork()
    if pid == 0:
        os.close(archive_writer)
        os.close(order_writer)
        _unpacker(maps, place, form, archive_reader, order_reader, error_writer)
    os.close(archive_reader)
    os.close(order_reader)
    os.close(error_writer)
    facts = None
    try:
        try:
            limits = stream.Limits() if maps.is_single else stream.Limits(max_id=maps.available - 1)
            with writing_back(source, place) as counted, layers.writing_journal(place) as journal:
                facts = stream.rewrite(
                    counted,
                    archive_writer,
                    limits,
                    journal=journal,
                    marks_files=form == marks.FILES,
                    squashes_owners=maps.is_single,
                )
        except BrokenPipeError:
            facts = None  # tar has died: its own words say why
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(archive_writer)
        if facts is not None:
            order = b"\0".join([b"commit", *(os.fsencode(name) for name in facts.opaque)])
            _write_order(order_writer, order)
    finally:
        os.close(order_writer)
        with os.fdopen(error_reader, "rb") as file:
            errors = file.read().decode(errors="replace")
        code = process.wait(pid)
    if facts is None or code != 0:
        lines = [line for line in errors.splitlines() if line.strip()]
        # tar says "Wrote only ..." first.
        full = [line for line in lines if "No space left" in line]
        reason = (full or lines or [f"exit code {code}"])[0]
        hint = "free some space" if "No space left" in errors or "quota" in errors.lower() else ""
        raise DachaError(f"cannot unpack the layer: {reason}", hint=hint)
    return facts


def _write_order(fd: int, order: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the unpacker has failed, and its exit code will say so
        files.write_whole(fd, order)


def _unpacker(maps: OuterMaps, place: str, form: str, archive: int, order: int, errors: int) -> None:
    """The child's life: in H, then in the shifted namespace; it never returns."""
    code = 1
    try:
        os.dup2(errors, 2)
        outer.enter(maps, None)
        top = f"{place}/{maps.view}"
        os.mkdir(top, 0o755)
        os.chown(top, maps.first, maps.first)
        # Held open: in the shifted namespace a home of mode 0700 is no path any more.
        root = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        tar = process.find_program("tar")
        outer.enter_shifted(maps)
        os.fchdir(root)
        pid = process.spawn([tar, *stream.TAR_EXTRACT_OPTIONS], stdin=archive, env=stream.TAR_ENVIRONMENT)
        os.close(archive)
        code = process.wait(pid)
        if code == 0:
            code = _carry_out(root, order, form)
    except Exception as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(code)


def _carry_out(root: int, order: int, form: str) -> int:
    with os.fdopen(order, "rb") as file:
        command, *opaque = file.read().split(b"\0")
    if command != b"commit":
        return 1
    for name in opaque:
        flags = os.O_RDONLY | os.O_DIRECTORY
        fd = files.openat2(
            root, os.fsdecode(name) or ".", flags, files.RESOLVE_BENEATH | files.RESOLVE_NO_SYMLINKS
        )
        try:
            marks.make_opaque(fd, form)
        finally:
            os.close(fd)
    return 0
