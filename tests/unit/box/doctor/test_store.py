"""What the store's file system can do."""

from __future__ import annotations

import os

import pytest

from dacha.box.doctor import store
from dacha.box.doctor.host import Place
from tests.lib.hosts import MOUNTINFO, NOT_REACHED, ROOT, HostMaker, place, refused

STORE = "/home/alex/store"


def spoil(host: HostMaker, **changes: object) -> None:
    host.answers.places["store"] = place(STORE, **changes)


def mount(host: HostMaker, fstype: str, options: str = "rw") -> None:
    host.write(
        "/proc/self/mountinfo", f"{MOUNTINFO}40 21 0:50 / /home {options} - {fstype} server:/home rw\n"
    )


def test_a_good_store_passes(host: HostMaker) -> None:
    assert {check.find(host.make()).status for check in store.CHECKS} == {"pass"}


@pytest.mark.parametrize(
    ("changes", "detail", "fix"),
    [
        ({"flags": os.ST_RDONLY}, "is read-only", "sudo mount -o remount,rw /"),
        ({"is_directory": False}, "is no directory", f"mv {STORE} {STORE}.old"),
        ({"owner": 0}, "belongs to the user id 0", f"sudo chown alex {STORE}"),
        ({"is_writable": False}, "cannot be written", f"chmod u+rwx {STORE}"),
        (
            {"exists": False, "is_writable": False, "real": "/home"},
            "does not exist and cannot be made in /home",
            f"sudo install -d -o alex {STORE}",
        ),
    ],
)
def test_a_store_that_cannot_be_used_fails(
    host: HostMaker, changes: dict[str, object], detail: str, fix: str
) -> None:
    spoil(host, **changes)
    found = host.find(store.CHECKS, "directory")
    assert found.status == "fail"
    assert detail in found.detail
    assert found.fix == fix


def test_a_store_that_is_still_to_come_passes(host: HostMaker) -> None:
    spoil(host, exists=False, owner=0, real="/home")
    assert host.find(store.CHECKS, "directory").status == "pass"


def test_what_refuses_a_file_all_the_same_is_told(host: HostMaker) -> None:
    """Such as a quota."""
    host.answers.trials["directory"] = refused("Disk quota exceeded")
    found = host.find(store.CHECKS, "directory")
    assert (found.status, found.detail) == ("fail", f"{STORE}: Disk quota exceeded")


@pytest.mark.parametrize(
    ("fstype", "status"),
    [
        *[(name, "pass") for name in ("ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs")],
        *[(name, "warn") for name in ("nfs4", "cifs", "fuse.sshfs", "9p", "tmpfs", "overlay")],
        *[(name, "fail") for name in ("vfat", "exfat", "ecryptfs", "fuseblk")],
    ],
)
def test_kinds_of_file_systems(host: HostMaker, fstype: str, status: str) -> None:
    mount(host, fstype)
    found = host.find(store.CHECKS, "file system")
    assert found.status == status
    assert found.detail.startswith(f"{fstype} at /home")
    assert ("XDG_DATA_HOME" in found.fix) == (status != "pass")


def test_root_moves_its_store_by_a_mount(host: HostMaker) -> None:
    host.account = ROOT
    mount(host, "nfs")
    assert host.find(store.CHECKS, "file system").fix.startswith("mount a local file system")


def test_mount_options_do_no_harm(host: HostMaker) -> None:
    spoil(host, flags=os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)
    found = host.find(store.CHECKS, "mount options")
    assert found.status == "pass"
    assert found.detail.startswith("nosuid, nodev, noexec")


@pytest.mark.parametrize(
    ("name", "trial", "status"),
    [("d_type", "d_type", "warn"), ("user xattrs", "xattr", "warn"), ("owners", "chown", "fail")],
)
def test_what_is_refused_is_told_and_what_was_not_tried_is_not(
    host: HostMaker, name: str, trial: str, status: str
) -> None:
    host.answers.trials[trial] = refused("Operation not supported")
    found = host.find(store.CHECKS, name)
    assert (found.status, found.detail) == (status, "Operation not supported")
    assert "XDG_DATA_HOME" in found.fix
    host.answers.trials[trial] = NOT_REACHED
    assert host.find(store.CHECKS, name).status == "info"


def test_reflinks_are_a_luxury(host: HostMaker) -> None:
    host.answers.trials["reflink"] = refused("Operation not supported")
    found = host.find(store.CHECKS, "reflinks")
    assert (found.status, found.cost, found.fix) == ("info", "", "")


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("free space", {"free_bytes": 50 << 20}, "fail"),
        ("free space", {"free_bytes": 1 << 30}, "warn"),
        ("free inodes", {"free_inodes": 10}, "fail"),
        ("free inodes", {"free_inodes": 20_000}, "warn"),
        ("free inodes", {"free_inodes": 0, "inodes": 0}, "pass"),  # btrfs
    ],
)
def test_a_full_store_is_told_before_it_is_full(
    host: HostMaker, name: str, changes: dict[str, object], status: str
) -> None:
    spoil(host, **changes)
    found = host.find(store.CHECKS, name)
    assert found.status == status
    assert found.fix == ("" if status == "pass" else "dacha image rm --all")


def test_a_store_that_does_not_answer_fails_once_and_raises_nowhere(host: HostMaker) -> None:
    silent: Place | None = None
    host.answers.places["store"] = silent
    statuses = {check.name: check.find(host.make()).status for check in store.CHECKS}
    assert statuses["directory"] == "fail"


def test_a_full_disk_is_a_matter_of_space_and_not_of_the_directory(host: HostMaker) -> None:
    host.answers.places["store"] = place(host.store, free_bytes=0)
    host.answers.trials["directory"] = refused("No space left on device")
    assert host.find(store.CHECKS, "directory").status == "pass"
    assert host.find(store.CHECKS, "free space").status == "fail"
