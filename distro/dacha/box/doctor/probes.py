"""The real answers: everything is started at once, and has one common end."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable

from dacha.box.doctor import trials
from dacha.box.doctor.host import Place, Program, Trial
from dacha.errors import DachaError
from dacha.linux import process, sockets
from dacha.linux.account import Account
from dacha.linux.probe import Answer, Probe, Steps, start_program, start_steps, steps_of
from dacha.linux.sockets import Reply
from dacha.userns import outer, single
from dacha.userns.outer import OuterMaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dacha.box.doctor.patient import Patient

TIMEOUT_S = 1.2  # of everything together
_PROGRAMS = (
    "crun",
    "conmon",
    "pasta",
    "slirp4netns",
    "catatonit",
    "fuse-overlayfs",
    "tar",
    "mmdebstrap",
)
_IN_NAMESPACES = ("user namespace", "own id", "mount", "proc", "binfmt_misc")
# What makes the other end answer; gpg-agent speaks first.
_GREETINGS = {
    "dbus": b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n",
    "ssh-agent": b"\0\0\0\1\x0b",  # SSH_AGENTC_REQUEST_IDENTITIES of draft-miller-ssh-agent
}
_CAP_WORDS = 4  # where the permitted capabilities begin in a vfs_cap_data (linux/capability.h)


class LiveAnswers:
    """Answers of the host that this runs on."""

    def __init__(self, account: Account, store: str, runtime: str, timeout_s: float = TIMEOUT_S) -> None:
        self._account = account
        self._store = store
        self._runtime = runtime
        self.patient: Patient | None = None
        self._deadline = time.monotonic() + timeout_s
        self._steps: dict[str, Probe] = {}
        self._found: dict[str, dict[str, object]] = {}
        self._versions: dict[str, Probe] = {}

    def start(self) -> None:
        """Start all that takes time; without it, each begins when somebody asks for it."""
        # Programs first: one of them takes longer than all others.
        for name in reversed(_PROGRAMS):
            self._start_version(name)
        for kind in ("namespaces", "store", "places"):
            self._start_steps(kind)

    def trial(self, name: str) -> Trial:
        """Something that the kernel may or may not let us do."""
        if name == "cgroup":
            try:
                return Trial(True, value=trials.try_cgroup())
            except OSError as error:
                return Trial(True, error.strerror or str(error))
        if name.startswith("/dev/"):
            return _open(name)
        kind = "namespaces" if name in _IN_NAMESPACES else "store"
        step = self._steps_of(kind).get(name)
        if not isinstance(step, tuple):
            return Trial(False)
        return Trial(True, *step)

    def place(self, name: str) -> Place | None:
        """'store', 'home' or 'runtime'; None if it does not answer."""
        found = self._steps_of("places").get(name)
        return Place(*found) if isinstance(found, tuple) else None

    def program(self, name: str) -> Program | None:
        """A program, or None where there is none of that name."""
        try:
            path = process.find_program(name)
        except DachaError:
            return None
        answer = Answer(b"", 0)
        if name in _PROGRAMS:
            self._start_version(name)
            if name in self._versions:
                answer = self._versions[name].wait()
        return _with_rights(path, answer)

    def reply(self, address: str, *, speaks: str = "") -> Reply:
        """Who listens at a socket; `speaks` is the protocol in which an answer is waited for."""
        left_s = max(0.01, min(0.5, self._deadline - time.monotonic()))
        greeting = _GREETINGS.get(speaks, b"")
        return sockets.ask(_address(address), greeting, wants_reply=bool(speaks), timeout_s=left_s)

    def _start_version(self, name: str) -> None:
        if name in self._versions:
            return
        try:
            self._versions[name] = start_program([process.find_program(name), "--version"], self._deadline)
        except (DachaError, OSError):
            return

    def _start_steps(self, kind: str) -> None:
        if kind not in self._steps:
            self._steps[kind] = start_steps(self._task(kind), self._deadline)

    def _steps_of(self, kind: str) -> dict[str, object]:
        if kind not in self._found:
            self._start_steps(kind)
            self._found[kind] = steps_of(self._steps[kind].wait())
        return self._found[kind]

    def _task(self, kind: str) -> Callable[[], Steps]:
        if kind == "namespaces":
            return trials.try_namespaces
        if kind == "places":
            places = {"runtime": self._runtime, "home": self._account.home, "store": self._store}
            return lambda: look_at_places(places)
        maps: OuterMaps | None
        try:
            maps = self._maps()
        except (DachaError, OSError):
            maps = None
        return lambda: trials.try_store(self._store, maps, self.patient.steps if self.patient else None)

    def _maps(self) -> OuterMaps:
        """Those of the box, if one is looked at, or of the next one. Raises DachaError."""
        box = self.patient.box if self.patient else None
        if box is not None:
            return outer.outer_maps(self._account, is_single=box.is_single)
        return single.choose(self._account).maps


def look_at_places(places: dict[str, str]) -> Steps:
    """What there is to know of each; a file server that is gone may hold it up for ever."""
    for name, path in places.items():
        yield name, _look_at(path)


def _look_at(path: str) -> tuple[object, ...]:
    existing = path
    while not os.path.exists(existing) and existing != "/":
        existing = os.path.dirname(existing)
    status = os.stat(existing)
    system = os.statvfs(existing)
    return (
        path,
        os.path.realpath(existing),
        existing == path,
        stat.S_ISDIR(status.st_mode),
        status.st_uid,
        stat.S_IMODE(status.st_mode),
        os.access(existing, os.W_OK),
        system.f_flag,
        system.f_bavail * system.f_frsize,
        system.f_blocks * system.f_frsize,
        system.f_favail,
        system.f_files,
        _closed_at(existing),
    )


def _closed_at(path: str) -> str:
    """Where a box's root cannot pass: its rights end at groups that are not in its namespace."""
    path = os.path.realpath(path)
    while path != "/":
        status = os.stat(path)
        if not status.st_mode & stat.S_IXOTH and status.st_gid != os.getgid():
            return path
        path = os.path.dirname(path)
    return ""


def _open(path: str) -> Trial:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return Trial(True, error.strerror or str(error))
    return Trial(True)


def _with_rights(path: str, answer: Answer) -> Program:
    status = os.stat(path)
    try:
        capability = os.getxattr(path, "security.capability")
    except OSError:
        capability = b""
    return Program(
        path,
        answer.output.decode(errors="replace"),
        answer.exit_code,
        is_setuid_root=bool(status.st_mode & stat.S_ISUID) and status.st_uid == 0,
        capabilities=int.from_bytes(capability[_CAP_WORDS : _CAP_WORDS + 4], "little"),
        is_on_nosuid=bool(os.statvfs(path).f_flag & os.ST_NOSUID),
    )


def _address(text: str) -> sockets.Address:
    """A path, '@name' for an abstract one, or 'tcp:PORT' of this machine."""
    if text.startswith("tcp:"):
        return "127.0.0.1", int(text[4:])
    return "\0" + text[1:] if text.startswith("@") else text
