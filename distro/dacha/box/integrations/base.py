"""What an integration is given, and what it may contribute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dacha.box.definition import Box
from dacha.box.edits import Edit
from dacha.box.tree import LayerStack
from dacha.engine.emulation import Emulation
from dacha.engine.spec import Mount
from dacha.linux.account import Account
from dacha.storage.volumes import Volume
from dacha.userns.outer import OuterMaps


class Context(NamedTuple):
    """A box that is about to start."""

    box: Box
    account: Account
    maps: OuterMaps
    stack: LayerStack  # the merged tree: the box's upper and the image
    image: LayerStack  # the image alone
    host: str  # where the launcher sees the host's tree, as it was before the root was mounted
    hostname: str
    runtime: str  # the box's runtime directory
    runtime_directory: str  # the user's $XDG_RUNTIME_DIR, or empty
    init: str  # the program that is the box's init, on the host
    emulation: Emulation | None = None  # how its programs are run that this machine cannot run
    volumes: Mapping[str, Volume] = {}  # of the store, by name


def host_bind(context: Context, source: str, target: str = "", *options: str) -> Mount:
    """A mount of the host's tree at `source`; what the host mounts below it later arrives too."""
    return Mount(target or source, context.host + source, "bind", ("rbind", "rslave", *options))


class Integration:
    """Contributes nothing; subclasses override what they need."""

    def mounts(self, _context: Context) -> list[Mount]:
        """Mounts of the box, in order."""
        return []

    def edits(self, _context: Context) -> list[Edit]:
        """Files that the host puts into the box."""
        return []

    def environment(self, _context: Context) -> dict[str, str]:
        """Variables that every session gets."""
        return {}

    def shared_paths(self, _context: Context) -> list[str]:
        """Host paths at which the box has the same files."""
        return []
