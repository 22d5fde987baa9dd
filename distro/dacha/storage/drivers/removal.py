"""Delete trees of the store, whatever is in them.

On btrfs that may be subvolumes: the driver's own, or some that a program in a box has made.
rm(1) leaves them where they are.
"""

from __future__ import annotations

import errno
import os

from dacha.errors import CommandError, DachaError
from dacha.linux import btrfs, process


def remove_trees(trees: list[str]) -> None:
    """Delete directories. Raises DachaError."""
    try:
        process.remove_tree(*trees)
    except CommandError:
        found = [path for tree in trees for path in subvolumes(tree)]
        if not found:
            raise
        for path in found:
            delete_subvolume(path)
        process.remove_tree(*trees)


def delete_subvolume(path: str) -> None:
    """Delete a subvolume and those in it, at once where that is allowed. Raises DachaError and OSError."""
    try:
        btrfs.delete_subvolume(path)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # there is another in it
            for inner in subvolumes(path):
                delete_subvolume(inner)
            if os.path.isdir(path):
                btrfs.delete_subvolume(path)
            return
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EROFS):
            raise
        _delete_by_hand(path)


def _delete_by_hand(path: str) -> None:
    """Raises DachaError where even that is not allowed."""
    for inner in subvolumes(path):
        _delete_by_hand(inner)
    try:
        process.remove_tree(path)  # an empty subvolume goes as any directory does
    except CommandError as error:
        raise DachaError(
            f"the subvolume {path} cannot be deleted: {error}",
            hint="mount the file system with the option user_subvol_rm_allowed, or:"
            f" sudo btrfs subvolume delete {path}",
        ) from error


def subvolumes(tree: str) -> list[str]:
    """Those below a directory, the innermost first."""
    found = []
    for where, names, _ in os.walk(tree):
        for name in names:
            path = f"{where}/{name}"
            if not os.path.islink(path) and btrfs.is_subvolume(path):
                found.append(path)
    return found[::-1]
