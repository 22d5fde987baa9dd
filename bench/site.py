"""A place for everything a measurement makes: a home, stores, settings and a runtime directory of its own.

Nothing of the user's is read or changed, and removing the site removes it all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.programs import Command

_INHERITED = ("LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TZ", "USER", "DBUS_SESSION_BUS_ADDRESS")

# Without this file podman may choose vfs, which copies whole images.
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{data}/containers/storage"
runroot = "{runtime}/containers"
"""
# Where cgroup v2 lacks the pids controller, podman's default limit keeps every container from starting.
_CONTAINERS = """\
[containers]
pids_limit = 0
"""


class Site:
    """Directories, and the environment that leads programs there."""

    def __init__(self, files: Path, runtime: Path) -> None:
        self.files = files
        self.home = files / "home"
        self.data = self.home / ".local/share"
        self.config = self.home / ".config"
        self.runtime = runtime
        for directory in (self.data, self.config / "containers"):
            directory.mkdir(parents=True)
        runtime.mkdir(parents=True, mode=0o700)
        self._link_to_managers()
        for name, text in (("storage.conf", _STORAGE), ("containers.conf", _CONTAINERS)):
            filled = text.format(data=self.data, runtime=runtime)
            (self.config / "containers" / name).write_text(filled)
        self.env: Mapping[str, str] = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.data),
            "XDG_CONFIG_HOME": str(self.config),
            "XDG_RUNTIME_DIR": str(runtime),
        }

    def command(self, *argv: str | Path) -> Command:
        """A command in this site."""
        return Command(tuple(str(word) for word in argv), self.env)

    def inside_namespace(self, *argv: str | Path) -> Command:
        """A command as root of a user namespace with the user's subordinate ids."""
        return self.command("unshare", "--map-root-user", "--map-auto", "--", *argv)

    def remove(self) -> None:
        """Remove all files, also those of subordinate ids, and podman's pause process."""
        for pid_file in self.runtime.glob("**/pause.pid"):
            pid = int(pid_file.read_text() or "0")
            try:
                # The pid may be somebody else's by now; the pause process got our environment.
                is_ours = os.fsencode(self.runtime) in Path(f"/proc/{pid}/environ").read_bytes()
                if is_ours:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        command = self.inside_namespace("rm", "-rf", "--one-file-system", self.files, self.runtime)
        subprocess.run(command.argv, env=command.env, check=False, capture_output=True)
        for directory in (self.files, self.runtime):
            shutil.rmtree(directory, ignore_errors=True)

    def _link_to_managers(self) -> None:
        """Programs look for systemd and the bus in the runtime directory: show them the real ones."""
        real = os.environ.get("XDG_RUNTIME_DIR")
        for name in ("bus", "systemd"):
            if real and Path(real, name).exists():
                (self.runtime / name).symlink_to(Path(real, name))
