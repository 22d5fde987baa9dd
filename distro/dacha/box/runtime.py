"""A box's runtime directory: what is only there while it runs."""

from __future__ import annotations

import contextlib
import os

from dacha import paths


def remove_runtime(name: str) -> None:
    """Remove it: flat files and empty places for mounts. None is fine."""
    directory = paths.box_runtime(name)
    for entry in os.scandir(directory) if os.path.isdir(directory) else ():
        if entry.is_dir(follow_symlinks=False):
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(directory)
