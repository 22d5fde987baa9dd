"""Hosts with defects, for tests of the doctor: files below a directory, and answers that are given.

host = HostMaker(tmp_path)
host.write("/proc/sys/user/max_user_namespaces", "0")
host.answers.trials["user namespace"] = refused("Operation not permitted")
host.find(kernel.CHECKS, "user namespaces").status == "fail"
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dacha.box.doctor.base import Check, Finding
from dacha.box.doctor.host import Host, Place, Program, Trial
from dacha.box.doctor.patient import Patient
from dacha.linux.account import Account
from dacha.linux.sockets import Reply

ALEX = Account("alex", 1000, 1000, "alex", "Alex A.", "/home/alex", "/bin/bash")
ROOT = Account("root", 0, 0, "root", "root", "/root", "/bin/bash")
WORKS = Trial(True)
NOT_REACHED = Trial(False)
_TRIALS = (
    *(
        "user namespace",
        "own id",
        "mount",
        "proc",
        "binfmt_misc",
        "cgroup",
        "directory",
        "maps",
        "chown",
        "overlay",
    ),
    *("d_type", "xattr", "reflink", "/dev/fuse", "/dev/net/tun", "box upper", "box shell"),
)
_PROGRAMS = {
    "crun": "crun version 1.8.1\ncommit: f8a0\n",
    "conmon": "conmon version 2.1.6\n",
    "pasta": "pasta 0.0~git20230309\n",
    "slirp4netns": "slirp4netns version 1.2.0\n",
    "catatonit": "tini version 0.1.7_catatonit\n",
    "fuse-overlayfs": "fusermount3 version: 3.14.0\nfuse-overlayfs: version 1.10\n",
    "tar": "tar (GNU tar) 1.34\n",
    "mmdebstrap": "mmdebstrap 1.3.5\n",
    "qemu-aarch64-static": "",
    "qemu-x86_64-static": "",
    "newuidmap": "",
    "newgidmap": "",
    "usermod": "",
}
MOUNTINFO = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /run/user/1000 rw,nosuid,nodev shared:2 - tmpfs tmpfs rw,mode=700
"""
_STATUS = "Name:\tpython\nNoNewPrivs:\t0\nSeccomp:\t0\n"


def refused(text: str) -> Trial:
    """A trial that the kernel did not let us do."""
    return Trial(True, text)


def place(path: str, **changes: object) -> Place:
    """A directory as it should be."""
    return Place(
        path=path,
        real=path,
        exists=True,
        is_directory=True,
        owner=1000,
        mode=0o700,
        is_writable=True,
        flags=0,
        free_bytes=50 << 30,
        size_bytes=100 << 30,
        free_inodes=1 << 20,
        inodes=1 << 22,
    )._replace(**changes)  # type: ignore[arg-type]  # a test knows the fields


class GivenAnswers:
    """Answers that a test may change; without changes all is as it should be."""

    def __init__(self) -> None:
        self.trials = dict.fromkeys(_TRIALS, WORKS)
        self.places: dict[str, Place | None] = {
            "store": place("/home/alex/store"),
            "home": place("/home/alex"),
            "runtime": place("/run/user/1000/dacha"),
        }
        self.programs: dict[str, Program] = {
            name: Program(f"/usr/bin/{name}", output, is_setuid_root=name.startswith("new"))
            for name, output in _PROGRAMS.items()
        }
        self.replies: dict[str, Reply] = {}
        self.asked: list[str] = []

    def trial(self, name: str) -> Trial:
        """What the test has said, else that it works."""
        self.asked.append(name)
        return self.trials[name]

    def place(self, name: str) -> Place | None:
        """What the test has said, else one as it should be."""
        return self.places[name]

    def program(self, name: str) -> Program | None:
        """What the test has said, else one as Debian has it."""
        return self.programs.get(name)

    def reply(self, address: str, *, speaks: str = "") -> Reply:
        """What the test has said, else that nobody is there."""
        assert speaks in ("", "dbus", "ssh-agent", "gpg-agent")
        return self.replies.get(address, Reply("No such file or directory"))


class HostMaker:
    """A host whose files are below `base`: a Debian in good order, until the test spoils it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.answers = GivenAnswers()
        self.environment = {"XDG_RUNTIME_DIR": "/run/user/1000", "PATH": "/usr/bin"}
        self.account = ALEX
        self.store = "/home/alex/store"
        self.kernel = "6.1.0-25-amd64"
        self.patient: Patient | None = None
        self.account_error = ""
        for path, text in {
            "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
            "/etc/subuid": "alex:100000:65536\n",
            "/etc/subgid": "alex:100000:65536\n",
            "/proc/self/mountinfo": MOUNTINFO,
            "/proc/self/status": _STATUS,
            "/proc/sys/user/max_user_namespaces": "63000\n",
            "/proc/sys/fs/inotify/max_user_watches": "524288\n",
            "/proc/sys/fs/inotify/max_user_instances": "1024\n",
        }.items():
            self.write(path, text)

    def write(self, path: str, text: str = "") -> None:
        """Put a file there."""
        file = self.base / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def remove(self, path: str) -> None:
        """Take a file away."""
        (self.base / path.lstrip("/")).unlink()

    def make(self) -> Host:
        """The host as it is now."""
        return Host(
            environment=self.environment,
            account=self.account,
            account_error=self.account_error,
            store=self.store,
            runtime="/run/user/1000/dacha",
            answers=self.answers,
            root=os.fspath(self.base),
            kernel=self.kernel,
            patient=self.patient,
        )

    def find(self, checks: Iterable[Check], name: str) -> Finding:
        """What the check of that name finds."""
        (check,) = [check for check in checks if check.name == name]
        return check.find(self.make())
