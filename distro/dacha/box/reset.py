"""Remove an installation: boxes, images, the store and what runs of it. Homes are not in it."""

from __future__ import annotations

import contextlib
import os

from dacha import paths
from dacha.box import remove, stop
from dacha.box.start import lock_box
from dacha.engine import state
from dacha.errors import DachaError
from dacha.linux import process


def reset() -> None:
    """Stop what runs of this store, and delete all of it. Asks the database nothing: it may be damaged.

    Raises DachaError where a box does not stop or something cannot be deleted; doing it again
    goes on with the rest.
    """
    root = paths.data_root()
    _stop_all(root)
    # What drivers have made goes with what it was made for, so that comes before the rest.
    for directory in (f"{root}/boxes", f"{root}/flat", f"{root}/staging", root):
        if os.path.isdir(directory) and (names := os.listdir(directory)):
            remove.delete_trees([f"{directory}/{name}" for name in names])
    with contextlib.suppress(OSError):  # it may be a mount, or in a directory of somebody else's
        os.rmdir(root)
    if not _boxes():
        process.remove_tree(*_runtime_trees())


def _boxes() -> list[str]:
    try:
        return os.listdir(paths.runtime_root() + "/boxes")
    except FileNotFoundError:
        return []


def _stop_all(root: str) -> None:
    """Stop the boxes of this store; another one may have the same runtime directory."""
    for name in _boxes():
        left = state.read(name)
        if state.is_running(name) and not _is_here(name, root):
            continue
        with lock_box(name):
            stop.stop_locked(left.id if left is not None else "", name, grace_s=0)
    if any(state.is_running(name) and _is_here(name, root) for name in _boxes()):
        raise DachaError("a box was started meanwhile", hint="do it again")


def _is_here(name: str, root: str) -> bool:
    left = state.read(name)
    return left is not None and os.path.isdir(f"{root}/boxes/{left.id}")


def _runtime_trees() -> list[str]:
    """What is in the runtime directory; with root it is shared with nobody, and stays."""
    try:
        return [f"{paths.runtime_root()}/{name}" for name in os.listdir(paths.runtime_root())]
    except FileNotFoundError:
        return []
