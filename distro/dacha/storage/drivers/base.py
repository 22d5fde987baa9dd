"""What a storage driver is: how the root of a box comes to be out of layers.

Two kinds. *Stacking* drivers mount the layers over one another; what the box changes goes
into its `upper`. *Tree* drivers give each box a whole tree of its own, its `root`. Layers lie
in the store as they do in any driver.
"""

from __future__ import annotations

import os
from typing import NamedTuple, Protocol

from dacha.storage.drivers.removal import remove_trees


class Stack(NamedTuple):
    """What the root of a box is made of; all paths are relative to the store."""

    store: str
    lowers: tuple[str, ...]  # the layers of its image, and their deltas; the top one first
    directory: str  # the box's own
    first: int  # the box's root as H has it

    @property
    def path(self) -> str:
        """The box's own directory."""
        return f"{self.store}/{self.directory}"


class Root(Protocol):
    """A root that has been mounted, for one launch."""

    def serve(self, cgroup: str, claim: int) -> None:
        """Start what answers for it, where something must. Raises DachaError.

        It lives in `cgroup`, which is empty where there is none, and has the descriptor
        `claim` open as long as it writes.
        """


class Driver(Protocol):
    """A way to make roots. All methods are called in H, in a mount namespace of the caller's own."""

    name: str
    own: str  # the name of what is the box's own in its directory: "upper" or "root"
    needs_server: bool  # whether a process answers for a mounted root

    def prepare(self, stack: Stack) -> None:
        """Make what is the box's own, unless it is there. Raises DachaError and OSError."""

    def mount(self, stack: Stack, target: str) -> Root:
        """Mount the root at `target`. Raises DachaError.

        May change the working directory.
        """

    def remove(self, trees: list[str]) -> None:
        """Delete directories of the store, and all that this driver has made in them. Raises DachaError."""


class Unserved:
    """A root that the kernel answers for alone."""

    def serve(self, cgroup: str, claim: int) -> None:
        """There is nothing to start."""


class Stacking:
    """What the stacking drivers have in common."""

    own = "upper"

    def prepare(self, stack: Stack) -> None:
        """Two directories."""
        for name in (self.own, "work"):
            path = f"{stack.path}/{name}"
            if not os.path.isdir(path):
                os.mkdir(path, 0o755)
                os.chown(path, stack.first, stack.first)

    def remove(self, trees: list[str]) -> None:
        """Plain directories."""
        remove_trees(trees)
