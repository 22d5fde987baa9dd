"""A full copy of the image for each box: works on every file system that can hold an image at all.

Where the file system shares blocks between copies (xfs, btrfs, bcachefs), the copy takes time
but hardly any space.
"""

from __future__ import annotations

import os

from dacha.storage.drivers.base import Stack
from dacha.storage.drivers.tree import TreeDriver, fill


class Vfs(TreeDriver):
    """`vfs`."""

    name = "vfs"

    def make(self, stack: Stack, path: str) -> None:
        """File by file."""
        os.mkdir(path, 0o700)
        fill(stack, path)
