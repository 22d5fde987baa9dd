"""What a box has changed, seen from its upper directory, also while it runs.

What dacha itself has put there does not count (`storage.upper`, Scaffold), and account files are
without the user (`box.own_entries`). All of this is called in H.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from dacha import paths
from dacha.box import mount_points, own_entries
from dacha.box.definition import Box
from dacha.box.start import lower_directories
from dacha.box.tree import LayerStack
from dacha.errors import DachaError
from dacha.linux.account import Account
from dacha.storage import merged
from dacha.storage.compared import Compared
from dacha.storage.drivers import choice
from dacha.storage.layers import Layer
from dacha.storage.ownership import Ownership
from dacha.storage.pack import Packer
from dacha.storage.upper import Scaffold, Upper
from dacha.userns.outer import OuterMaps

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Subject(NamedTuple):
    """A box, its image's layers (the lowest first), and whose it is."""

    box: Box
    layers: list[Layer]
    account: Account
    maps: OuterMaps

    @property
    def ownership(self) -> Ownership:
        """Whose its files are. Where all are the user's, an image has them as root's."""
        if self.maps.is_single:
            return Ownership(0, 0, is_single=True)
        return Ownership(self.account.uid, self.account.gid, self.maps.is_initial)

    @property
    def has_mark_files(self) -> bool:
        """Whether removals may be marked by files in this store. Raises DachaError."""
        chosen = choice.recorded()
        return chosen is not None and choice.has_mark_files(chosen)


class Changes(NamedTuple):
    """An open upper, and the open layers below it."""

    root: int | None  # the upper as a directory
    upper: Upper | None  # None before the first start
    below: LayerStack
    contents: dict[str, bytes]  # of files that are otherwise on disk, by path


def _open(exits: ExitStack, path: str) -> int:
    fd = os.open(path, _DIRECTORY)
    exits.callback(os.close, fd)
    return fd


@contextmanager
def open_box(subject: Subject) -> Iterator[Changes]:
    """Look into a box. Raises OSError where a layer is gone."""
    box, root = subject.box, paths.data_root()
    with ExitStack() as exits:
        lowers = lower_directories(subject.layers, subject.account, subject.maps)
        opened = [_open(exits, f"{root}/{lower}") for lower in lowers]
        has_mark_files = subject.has_mark_files
        below = LayerStack(opened, has_mark_files=has_mark_files)
        own = _own_directory(box)
        if not own:
            yield Changes(None, None, below, {})
            return
        upper = _open(exits, own)
        integration = f"{box.path}/integration"
        layer = _open(exits, integration) if os.path.isdir(integration) else None
        scaffold = Scaffold(mount_points.read(box), layer)
        contents = own_entries.restored_files(upper, below, subject.account)
        if own.endswith("/root"):
            yield Changes(upper, Compared(upper, below, scaffold, opened), below, contents)
        else:
            found = Upper(upper, below, scaffold, has_mark_files=has_mark_files)
            yield Changes(upper, found, below, contents)


def _own_directory(box: Box) -> str:
    """What is the box's own, in any storage driver: an upper, or a tree; empty before its first start."""
    for name in ("upper", "root"):
        if os.path.isdir(f"{box.path}/{name}"):
            return f"{box.path}/{name}"
    if os.path.isfile(f"{box.path}/dataset"):
        raise DachaError(
            f"box '{box.name}' lies in a dataset of ZFS, which cannot be looked into from outside",
            hint=f"dacha run {box.name} -- sudo tar --one-file-system -cC / . | dacha image import -",
        )
    return ""


@contextmanager
def open_image(image_layers: list[Layer], maps: OuterMaps) -> Iterator[Changes]:
    """Look into the top layer of an image. Raises OSError where a layer is gone."""
    with ExitStack() as exits:
        views = [layer.view(maps) for layer in reversed(image_layers)]
        opened = [_open(exits, f"{paths.data_root()}/{view}") for view in views]
        chosen = choice.recorded()
        has_mark_files = chosen is not None and choice.has_mark_files(chosen)
        below = LayerStack(opened[1:], has_mark_files=has_mark_files)
        upper = Upper(opened[0], below, has_mark_files=has_mark_files) if opened else None
        yield Changes(None, upper, below, {})


def write_tree(subject: Subject, sink: int) -> None:
    """Write all of a box's root file system to a descriptor, as one archive."""
    with open_box(subject) as found:
        packer = Packer(sink, subject.ownership)
        opened = [found.root] if found.root is not None else []
        if not isinstance(found.upper, Compared):  # which is all of it
            opened += found.below.layers
        for item in merged.walk(opened, has_mark_files=subject.has_mark_files):
            packer.add(item, found.contents.get(item.path))
        packer.finish()
