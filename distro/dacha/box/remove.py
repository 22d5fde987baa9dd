"""Remove a box: its own layers go, its image stays, and a home is never touched."""

from __future__ import annotations

import os

from dacha.box import definition, stop
from dacha.box.definition import Box
from dacha.box.start import get_locked, lock_box
from dacha.engine import state
from dacha.errors import DachaError
from dacha.linux import account, child
from dacha.storage import database, doomed, staging, volumes
from dacha.storage.drivers import choice, template
from dacha.storage.drivers.removal import remove_trees
from dacha.userns import launcher, single
from dacha.userns.subid import NoSubordinateIdsError


class BoxRunningError(DachaError):
    """The box runs, and nobody said that this does not matter."""

    def __init__(self, name: str) -> None:
        super().__init__(f"box '{name}' is running", hint=f"stop and remove it: dacha rm --force {name}")


class LostIdsError(DachaError):
    """What shall be deleted belongs to subordinate ids that are not there any more; it stays in the trash."""

    def __init__(self, user: str, error: DachaError) -> None:
        super().__init__(
            f"some files in the store belong to subordinate ids that {user} once had: {error}",
            hint=NoSubordinateIdsError(user, "").hint,
        )


def remove(name: str, *, force: bool = False) -> None:
    """Remove a box; with `force` also one that runs. Raises BoxNotFoundError and BoxRunningError.

    It is gone with the commit; deleting its files comes after, and if that is cut short,
    the next sweep goes on with it.
    """
    with lock_box(name) as lock:
        connection = database.open_database()
        try:
            box = get_locked(connection, name, lock)
            if state.is_running(name) and not force:
                raise BoxRunningError(name)
            stop.stop_locked(box.id, name, grace_s=0)
            with database.transaction(connection):
                volumes.release(connection, box.id)
                definition.delete(connection, box)
                doomed.doom(connection, box.directory)
            doomed.take_away(connection)
        finally:
            connection.close()
        os.unlink(lock.path)
    sweep()


def remove_half_made(box: Box) -> None:
    """Remove a box that could not be made, for who holds its lock.

    Its files first: they may be what has filled the disk, on which the database could not be
    written. A box without files is not broken, its next start would make them.
    """
    if os.path.isdir(box.path):
        staging.move_to_trash(box.path)
    sweep()
    connection = database.open_database()
    try:
        with database.transaction(connection):
            volumes.release(connection, box.id)
            definition.delete(connection, box)
    finally:
        connection.close()


def sweep() -> None:
    """Delete what killed commands have left in the store: removed boxes, half-made things and the trash."""
    connection = database.open_database()
    try:
        doomed.take_away(connection)
    finally:
        connection.close()
    template.sweep()
    launcher.sweep()
    staging.sweep(delete_trees)


def delete_trees(trees: list[str]) -> None:
    """Delete trees whose files belong to ids that only H has."""
    caller = account.calling_account()
    maps = single.widest_maps(caller)
    chosen = choice.recorded()

    def task() -> bytes:
        with launcher.launch(maps, state.any_live_pid):
            if chosen is None:
                remove_trees(trees)
            else:
                choice.driver_of(chosen).remove(trees)
        return b""

    try:
        child.run_in_child(task)
    except DachaError as error:
        if not maps.is_single:
            raise
        raise LostIdsError(caller.name, error) from error
