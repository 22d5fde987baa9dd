"""Enter H for a launch, so that there is one H however many launches happen at once.

A launch finds H through the init of a live box (which is nested in it) or through another
launch (which is in it), and leaves a mark of its own while it works. For root and in single-id
mode nothing is shared, and nothing is looked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dacha import paths
from dacha.linux import namespaces, process
from dacha.linux.lock import FileLock
from dacha.userns import outer
from dacha.userns.outer import OuterMaps


@contextmanager
def launch(maps: OuterMaps, live_box: Callable[[], int | None]) -> Iterator[None]:
    """Move this process into H for good, and be findable there inside the block.

    `live_box` gives the pid of the init of a box that runs, if there is one.
    """
    if maps.is_initial or maps.is_single:
        outer.enter(maps, None)
        yield
        return
    directory = paths.make_runtime_root() + "/launches"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    mark = f"{directory}/{os.getpid()}"
    with FileLock(f"{directory}/lock"):
        found = _find(directory, live_box)
        outer.enter(maps, found)
        with open(mark, "w") as file:
            file.write(process.start_time(os.getpid()))
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(mark)


def _find(directory: str, live_box: Callable[[], int | None]) -> int | None:
    """An open descriptor of H, or None where nobody is in it."""
    pid = live_box()
    if pid is not None:
        with suppress(OSError):  # it has just died
            box = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            try:
                return namespaces.parent_user_namespace(box)
            finally:
                os.close(box)
    for name in os.listdir(directory):
        if not name.isdigit():
            continue
        with suppress(OSError):
            with open(f"{directory}/{name}") as file:
                start_time = file.read()
            fd = os.open(f"/proc/{name}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            if process.start_time(int(name)) == start_time:
                return fd
            os.close(fd)
            os.unlink(f"{directory}/{name}")  # of a launch that was killed
    return None


def dead() -> list[str]:
    """The marks of launches that were killed."""
    directory = paths.runtime_root() + "/launches"
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.isdigit() and not _is_launching(name, f"{directory}/{name}"):
            found.append(f"{directory}/{name}")
    return found


def sweep() -> None:
    """Delete the marks of launches that were killed."""
    if dead():
        with FileLock(f"{paths.runtime_root()}/launches/lock"):
            for mark in dead():
                with suppress(FileNotFoundError):
                    os.unlink(mark)


def _is_launching(pid: str, mark: str) -> bool:
    try:
        with open(mark) as file:
            text = file.read()
        return not text or process.start_time(int(pid)) == text
    except FileNotFoundError:
        return not os.path.exists(mark)  # else it is the process that is not there
    except ProcessLookupError:
        return False
