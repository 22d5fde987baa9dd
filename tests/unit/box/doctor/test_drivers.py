"""Which driver the store has or will have, and whether this host still has it."""

from __future__ import annotations

import pytest

from dacha.box.doctor import drivers
from tests.lib.hosts import NOT_REACHED, HostMaker, refused

STORE = "/home/alex/store"


def choose(host: HostMaker, driver: str) -> None:
    """The store has a driver."""
    host.write(f"{STORE}/driver", f"dacha storage driver 1\n{driver}\nkernel\nbecause\n")


def test_a_good_store_passes(host: HostMaker) -> None:
    assert {check.find(host.make()).status for check in drivers.CHECKS} == {"pass"}
    for driver in ("overlay", "zfs"):
        choose(host, driver)
        found = host.find(drivers.CHECKS, "driver")
        assert (found.status, found.detail) == ("pass", driver)


def test_a_store_to_come_tells_what_it_will_have(host: HostMaker) -> None:
    host.answers.trials["overlay"] = refused("Invalid argument")
    host.answers.trials["/dev/fuse"] = host.answers.trials["d_type"]
    found = host.find(drivers.CHECKS, "driver")
    assert found.status == "info"
    assert found.detail.startswith("fuse-overlayfs comes with the first image: ")
    host.answers.trials["/dev/fuse"] = refused("Permission denied")
    host.write("/dev/fuse")
    found = host.find(drivers.CHECKS, "driver")
    assert (found.status, found.fix) == ("warn", "sudo chmod 666 /dev/fuse")
    assert found.detail.startswith("vfs comes with the first image")
    host.answers.trials["overlay"] = NOT_REACHED
    assert host.find(drivers.CHECKS, "driver").status == "info"


@pytest.mark.parametrize(
    ("has_device", "fix"), [(True, "sudo chmod 666 /dev/fuse"), (False, "sudo modprobe fuse")]
)
def test_fuse_may_be_gone_from_a_store_that_needs_it(host: HostMaker, has_device: bool, fix: str) -> None:
    choose(host, "fuse-overlayfs")
    host.answers.trials["/dev/fuse"] = refused("No such file or directory")
    if has_device:
        host.write("/dev/fuse")
    found = host.find(drivers.CHECKS, "driver")
    assert (found.status, found.fix) == ("fail", fix)
    del host.answers.programs["fuse-overlayfs"]
    found = host.find(drivers.CHECKS, "driver")
    assert (found.status, found.fix) == ("fail", "sudo apt-get install fuse-overlayfs")


def test_copies_cost_unless_they_share_their_blocks(host: HostMaker) -> None:
    choose(host, "vfs")
    assert host.find(drivers.CHECKS, "driver").status == "pass"
    host.answers.trials["reflink"] = refused("Operation not supported")
    found = host.find(drivers.CHECKS, "driver")
    assert found.status == "warn"
    assert "space" in found.cost


def test_another_driver_asked_for_and_a_damaged_note_fail(host: HostMaker) -> None:
    choose(host, "vfs")
    host.environment["STORAGE_DRIVER"] = "overlay"
    found = host.find(drivers.CHECKS, "driver")
    assert found.status == "fail"
    assert "STORAGE_DRIVER asks for the storage driver 'overlay'" in found.detail
    host.write(f"{STORE}/driver", "nonsense")
    found = host.find(drivers.CHECKS, "driver")
    assert (found.status, found.fix) == ("fail", f"have it chosen anew: rm {STORE}/driver")


def test_overlayfs_must_work_where_boxes_were_made_with_it(host: HostMaker) -> None:
    host.answers.trials["overlay"] = refused("No such device")
    host.write("/proc/filesystems", "nodev\ttmpfs\n\text4\n")
    found = host.find(drivers.CHECKS, "overlayfs")
    assert (found.status, found.fix) == ("warn", "sudo modprobe overlay")
    choose(host, "overlay")
    assert host.find(drivers.CHECKS, "overlayfs").status == "fail"
    choose(host, "vfs")
    assert host.find(drivers.CHECKS, "overlayfs").status == "info"


def test_btrfs_tells_what_makes_removals_quick(host: HostMaker) -> None:
    choose(host, "btrfs")
    found = host.find(drivers.CHECKS, "driver")
    assert (found.status, found.fix) == ("info", "sudo mount -o remount,user_subvol_rm_allowed /")
