"""Which driver a store has.

It is chosen once, by trying in the store itself what works there (`storage.drivers.trial`),
and kept: a box that one driver has made is nothing to another. The choice is a small file at
the top of the store, which every start reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from dacha import paths
from dacha.errors import DachaError
from dacha.linux import files
from dacha.linux.lock import FileLock
from dacha.storage import marks
from dacha.storage.drivers.base import Driver
from dacha.userns.outer import OuterMaps

# What is tried, in this order, where nobody has asked for one.
ORDER = ("overlay", "btrfs", "fuse-overlayfs", "zfs", "vfs")
# Names that podman's and docker's users know, and which of ours they stand for.
_MEANINGS = {name: (name,) for name in ORDER} | {
    "overlay": ("overlay", "fuse-overlayfs"),
    "overlay2": ("overlay", "fuse-overlayfs"),
}
# What each costs its user, beside what cannot be had for less.
COSTS = {
    "overlay": "",
    "btrfs": "the first box of an image takes a moment longer",
    "fuse-overlayfs": "programs that open many files are slower: a process answers for each of them",
    "zfs": "the first box of an image takes longer, and as much space again as its layers",
    "vfs": "each box is a copy of its image: creating takes seconds, and space unless copies share blocks",
}
FILE = "driver"
_FIRST_LINE = "dacha storage driver 1"


class Choice(NamedTuple):
    """The driver of a store, and how it came to be that."""

    driver: str
    marks: str  # the form in which layers are written: `storage.marks`
    reason: str  # why this one


class Wanted(NamedTuple):
    """A driver that somebody has asked for."""

    name: str
    by: str  # where
    program: str = ""  # what serves fuse-overlayfs
    options: str = ""  # for the mount

    @property
    def drivers(self) -> tuple[str, ...]:
        """Which would do; all if nobody has asked."""
        return _MEANINGS[self.name] if self.name else ORDER


class WrongDriverError(DachaError):
    """A driver was asked for that is not the store's."""

    def __init__(self, wanted: Wanted, found: str, store: str) -> None:
        super().__init__(
            f"{wanted.by} asks for the storage driver '{wanted.name}', but the store {store} has"
            f" images made with '{found}'",
            hint="take that back, use another store (XDG_DATA_HOME), or empty this one:"
            " dacha rm --all && dacha image rm --all",
        )


def wanted_driver(environment: Mapping[str, str] = os.environ) -> Wanted:
    """What the environment asks for. Raises DachaError for a driver that does not exist."""
    for variable in ("DACHA_STORAGE_DRIVER", "STORAGE_DRIVER"):
        name = environment.get(variable, "")
        if name:
            return _known(Wanted(name, variable))
    return Wanted("", "")


def _configured() -> Wanted:
    """What storage.conf names: a wish, since distributions ship one. Where it cannot be, another will do."""
    from dacha.config.storage import load_storage_config  # read for a new store alone

    name = load_storage_config().driver
    return Wanted(name, "storage.conf") if name in _MEANINGS else Wanted("", "")


def _known(wanted: Wanted) -> Wanted:
    if wanted.name not in _MEANINGS:
        raise DachaError(
            f"{wanted.by} asks for the storage driver '{wanted.name}', which dacha does not have",
            hint=f"there are: {', '.join(ORDER)}",
        )
    return wanted


def recorded() -> Choice | None:
    """The choice of this store, or None where there is none yet. Raises DachaError for a damaged file."""
    store = paths.data_root()
    try:
        with open(f"{store}/{FILE}", encoding="utf-8", errors="replace") as file:
            return parse(file.read(), store)
    except FileNotFoundError:
        return None


def parse(text: str, store: str) -> Choice:
    """Read what the file of a store says. Raises DachaError if it is none of ours."""
    first, *fields = [*text.splitlines(), ""]
    if first == _FIRST_LINE and len(fields) > 3 and fields[0] in ORDER and fields[1] in marks.FORMS:
        return Choice(*fields[:3])
    path = f"{store}/{FILE}"
    raise DachaError(f"{path} is damaged, or of a newer dacha", hint=f"have it chosen anew: rm {path}")


def choose(maps: OuterMaps) -> Choice:
    """The driver of this store: the one it has, else the first that works; then that is kept.

    Raises WrongDriverError, and DachaError where none works.
    """
    wanted, found = wanted_driver(), recorded()
    if found is not None and found.driver in wanted.drivers:
        return found
    root = paths.data_root()
    os.makedirs(root, mode=0o700, exist_ok=True)
    with FileLock(f"{root}/{FILE}.lock"):
        found = recorded()  # somebody else may have chosen meanwhile
        if found is not None:
            if found.driver in wanted.drivers:
                return found
            if not _is_empty():
                raise WrongDriverError(wanted, found.driver, root)
        from dacha.storage.drivers import trial

        wish = wanted if wanted.name else _configured()
        try:
            chosen = trial.first_that_works(maps, wish)
        except DachaError:
            if wish == wanted:
                raise
            chosen = trial.first_that_works(maps, wanted)
        text = "\n".join((_FIRST_LINE, *chosen)) + "\n"
        files.replace_file(f"{root}/{FILE}", text.encode())
    return chosen


def _is_empty() -> bool:
    from dacha.storage import database

    connection = database.open_database()
    try:
        counts = connection.execute("SELECT (SELECT count(*) FROM layers) + (SELECT count(*) FROM boxes)")
        return bool(counts.fetchone() == (0,))
    finally:
        connection.close()


def driver_of(choice: Choice, wanted: Wanted | None = None) -> Driver:
    """The driver itself; only this one is imported."""
    settings = wanted or wanted_driver()
    if choice.driver == "overlay":
        from dacha.storage.drivers.native import NativeOverlay

        return NativeOverlay()
    if choice.driver == "fuse-overlayfs":
        from dacha.storage.drivers.fuse import FuseOverlay

        return FuseOverlay(settings.program, settings.options)
    if choice.driver == "btrfs":
        from dacha.storage.drivers.btrfs import Btrfs

        return Btrfs()
    if choice.driver == "zfs":
        from dacha.storage.drivers.zfs import Zfs

        return Zfs()
    from dacha.storage.drivers.vfs import Vfs

    return Vfs()


def has_trees(choice: Choice) -> bool:
    """Whether each box has a whole tree of its own, which takes time to make."""
    return choice.driver not in ("overlay", "fuse-overlayfs")


def has_mark_files(choice: Choice) -> bool:
    """Whether what is gone may be marked by files in layers and uppers."""
    return choice.marks == marks.FILES or choice.driver == "fuse-overlayfs"
