"""A box's place in the cgroup tree.

    TOP/dacha-NAME         the box's, and the user's to write: sessions are born beside…
    TOP/dacha-NAME/init    …the init, whose cgroup crun gives to the box's root
    TOP/dacha-NAME/s-PID   a session
    TOP/dacha-NAME/storage what serves the box's files, where the kernel alone does not

Below a TOP that is not the box's alone the name has the box's id too: other installations
of the same user (other stores, tests) may have a box of that name there.

TOP is a transient scope where systemd runs (nobody but root may move a process from a login
session into a cgroup of the user's manager, so the launch moves there first), else the
topmost cgroup that is delegated to us. Where there is neither, the box has no place. The launch
goes on into TOP/launch: crun enables the controllers of TOP, which must have no process then.
"""

from __future__ import annotations

import os

from dacha.linux import cgroup, systemd
from dacha.linux.systemd import PendingScope

STORAGE = "storage"


def delegated_directory(name: str, box: str) -> str:
    """Where a box has its cgroup when it is not in a scope of its own; empty where nothing is delegated."""
    top = cgroup.delegated_path()
    return f"{cgroup.tree()}{top.rstrip('/')}/dacha-{name}-{box}" if top else ""


class Placement:
    """Asked for at once, ready when `make` returns: systemd takes 12 ms, in which a launch can mount."""

    def __init__(self, name: str, box: str) -> None:
        self.path = ""  # of the box, in the tree
        self.directory = ""  # of the box, as the host sees it
        self._name = f"dacha-{name}"
        self._box = box
        self._tree = cgroup.tree()
        self._scope: PendingScope | None = None
        if self._tree and systemd.has_manager():
            unit = f"{self._name}-{os.getpid()}.scope"
            self._scope = systemd.request_scope(unit, os.getpid(), description=f"dacha box {name}")

    def make(self) -> None:
        """Make the box's cgroup, where there is a place for it. Raises SystemdError and OSError."""
        if self._scope is not None:
            self._scope.wait()
            top = cgroup.own_path()
            cgroup.move_to_child(cgroup.tree() + top, "launch")
        else:
            top = cgroup.delegated_path()
            self._name += f"-{self._box}"
        if not top or not cgroup.may_have_domains(cgroup.tree() + top):
            return
        self.path = f"{top.rstrip('/')}/{self._name}"
        self.directory = self._tree + self.path
        if os.path.isdir(self._here):  # of a box whose state is lost
            self.remove()
        os.mkdir(self._here)

    @property
    def _here(self) -> str:
        """The box's cgroup as the launch sees it: on a hybrid machine it has moved the tree for crun."""
        return cgroup.tree() + self.path

    @property
    def init(self) -> str:
        """Where crun shall put the init, in the tree; empty for nowhere."""
        return f"{self.path}/init" if self.path else ""

    def make_part(self, name: str) -> str:
        """Make a cgroup in the box's, and return its directory; empty where the box has no place."""
        if not self.path:
            return ""
        directory = f"{self._here}/{name}"
        os.mkdir(directory)
        return directory

    def remove(self) -> None:
        """Kill what is in it, and take it away."""
        if self.path:
            cgroup.kill(self._here)
            cgroup.wait_until_empty(self._here, 2.0)
            cgroup.remove(self._here)
