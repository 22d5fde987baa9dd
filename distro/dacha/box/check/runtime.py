"""What does not outlive a boot: state files, crun's state, cgroups, locks and marks of launches.

Whoever starts, stops or removes a box holds its lock; such a box is passed over. Several stores
may share a runtime directory, so what belongs to a box that is not ours is a leftover only if
nothing of it lives.
"""

from __future__ import annotations

import json
import os

from dacha import paths
from dacha.box import stop
from dacha.box.check.boxes import Row
from dacha.box.placement import delegated_directory
from dacha.box.start import lock_box
from dacha.engine import crun, state
from dacha.linux import process
from dacha.linux.lock import try_lock_file
from dacha.storage.check.base import Finding, Repair, mendable
from dacha.userns import launcher

_HARMLESS = "nothing: the next start clears it away"
_LOCK = "box-"


def examine(boxes: list[Row]) -> list[Finding]:
    """All that is left of what does not run any more."""
    by_name = {box.name: box for box in boxes}
    found = [finding for box in boxes if (finding := _examine_box(box)) is not None]
    found += [_stranger(name) for name in _listing("boxes") if name not in by_name and _is_dead(name)]
    ids = {box.id for box in boxes}
    found += [_container(each) for each in _listing("crun") if each not in ids and not _is_alive(each)]
    found += _launches()
    for entry in _listing("locks"):
        if entry.startswith(_LOCK) and entry.removeprefix(_LOCK) not in by_name and not _is_held(entry):
            found.append(_lock(entry))
    return found


def _listing(kind: str) -> list[str]:
    try:
        return sorted(os.listdir(f"{paths.runtime_root()}/{kind}"))
    except FileNotFoundError:
        return []


def _is_held(entry: str) -> bool:
    """Whether somebody is at work on it; where there is no lock, nobody is."""
    path = f"{paths.runtime_root()}/locks/{entry}"
    lock = try_lock_file(path)
    if lock is None:
        return os.path.exists(path)
    lock.release()
    return False


def _examine_box(box: Row) -> Finding | None:
    if state.is_running(box.name) or _is_held(_LOCK + box.name):
        return None
    cgroup = delegated_directory(box.name, box.id)
    left = [
        what
        for path, what in (
            (paths.box_runtime(box.name), "a state file"),
            (f"{paths.runtime_root()}/crun/{box.id}", "crun's state"),
            (cgroup, "a cgroup"),
        )
        if path and os.path.isdir(path)
    ]
    if not left:
        return None
    what = f"does not run, and has left {', '.join(left)}"

    def apply() -> list[str]:
        with lock_box(box.name):
            if not state.is_running(box.name):
                stop.stop_locked(box.id, box.name, grace_s=0)
        return []

    return mendable("leftover-runtime", f"box {box.name}", what, _HARMLESS, Repair("cleared away", apply))


def _is_dead(name: str) -> bool:
    return not state.is_running(name) and not _is_held(_LOCK + name)


def _stranger(name: str) -> Finding:
    """The runtime directory of a box that there is not."""

    def apply() -> list[str]:
        with lock_box(name) as lock:
            left = state.read(name)
            if not state.is_running(name):
                stop.stop_locked(left.id if left is not None else "", name, grace_s=0)
            os.unlink(lock.path)
        return []

    where = paths.box_runtime(name)
    return mendable("leftover-runtime", where, "there is no such box", _HARMLESS, Repair("deleted", apply))


def _is_alive(container: str) -> bool:
    """Whether the init that crun remembers lives, as far as that can be told."""
    try:
        with open(f"{paths.runtime_root()}/crun/{container}/status") as file:
            status = json.load(file)
        return process.start_time(int(status["pid"])) == str(status["process-start-time"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _container(container: str) -> Finding:
    def apply() -> list[str]:
        if not _is_alive(container):
            crun.delete(container)
        return []

    where = f"{paths.runtime_root()}/crun/{container}"
    return mendable("leftover-runtime", where, "there is no such box", _HARMLESS, Repair("deleted", apply))


def _launches() -> list[Finding]:
    """Marks of launches that were killed; the sweep deletes them, which comes after all repairs."""
    what = "is the mark of a launch that is dead"
    cost = "nothing: the next command that removes something deletes it"
    return [
        mendable("leftover-runtime", mark, what, cost, Repair("deleted", list)) for mark in launcher.dead()
    ]


def _lock(entry: str) -> Finding:
    path = f"{paths.runtime_root()}/locks/{entry}"

    def apply() -> list[str]:
        lock = try_lock_file(path)
        if lock is not None:
            os.unlink(path)
            lock.release()
        return []

    return mendable("leftover-runtime", path, "there is no such box", _HARMLESS, Repair("deleted", apply))
