"""Subvolumes of btrfs: a box is a snapshot of its image's merged layers, made in an instant.

The merged tree shares its blocks with the layers, and the snapshots theirs with it. Deleting
a subvolume takes the mount option user_subvol_rm_allowed, or the machine's root; without,
its files are deleted one by one, and the empty subvolume as any directory (Linux 4.18).
"""

from __future__ import annotations

import os

from dacha.linux import btrfs
from dacha.storage.drivers.base import Stack
from dacha.storage.drivers.removal import delete_subvolume, remove_trees
from dacha.storage.drivers.template import template_of
from dacha.storage.drivers.tree import TreeDriver, fill


class Btrfs(TreeDriver):
    """`btrfs`."""

    name = "btrfs"

    def make(self, stack: Stack, path: str) -> None:
        """A snapshot."""

        def make_template(tree: str) -> None:
            btrfs.create_subvolume(tree)
            fill(stack, tree)

        btrfs.snapshot(template_of(stack, make_template, self.remove), path)

    def remove(self, trees: list[str]) -> None:
        """Subvolumes first: what they hold is not looked at then."""
        for tree in trees:
            for path in (*(f"{tree}/{name}" for name in ("root", "root~", "tree")), tree):
                if os.path.isdir(path) and btrfs.is_subvolume(path):
                    delete_subvolume(path)
        remove_trees(trees)
