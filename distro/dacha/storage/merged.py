"""Walk a stack of layers as the one tree that overlayfs would show, without mounting it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from dacha.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from dacha.storage import marks
from dacha.storage.upper import Item


def walk(layers: Sequence[int], *, has_mark_files: bool = False) -> Iterator[Item]:
    """All that the open layers show, the top one first; a directory before what is in it.

    Descriptors of an item are good until the next one. Raises OSError.
    """
    todo: list[tuple[str, tuple[int, ...]]] = [("", tuple(layers))]
    while todo:
        path, parts = todo.pop()
        with ExitStack() as exits:
            opened = []
            for layer in parts:
                try:
                    fd = openat2(
                        layer,
                        path or ".",
                        os.O_RDONLY | os.O_DIRECTORY,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
                    )
                except FileNotFoundError:  # removed just now, in a box that runs
                    continue
                exits.callback(os.close, fd)
                opened.append((layer, fd))
            if not opened:
                continue
            yield Item(path, "", opened[0][1], os.fstat(opened[0][1]))
            inner = []
            for name, places in sorted(
                _entries(opened, has_mark_files).items(), key=lambda each: os.fsencode(each[0])
            ):
                where = f"{path}/{name}" if path else name
                if len(places) and stat.S_ISDIR(places[0][2].st_mode):
                    inner.append((where, tuple(layer for layer, _, _ in places)))
                elif places:
                    yield Item(where, name, places[0][1], places[0][2])
            todo += reversed(inner)


_Place = tuple[int, int, os.stat_result]  # the layer, its open directory, and what is there


def _entries(opened: list[tuple[int, int]], has_mark_files: bool) -> dict[str, list[_Place]]:
    """For each name in a merged directory where it is: once for a file, in several layers for a directory.

    A name that is nowhere has been removed.
    """
    found: dict[str, list[_Place]] = {}
    closed: set[str] = set()  # what lower layers have of that name does not show
    for layer, fd in opened:
        names = os.listdir(fd)
        if has_mark_files:
            gone = {name.removeprefix(marks.PREFIX) for name in names if name.startswith(marks.PREFIX)}
            names = [name for name in names if not name.startswith(marks.PREFIX)]
        else:
            gone = set()
        for name in names:
            if name in closed:
                continue
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            places = found.setdefault(name, [])
            is_directory = stat.S_ISDIR(status.st_mode)
            if not is_directory:
                closed.add(name)
            if marks.is_whiteout(status) or (places and not is_directory):
                continue
            places.append((layer, fd, status))
            if is_directory and marks.is_opaque(fd, name, has_mark_files=has_mark_files):
                closed.add(name)
        closed |= gone
        if marks.is_opaque(fd, ".", has_mark_files=has_mark_files):
            break
    return found
