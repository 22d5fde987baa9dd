"""A visit to a host: `dacha` as its user would call it, check after check.

This runs in the host, as its user, on nothing but Python and pexpect.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pexpect

from dacha import paths
from dacha.linux import cgroup

REPOSITORY = Path(__file__).parents[2]
DACHA = ["/usr/bin/python3", "-ISB", f"{REPOSITORY}/distro/dacha/__main__.py"]
WORKS, REFUSED, WRONG, UNTRIED = "works", "refused", "wrong", "untried"
# The only words of a box's own that the host's processes show.
_MARKS = (b"/run/dacha/catatonit\0", b"crun\0")


class Plan(NamedTuple):
    """What is to be done in a host."""

    archive: str  # of the image
    checks: tuple[str, ...]
    environment: dict[str, str | None]  # changes to it; None takes a variable away
    umask: int
    doctor: tuple[str, str]  # the status of a line, and its "subject, name"; or two empty strings
    keeps: bool  # the box is left there, stopped
    box: str  # the box that is there already, or an empty string


class Outcome(NamedTuple):
    """What came of a check."""

    status: str  # one of the four above
    said: str = ""  # doctor's line, or what went wrong


class RefusedError(Exception):
    """dacha ended with 125 and the line of the doctor that is this error's text."""


class Visit:
    """The host from inside."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.home = Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
        self.box = plan.box
        self.ids: list[str] = []  # of boxes that were made here

    def dacha(self, *words: str, stdin: bytes = b"", code: int = 0) -> bytes:
        """Run `dacha WORDS`, which shall end with `code`; its output.

        Raises RefusedError where it says, as it must then, what of the host keeps it from it.
        """
        done = subprocess.run([*DACHA, *words], input=stdin, capture_output=True, check=False, timeout=240)
        errors = done.stderr.decode(errors="replace")
        told = [line for line in errors.splitlines() if line.startswith("doctor: ")]
        if done.returncode == 125 != code and told:
            assert "Traceback" not in errors, errors
            assert errors.count("\nhint: ") == 1, f"one hint: {errors}"
            raise RefusedError(": ".join(told[0].split(": ")[1:2]))
        assert done.returncode == code, f"dacha {' '.join(words)}: exit code {done.returncode}: {errors}"
        return done.stdout

    def in_box(self, command: str, *, stdin: bytes = b"", code: int = 0) -> bytes:
        """Run a shell command in the box."""
        return self.dacha("run", self.box, "--", "sh", "-c", command, stdin=stdin, code=code)

    def spawn(self, *words: str) -> pexpect.spawn[str]:
        """Start `dacha WORDS` on a terminal."""
        return pexpect.spawn(DACHA[0], [*DACHA[1:], *words], timeout=30, encoding="utf-8")

    def details(self) -> Any:
        """What `dacha inspect` tells of the box."""
        return json.loads(self.dacha("inspect", self.box))[0]

    def status(self) -> str:
        """What `dacha list` tells of the box."""
        listed = json.loads(self.dacha("list", "--json"))
        return str(next(each["status"] for each in listed if each["name"] == self.box))

    def remains(self) -> list[str]:
        """All that boxes are while they run, and all of them and of images in the store, sorted."""
        found = [*self._mounts(), *self._processes(), *self._cgroups(), *self._runtime(), *self._stored()]
        return sorted(found)

    def _mounts(self) -> Iterator[str]:
        places = (paths.data_root(), paths.runtime_root())
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            target = line.split()[4]
            if target.startswith(tuple(f"{place}/" for place in places)):
                yield f"mount: {target}"

    def _processes(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                is_alive = b") Z " not in (process / "stat").read_bytes()
            except OSError:
                continue
            if is_alive and command.startswith(_MARKS):
                yield f"process: {command!r}"

    def _cgroups(self) -> Iterator[str]:
        tree = cgroup.tree()
        for _, directories, _ in os.walk(tree) if tree else ():
            for name in directories:
                # The tree is the whole machine's: others may have boxes in it.
                if any(box in name for box in self.ids) or name.startswith(f"dacha-{self.box}.scope"):
                    yield f"cgroup: {name}"

    def _runtime(self) -> Iterator[str]:
        for kind in ("boxes", "crun", "launches"):
            directory = Path(paths.runtime_root(), kind)
            for path in directory.iterdir() if os.access(directory, os.R_OK | os.X_OK) else ():
                if path.name != "lock":
                    yield f"runtime: {kind}/{path.name}"

    def _stored(self) -> Iterator[str]:
        for kind in ("boxes", "layers", "staging"):
            directory = Path(paths.data_root(), kind)
            for path in directory.iterdir() if os.access(directory, os.R_OK | os.X_OK) else ():
                yield f"store: {kind}/{path.name}"

    def power_cut(self) -> None:
        """End all that runs in the box as a power cut does: nobody is told."""
        pid = self.details()["pid"]
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        assert wait_for(lambda: not list(self._processes())), "the box outlives its init"


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> bool:
    """Wait until `condition` holds; whether it does in the end."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _carry_out(visit: Visit, check: Callable[[Visit], None]) -> Outcome:
    before = visit.remains()
    try:
        check(visit)
    except RefusedError as refusal:
        # What is killed takes a moment to go.
        if wait_for(lambda: visit.remains() == before, 5):
            return Outcome(REFUSED, str(refusal))
        new = sorted(set(visit.remains()) ^ set(before))
        return Outcome(WRONG, f"refused ({refusal}), and something is not as it was: {new}")
    except AssertionError as error:
        return Outcome(WRONG, str(error))
    except Exception as error:
        return Outcome(WRONG, f"{type(error).__name__}: {error}")
    return Outcome(WORKS)


def main(text: str) -> None:
    """Carry out the plan, and print what came of it as JSON: outcomes by the names of the checks."""
    from tests.hosts.checks import CHECKS

    fields = json.loads(text)
    plan = Plan(**{**fields, "doctor": tuple(fields["doctor"]), "checks": tuple(fields["checks"])})
    for name, value in plan.environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.umask(plan.umask)
    # catatonit, which the testbeds run below, hands on a mask that blocks ^Z and its like.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    visit = Visit(plan)
    os.chdir(visit.home if visit.home.is_dir() else "/")
    outcomes: dict[str, Outcome] = {}
    for check in CHECKS:
        if check.name not in plan.checks:
            continue
        if any(outcome.status == WRONG for outcome in outcomes.values()):
            outcomes[check.name] = Outcome(UNTRIED)
        else:
            outcomes[check.name] = _carry_out(visit, check.carry_out)
    if plan.keeps:
        visit.dacha("stop", "--all")
    json.dump(outcomes, sys.stdout)
    print(flush=True)
