"""What is known of a running box: one small file, all that the fast lane reads.

It is written with `marshal`, which is there without an import; it never outlives a boot,
and never leaves the machine. A reader ignores fields that it does not know.
"""

from __future__ import annotations

import marshal
import os

from dacha import paths
from dacha.linux import namespaces, process

_FORMAT = 1


class State:
    """A running box, as its start left it."""

    __slots__ = (
        "cgroup",
        "environment",
        "gid",
        "home",
        "id",
        "name",
        "namespaces",
        "pid",
        "shared",
        "shell",
        "start_time",
        "uid",
        "user",
    )

    id: str
    name: str
    pid: int  # of its init
    start_time: str  # of its init, in clock ticks since boot
    namespaces: int  # CLONE_NEW… flags of exactly the namespaces it owns
    cgroup: str  # its directory, or empty
    user: str
    uid: int
    gid: int
    home: str
    shell: str
    shared: list[str]  # host paths that are the same files in the box
    environment: dict[str, str]  # what every session gets

    def __init__(self, **fields: object) -> None:
        for name in self.__slots__:
            setattr(self, name, fields[name])


def path_of(name: str) -> str:
    """The state file of a box."""
    return paths.box_runtime(name) + "/state"


def write(state: State) -> None:
    """Put the state in place; from then on the box is running."""
    from dacha.linux import files  # which readers, above all the fast lane, have no use for

    fields: dict[str, object] = {name: getattr(state, name) for name in State.__slots__}
    fields["format"] = _FORMAT
    files.replace_file(path_of(state.name), marshal.dumps(fields))


def read(name: str) -> State | None:
    """The state that the last start left, whether the box still runs or not."""
    try:
        with open(path_of(name), "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None  # below /tmp it may be a trap
            fields = marshal.loads(file.read())
        return State(**fields) if fields.get("format") == _FORMAT else None
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError):
        return None


def open_running(name: str) -> tuple[State, int] | None:
    """The state of a box and a pidfd of its live init, or None if it does not run.

    The pidfd is opened before the start time is compared, so it is that process.
    """
    state = read(name)
    if state is None:
        return None
    try:
        pidfd = os.pidfd_open(state.pid)
    except OSError:
        return None
    try:
        if process.start_time(state.pid) == state.start_time:
            return state, pidfd
    except OSError:
        pass
    os.close(pidfd)
    return None


def is_running(name: str) -> bool:
    """Whether the box has a live init."""
    found = open_running(name)
    if found is not None:
        os.close(found[1])
    return found is not None


def forget(name: str) -> None:
    """The box does not run any more."""
    try:
        os.unlink(path_of(name))
    except FileNotFoundError:
        pass


def any_live_pid() -> int | None:
    """The init of some running box: a way into the outer namespace.

    Boxes in single-id mode have an outer namespace of their own, and are passed over.
    """
    try:
        names = os.listdir(paths.runtime_root() + "/boxes")
    except FileNotFoundError:
        return None
    for name in names:
        found = open_running(name)
        if found is None:
            continue
        os.close(found[1])
        try:
            if not namespaces.has_single_id(found[0].pid):
                return found[0].pid
        except OSError:
            pass  # it has just died
    return None
