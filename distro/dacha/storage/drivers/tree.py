"""What the drivers have in common in which a box has a whole tree of its own.

The tree is made at creation, under a name that says that it is not whole yet, and renamed
when it is; a start finds it, or makes it if creating was cut short.
"""

from __future__ import annotations

import os

from dacha.linux import files, mounts
from dacha.storage import flatten
from dacha.storage.drivers.base import Root, Stack, Unserved
from dacha.storage.drivers.removal import remove_trees


class TreeDriver:
    """Subclasses say how the tree is made."""

    name = ""
    own = "root"
    needs_server = False

    def prepare(self, stack: Stack) -> None:
        """Raises DachaError and OSError; what is half-made goes at the next try, or with the box."""
        final = f"{stack.path}/{self.own}"
        if os.path.isdir(final):
            return
        growing = f"{final}~"
        if os.path.lexists(growing):
            self.remove([growing])
        self.make(stack, growing)
        files.syncfs(growing)
        os.rename(growing, final)

    def make(self, stack: Stack, path: str) -> None:
        """Make the box's tree at `path`."""
        raise NotImplementedError

    def mount(self, stack: Stack, target: str) -> Root:
        """Show the tree at `target`. What its file system forbids (nosuid, noexec) is so in the box."""
        mounts.bind(f"{stack.path}/{self.own}", target)
        return Unserved()

    def remove(self, trees: list[str]) -> None:
        """Plain directories."""
        remove_trees(trees)


def fill(stack: Stack, path: str) -> None:
    """Merge the layers of a stack into the empty directory `path`."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    opened = [os.open(f"{stack.store}/{lower}", flags) for lower in stack.lowers]
    target = os.open(path, flags)
    try:
        flatten.flatten(opened, target)
    finally:
        for fd in (*opened, target):
            os.close(fd)
