"""The cgroup v2 tree: where it is, which part of it is ours, and ending all that is in a group.

Sources: Linux' Documentation/admin-guide/cgroup-v2.rst; systemd's CGROUP_DELEGATION.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

ROOT = "/sys/fs/cgroup"
HYBRID = "/sys/fs/cgroup/unified"


def tree() -> str:
    """Where the unified hierarchy is mounted, or an empty string if nowhere.

    On a hybrid machine it stands beside the version 1 controllers.
    """
    for path in (ROOT, HYBRID):
        if os.path.exists(path + "/cgroup.procs"):
            return path
    return ""


def own_path() -> str:
    """The cgroup of this process, relative to the tree; '/' where there is none."""
    with open("/proc/self/cgroup") as file:
        for line in file:
            if line.startswith("0::"):
                return line[3:].rstrip("\n")
    return "/"


def delegated_path() -> str:
    """The topmost cgroup above this process that it may make children in; empty if there is none."""
    base = tree()
    found = ""
    path = own_path()
    while base:
        directory = base + path
        if os.access(directory, os.W_OK) and os.access(directory.rstrip("/") + "/cgroup.procs", os.W_OK):
            found = path
        elif found:
            break
        if path == "/":
            break
        path = os.path.dirname(path)
    return found


def move_to_child(directory: str, name: str) -> None:
    """Move this process from a cgroup of ours into a new child of it.

    It costs 5 to 15 ms on an idle machine.
    """
    child = f"{directory}/{name}"
    os.mkdir(child)
    with open(f"{child}/cgroup.procs", "w") as file:
        file.write("0")


def may_have_domains(directory: str) -> bool:
    """Whether children of a cgroup stay what processes may be moved into once its controllers are enabled.

    A cgroup with processes then becomes a thread root, and its children invalid ("Threads" in
    cgroup-v2.rst). The root of the tree, which has no type, is the exception.
    """
    if not os.path.exists(f"{directory}/cgroup.type"):
        return True
    with open(f"{directory}/cgroup.controllers") as file:
        if not file.read().strip():
            return True
    with open(f"{directory}/cgroup.procs") as file:
        return not file.read()


def kill(directory: str) -> None:
    """Kill every process in a cgroup and below it; one that is gone already is fine."""
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(directory + "/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"1")
        finally:
            os.close(fd)


def kill_parts(directory: str, *, spared: str) -> None:
    """Kill every process in the cgroups below one, except in the one named `spared`.

    Processes in the cgroup itself are left: it is for its parts.
    """
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False) and entry.name != spared:
                kill(entry.path)


def is_populated(directory: str) -> bool:
    """Whether a live process is in a cgroup or below it."""
    try:
        with open(directory + "/cgroup.events") as file:
            return "populated 1" in file.read()
    except OSError:
        return False


def wait_until_empty(directory: str, timeout_s: float) -> bool:
    """Wait for the end of all processes in a cgroup; False if the time ran out."""
    try:
        fd = os.open(directory + "/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        end = time.monotonic() + timeout_s
        while is_populated(directory):
            left = end - time.monotonic()
            if left <= 0:
                return False
            poll.poll(min(left, 0.25) * 1000)
            os.lseek(fd, 0, os.SEEK_SET)
            os.read(fd, 256)
    finally:
        os.close(fd)
    return True


def remove(directory: str) -> None:
    """Remove a cgroup without processes, and the ones below it. One that is gone already is fine."""
    for where, _, _ in os.walk(directory, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(where)
