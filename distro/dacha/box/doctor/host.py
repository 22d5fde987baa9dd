"""The host as checks see it: its files, its environment, and the answers to what was tried on it.

Checks are functions of a Host. All that takes time or does something is behind `Answers`:
`probes` has the real ones, and tests have their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from dacha.box.doctor.distribution import Distribution
from dacha.linux import mountinfo
from dacha.linux.account import Account
from dacha.linux.mountinfo import MountPoint
from dacha.linux.sockets import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:  # it costs the import of sqlite3
    from dacha.box.doctor.patient import Patient


class Trial(NamedTuple):
    """What came of something that was tried."""

    was_done: bool  # False: it was not reached, or not over in time
    error: str = ""
    value: str = ""

    @property
    def works(self) -> bool:
        """Whether it was done, and without an error."""
        return self.was_done and not self.error

    @property
    def reason(self) -> str:
        """Why it does not work."""
        return self.error or "could not be tried"


class Place(NamedTuple):
    """A directory; where it does not exist, the one above it that does."""

    path: str
    real: str  # without links
    exists: bool
    is_directory: bool
    owner: int
    mode: int
    is_writable: bool
    flags: int  # ST_… of statvfs(3)
    free_bytes: int
    size_bytes: int
    free_inodes: int
    inodes: int  # 0: the file system has no number of them
    closed_at: str = ""  # a directory on the way whose group is not the user's, and which is closed to others


class Program(NamedTuple):
    """A program that was found in PATH."""

    path: str
    output: str  # of --version
    exit_code: int | None = 0  # of that; None: it does not end
    is_setuid_root: bool = False
    capabilities: int = 0  # of its file, as bits
    is_on_nosuid: bool = False


class Answers(Protocol):
    """What was tried on the host. Nothing here raises, and nothing takes long."""

    def trial(self, name: str) -> Trial:
        """Something that the kernel may or may not let us do."""

    def place(self, name: str) -> Place | None:
        """'store', 'home' or 'runtime'; None if it does not answer."""

    def program(self, name: str) -> Program | None:
        """A program, or None where there is none of that name."""

    def reply(self, address: str, *, speaks: str = "") -> Reply:
        """Who listens at a socket; `speaks` is the protocol in which an answer is waited for."""


class Host:
    """A host, and who asks. `root` is where its files are."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        account: Account,
        store: str,
        runtime: str,
        answers: Answers,
        root: str = "",
        kernel: str = "",
        account_error: str = "",
        patient: Patient | None = None,
    ) -> None:
        self.environment = environment
        self.account = account
        self.account_error = account_error  # why the account is made up
        self.store = store
        self.runtime = runtime
        self.answers = answers
        self.kernel = kernel or os.uname().release
        self.patient = patient
        self._root = root
        self._mounts: list[MountPoint] | None = None
        self.is_root = account.uid == 0  # whose boxes have no user namespace
        self.distribution = Distribution(
            self.read("/etc/os-release") or self.read("/usr/lib/os-release") or "",
            sudo=self.sudo(""),
            is_ostree=self.exists("/run/ostree-booted"),
        )

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs the machine: sd_booted(3)."""
        return self.exists("/run/systemd/system")

    @property
    def mounts(self) -> list[MountPoint]:
        """What is mounted, as this process sees it."""
        if self._mounts is None:
            self._mounts = mountinfo.parse(self.read("/proc/self/mountinfo") or "")
        return self._mounts

    def mount_of(self, place: Place) -> MountPoint | None:
        """The mount that a place lies on."""
        return mountinfo.holding(self.mounts, place.real)

    @property
    def runtime_directory(self) -> str:
        """$XDG_RUNTIME_DIR, or where it would be."""
        return self.environment.get("XDG_RUNTIME_DIR") or f"/run/user/{self.account.uid}"

    def path(self, path: str) -> str:
        """Where a file of the host is."""
        return self._root + path

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return os.path.lexists(self.path(path))

    def read(self, path: str) -> str | None:
        """What is in a file, or None if it cannot be read."""
        try:
            with open(self.path(path), encoding="utf-8", errors="surrogateescape") as file:
                return file.read(1 << 20)
        except OSError:
            return None

    def listing(self, directory: str) -> list[str]:
        """The names in a directory; none where there is none."""
        try:
            return sorted(os.listdir(self.path(directory)))
        except OSError:
            return []

    def sysctl(self, name: str) -> int | None:
        """A number of the kernel's, or None if this kernel has no such thing."""
        text = (self.read(f"/proc/sys/{name.replace('.', '/')}") or "").strip()
        return int(text) if text.lstrip("-").isdecimal() else None

    def process_status(self, field: str) -> str:
        """A field of /proc/self/status."""
        for line in (self.read("/proc/self/status") or "").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value.strip()
        return ""

    def sudo(self, command: str) -> str:
        """A command for root."""
        return command if self.is_root else f"sudo {command}"

    def set_sysctl(self, name: str, value: int) -> str:
        """The command that sets a number of the kernel's, now and at every boot."""
        file, now = self.sudo("tee -a /etc/sysctl.d/60-dacha.conf"), self.sudo(f"sysctl -w {name}={value}")
        return f"echo {name}={value} | {file} && {now}"
