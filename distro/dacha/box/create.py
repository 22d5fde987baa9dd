"""Create a box: a row in the database.

Nothing is copied or run, and its directory comes with its start, unless the storage driver
gives each box a tree of its own: that is made here.
"""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from dacha import paths
from dacha.box import definition, remove, start
from dacha.box.definition import Box, BoxExistsError, Volume
from dacha.build.progress import Progress
from dacha.engine import state
from dacha.errors import DachaError, UsageError
from dacha.linux import account, child
from dacha.linux.account import Account
from dacha.storage import database, delta, images, layers, volumes
from dacha.storage.drivers import choice
from dacha.storage.drivers.choice import Choice
from dacha.storage.images import Image
from dacha.storage.layers import Layer
from dacha.userns import launcher, single
from dacha.userns.outer import OuterMaps


class Request(NamedTuple):
    """What a new box shall be."""

    name: str
    image: str
    hostname: str = ""
    volumes: tuple[Volume, ...] = ()


class MissingViewError(DachaError):
    """A layer lies in the view of the other kind of boxes alone, and this one cannot be made from that."""

    def __init__(self, image: Image, name: str, maps: OuterMaps) -> None:
        kind = "with all ids" if maps.is_single else "in single-id mode"
        is_file = ":" in image.source and not image.source.startswith("docker:")
        again = f"dacha image load {image.source} --name {name}" if is_file else f"dacha image load {name}"
        super().__init__(
            f"image '{name}' was unpacked for boxes {kind}, and not for those that are made now",
            hint=f"bring it once more, which leaves the boxes that there are alone: {again}",
        )


def create(request: Request, image: Image | None = None, progress: Progress | None = None) -> Box:
    """Create a box of an image that is in the store.

    Raises BoxExistsError and UsageError, and has changed nothing then.
    """
    definition.check_name(request.name)
    if request.hostname:
        definition.check_hostname(request.hostname)
    caller = account.calling_account()
    if not os.path.isdir(caller.home):
        raise DachaError(f"the home directory {caller.home} does not exist", hint="create it, or set HOME")
    maps = single.choose(caller).maps
    chosen = choice.choose(maps)
    connection = database.open_database()
    try:
        found = image or images.get(connection, request.image)
        if definition.find(connection, request.name) is not None:
            raise BoxExistsError(request.name)
        layers.require(layers.of_image(connection, found.id), request.image)
        _make_views(connection, found, request.image, caller, maps)
        _build_deltas(connection, found, caller, maps)
        mounted, anonymous = _with_names(request.volumes)
        box = definition.new(request.name, found.id, request.image, request.hostname, mounted)
        box = box._replace(is_single=maps.is_single)
        with database.transaction(connection):
            definition.insert(connection, box)
            for each in mounted:
                if "nocreate" in each.options:
                    volumes.get(connection, each.source)
            volumes.use(connection, box.id, [each.source for each in mounted if each.is_of_store], anonymous)
        if choice.has_trees(chosen):
            if progress is not None:
                progress.step(
                    f"making the box's own copy of the image (the store's driver is {chosen.driver})"
                )
            _make_tree(box, chosen, layers.of_image(connection, found.id), caller, maps)
    finally:
        connection.close()
    return box


def _make_tree(box: Box, chosen: Choice, box_layers: list[Layer], caller: Account, maps: OuterMaps) -> None:
    """Make the box's own tree; where that fails, there is no box."""

    def task() -> bytes:
        with launcher.launch(maps, state.any_live_pid):
            choice.driver_of(chosen).prepare(start.stack_of(box, box_layers, caller, maps))
        return b""

    with start.lock_box(box.name):
        try:
            os.makedirs(box.path, mode=0o700, exist_ok=True)
            child.run_in_child(task)
        except BaseException as error:
            try:
                remove.remove_half_made(box)
            except DachaError as another:
                raise DachaError(f"{error}; and cleaning up failed: {another}", hint=another.hint) from error
            raise


def _make_views(
    connection: sqlite3.Connection, image: Image, name: str, caller: Account, maps: OuterMaps
) -> None:
    """Raises MissingViewError."""
    if all(layer.has_view(maps) for layer in layers.of_image(connection, image.id)):
        return
    from dacha.storage import views  # which comes with all that unpacks

    if not views.make_missing(connection, maps, image.id, *single.all_maps(caller)):
        raise MissingViewError(image, name, maps)


def _with_names(wanted: tuple[Volume, ...]) -> tuple[tuple[Volume, ...], list[str]]:
    """The volumes with names for those that have none, and these names. Raises UsageError."""
    targets = [each.target for each in wanted]
    for target in targets:
        if targets.count(target) > 1:
            raise UsageError(f"two volumes shall be mounted at {target}", hint="give each a place of its own")
    named = tuple(each if each.source else each._replace(source=volumes.new_name()) for each in wanted)
    anonymous = [each.source for each, given in zip(named, wanted, strict=True) if not given.source]
    return named, anonymous


def _build_deltas(connection: sqlite3.Connection, image: Image, caller: Account, maps: OuterMaps) -> None:
    if not maps.needs_deltas:
        return
    root = paths.data_root()
    missing = [
        layer
        for layer in layers.of_image(connection, image.id)
        if delta.is_needed(layer, caller.uid, caller.gid)
        and not os.path.isdir(f"{root}/{delta.directory(layer, caller.uid, caller.gid)}")
    ]
    if not missing:
        return

    def task() -> bytes:
        with launcher.launch(maps, state.any_live_pid):
            store = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for layer in missing:
                delta.build(store, layer, caller.uid, caller.gid)
        return b""

    child.run_in_child(task)
