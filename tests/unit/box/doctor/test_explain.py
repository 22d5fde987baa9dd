"""Which defect of the host is behind a failure."""

from __future__ import annotations

import pytest

from dacha.box.definition import BoxExistsError
from dacha.box.doctor import runner
from dacha.box.doctor.explain import explain
from dacha.engine.crun import CrunError
from dacha.errors import (
    BadImageError,
    BoxNotFoundError,
    DachaError,
    ImageNotFoundError,
    MissingProgramError,
    UsageError,
)
from dacha.linux.child import ChildError
from tests.lib.hosts import MOUNTINFO, HostMaker, refused

RIDDLE = ChildError("box 'work' does not start: crun: open executable: Permission denied")


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no"),
        BoxNotFoundError("work"),
        BoxExistsError("work"),
        ImageNotFoundError("no"),
        BadImageError("no"),
        ChildError("command not found", exit_code=127),
    ],
)
def test_the_host_is_not_examined_for_what_is_no_fault_of_its(
    error: DachaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "this_host", lambda **_: pytest.fail("it was"))
    assert explain(error) is None


def test_a_whole_host_explains_nothing(host: HostMaker) -> None:
    assert explain(RIDDLE, host.make()) is None


def test_a_riddle_is_solved(host: HostMaker) -> None:
    host.write("/proc/self/mountinfo", f"{MOUNTINFO}30 21 0:40 / /proc/kcore rw - tmpfs tmpfs rw\n")
    host.answers.trials["proc"] = refused("Operation not permitted")
    found = explain(CrunError("crun: mount `proc` to `proc`: Operation not permitted"), host.make())
    assert found is not None
    assert (found.subject, found.name, found.status) == ("kernel", "proc in boxes", "fail")


def test_the_first_cause_is_told_and_nothing_is_tried_for_those_behind_it(host: HostMaker) -> None:
    host.answers.trials["user namespace"] = refused("Operation not permitted")
    host.answers.trials["overlay"] = refused("Operation not permitted")
    found = explain(RIDDLE, host.make())
    assert found is not None
    assert found.name == "user namespaces"
    assert "overlay" not in host.answers.asked


def test_a_missing_program_is_told_with_the_hosts_own_command(host: HostMaker) -> None:
    host.write("/etc/os-release", "ID=fedora")
    del host.answers.programs["mmdebstrap"]
    found = explain(MissingProgramError("mmdebstrap", package="mmdebstrap"), host.make())
    assert found is not None
    assert found.fix == "sudo dnf install mmdebstrap"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("box 'work' does not start: 'newgidmap' is not installed", "newgidmap"),
        (
            "box 'work' does not start: the user alex has no subordinate ids in /etc/subuid",
            "subordinate uids",
        ),
        ("making 'debian' from its packages takes more ids than your own: …", "subordinate uids"),
    ],
)
def test_what_new_boxes_do_without_is_told_where_it_is_needed(
    host: HostMaker, message: str, name: str
) -> None:
    host.remove("/etc/subuid")
    del host.answers.programs["newgidmap"]
    found = explain(ChildError(message), host.make())
    assert found is not None
    assert (found.name, found.status) == (name, "warn")
    assert explain(ChildError("crun: no such file"), host.make()) is None


def test_selinux_is_suspected_only_of_refusals(host: HostMaker) -> None:
    host.write("/sys/fs/selinux/enforce", "1")
    found = explain(RIDDLE, host.make())
    assert found is not None
    assert found.name == "SELinux"
    assert explain(ChildError("crun: no such file"), host.make()) is None


def test_a_doctor_who_fails_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(runner, "this_host", broken)
    assert explain(RIDDLE) is None
