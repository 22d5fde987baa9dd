"""The box that the doctor is asked about: its facts, gathered before any check looks at them."""

from __future__ import annotations

import os
from typing import NamedTuple

from dacha import paths
from dacha.box import definition, start
from dacha.box.definition import Box
from dacha.box.doctor import trials
from dacha.engine import state
from dacha.errors import BoxNotFoundError, DachaError
from dacha.linux.account import Account
from dacha.linux.probe import Steps
from dacha.storage import database, images, layers
from dacha.storage.drivers import choice
from dacha.userns import outer


class Patient(NamedTuple):
    """A box on this host, as far as it is known."""

    name: str
    error: str = ""  # why nothing is known
    box: Box | None = None
    has_image: bool = False
    pid: int = 0  # of its init; 0 where it does not run
    was_running: bool = False  # something was left by a run that did not end well
    lowers: tuple[str, ...] = ()  # its image's layers as it stacks them, relative to the store
    shells: tuple[str, ...] = ()  # which would do, the user's own first
    root: int = 0  # its root as H has it
    own: str = "upper"  # what the storage driver calls its own files

    def steps(self) -> Steps:
        """What can only be seen in H."""
        if self.box is None:
            return iter(())
        lowers = self.lowers if self.own == "upper" else ()  # a whole tree hides them
        own = f"{self.box.directory}/{self.own}"
        return trials.look_into_box(paths.data_root(), own, lowers, self.shells)


def call(name: str, account: Account) -> Patient:
    """Gather what is known of a box. Raises BoxNotFoundError; a broken store is no error here."""
    if not os.path.isfile(f"{paths.data_root()}/dacha.db"):
        raise BoxNotFoundError(name)
    try:
        connection = database.open_database()
    except DachaError as error:
        return Patient(name, error=str(error))
    try:
        box = definition.get(connection, name)
        stack = layers.of_image(connection, box.image)
        has_image = any(image.id == box.image for image in images.listing(connection))
    except BoxNotFoundError:
        raise
    except Exception as error:  # a database that is damaged raises much
        return Patient(name, error=f"the store cannot be read: {error}")
    finally:
        connection.close()
    lowers: tuple[str, ...] = ()
    root = 0
    try:
        maps = outer.outer_maps(account, is_single=box.is_single)
        lowers = tuple(start.lower_directories(stack, account, maps))
        root = maps.first
    except DachaError:
        pass  # without subordinate ids it is not known where they would be
    running = state.open_running(name)
    if running is not None:
        os.close(running[1])
    return Patient(
        name=name,
        box=box,
        has_image=has_image,
        pid=running[0].pid if running else 0,
        was_running=running is None and state.read(name) is not None,
        lowers=lowers,
        shells=tuple(dict.fromkeys((account.shell, "/bin/bash", "/bin/sh"))),
        root=root,
        own=_own_files(),
    )


def _own_files() -> str:
    try:
        chosen = choice.recorded()
        return choice.driver_of(chosen).own if chosen else "upper"
    except DachaError:
        return "upper"
