"""Places where things grow before they count.

A staging directory is locked by the process that fills it. When it is done its contents
are renamed to where they belong; if the process dies, the kernel lets the lock go, and
whoever comes next sweeps the directory away.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from dacha import paths
from dacha.linux import lock


def _base() -> str:
    path = paths.data_root() + "/staging"
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


@contextlib.contextmanager
def staging_directory(kind: str, remove: Callable[[str], None]) -> Iterator[str]:
    """A new directory, held by this process; what is left of it at the end goes through `remove`."""
    base = _base()
    while True:
        path = f"{base}/{kind}-{os.getpid()}-{os.urandom(4).hex()}"
        os.mkdir(path, 0o700)
        try:
            fd = lock.try_lock_directory(path)
        except FileNotFoundError:
            continue  # a sweep was between our mkdir and our lock
        if fd is not None:
            break
    try:
        yield path
    finally:
        try:
            try:
                os.rmdir(path)  # if nothing was made in it, this needs no H either
            except FileNotFoundError:
                pass
            except OSError:
                remove(path)
        finally:
            os.close(fd)


def move_to_trash(path: str) -> str:
    """Take a directory out of use in one step; the next sweep deletes it. Returns where it is now."""
    trash = f"{_base()}/trash-{os.getpid()}-{os.urandom(4).hex()}"
    os.rename(path, trash)
    return trash


def sweep(remove: Callable[[list[str]], None]) -> None:
    """Delete what dead processes have left behind, and the trash."""
    base = _base()
    stale, held = [], []
    for entry in os.listdir(base):
        path = f"{base}/{entry}"
        try:
            fd = lock.try_lock_directory(path)
        except OSError:
            continue
        if fd is not None:
            held.append(fd)
            stale.append(path)
    try:
        if stale:
            remove(stale)
    finally:
        for fd in held:
            os.close(fd)
