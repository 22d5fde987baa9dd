"""Directories that boxes share with the host, and the mounts below them."""

from __future__ import annotations

import os

import pytest

from dacha.box.doctor import places
from tests.lib.hosts import MOUNTINFO, HostMaker, place

HOME, RUNTIME = "/home/alex", "/run/user/1000/dacha"


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({}, "pass", "mode 0700, ext4"),
        ({"real": "/data/alex"}, "pass", "/home/alex, a link to /data/alex"),
        ({"flags": os.ST_NOEXEC}, "info", "noexec"),
        ({"owner": 5}, "warn", "of the user id 5"),
        ({"is_writable": False}, "warn", "cannot be written"),
        ({"exists": False}, "fail", "does not exist"),
        ({"is_directory": False}, "fail", "is no directory"),
    ],
)
def test_homes(host: HostMaker, changes: dict[str, object], status: str, text: str) -> None:
    host.answers.places["home"] = place(HOME, **changes)
    found = host.find(places.CHECKS, "home")
    assert found.status == status
    assert text in found.detail


def test_a_home_that_does_not_answer_fails(host: HostMaker) -> None:
    host.answers.places["home"] = None
    assert host.find(places.CHECKS, "home").status == "fail"
    assert host.find(places.CHECKS, "mounts below home").status == "info"


@pytest.mark.parametrize(
    ("changes", "text", "fix"),
    [
        ({"owner": 1001}, "belongs to the user id 1001", f"sudo chown alex {RUNTIME}"),
        ({"mode": 0o770}, "is open to others (mode 0770)", f"chmod 700 {RUNTIME}"),
        ({"is_directory": False}, "is no directory", f"rm {RUNTIME}"),
        (
            {"closed_at": "/run/user/1000"},
            "its group is not yours",
            "sudo chgrp 1000 /run/user/1000",
        ),
        (
            {"exists": False, "real": "/run", "owner": 0, "is_writable": False},
            "/run/user/1000 does not exist",
            "sudo install -d -m 700 -o alex /run/user/1000",
        ),
        (
            {"exists": False, "real": "/run/user/1000", "is_writable": False},
            "/run/user/1000 cannot be written",
            "chmod u+rwx /run/user/1000",
        ),
    ],
)
def test_runtime_directories_that_keep_boxes_from_starting(
    host: HostMaker, changes: dict[str, object], text: str, fix: str
) -> None:
    host.answers.places["runtime"] = place(RUNTIME, **changes)
    found = host.find(places.CHECKS, "runtime directory")
    assert found.status == "fail"
    assert text in found.detail
    assert found.fix == fix


def test_a_runtime_directory_that_is_made_with_the_first_box_passes(host: HostMaker) -> None:
    host.answers.places["runtime"] = place(RUNTIME, exists=False, real="/run/user/1000")
    assert host.find(places.CHECKS, "runtime directory").status == "pass"


def test_a_missing_variable_is_told(host: HostMaker) -> None:
    """As in cron and su."""
    del host.environment["XDG_RUNTIME_DIR"]
    host.answers.places["runtime"] = place("/tmp/dacha-1000")
    found = host.find(places.CHECKS, "runtime directory")
    assert found.status == "warn"
    assert "install -d -m 700 -o alex /run/user/1000" in found.fix
    host.write("/run/user/1000/mark")
    assert host.find(places.CHECKS, "runtime directory").fix == "export XDG_RUNTIME_DIR=/run/user/1000"


def test_the_directory_of_another_user_is_told(host: HostMaker) -> None:
    """As after `su`."""
    host.environment["XDG_RUNTIME_DIR"] = "/run/user/7"
    host.write("/run/user/1000/mark")
    found = host.find(places.CHECKS, "runtime directory")
    assert (found.status, found.fix) == ("info", "export XDG_RUNTIME_DIR=/run/user/1000")
    assert "XDG_RUNTIME_DIR=/run/user/7 is another user's" in found.detail


def test_a_runtime_directory_on_a_disk_is_noted(host: HostMaker) -> None:
    host.answers.places["runtime"] = place("/var/run/x")
    assert host.find(places.CHECKS, "runtime directory").status == "info"


def test_propagation_is_read_from_the_mount_that_counts(host: HostMaker) -> None:
    private_home = "40 21 0:50 / /home rw - ext4 /dev/sdb1 rw\n"
    host.write("/proc/self/mountinfo", MOUNTINFO + private_home)
    assert host.find(places.CHECKS, "mounts below /").status == "pass"
    found = host.find(places.CHECKS, "mounts below home")
    assert (found.status, found.fix) == ("warn", "sudo mount --make-rshared /home")
    host.write("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert host.find(places.CHECKS, "mounts below /").fix == "sudo mount --make-rshared /"
