"""Mounts as the kernel lists them."""

from __future__ import annotations

from dacha.linux import mountinfo
from dacha.linux.mountinfo import MountPoint

TEXT = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 21 0:30 / /home rw,nosuid - nfs4 server:/home rw,vers=4.2
31 30 0:31 / /home/with\\040blank\\011tab ro master:3 propagate_from:2 - tmpfs tmpfs rw
32 21 0:32 / /home rw,noexec shared:7 - btrfs /dev/sdb1 rw
nonsense
33 21 0:33
"""


def test_lines_are_read_field_by_field() -> None:
    mounts = mountinfo.parse(TEXT)
    assert len(mounts) == 4
    assert mounts[0] == MountPoint(
        "/", "ext4", "/dev/sda1", ("rw", "relatime"), ("rw", "errors=remount-ro"), is_shared=True
    )
    assert mounts[2].target == "/home/with blank\ttab"
    assert not mounts[2].is_shared


def test_the_deepest_and_latest_mount_holds_a_path() -> None:
    mounts = mountinfo.parse(TEXT)

    def fstype(path: str) -> str:
        found = mountinfo.holding(mounts, path)
        return found.fstype if found else ""

    assert fstype("/") == "ext4"
    assert fstype("/homes/x") == "ext4"
    assert fstype("/home") == "btrfs"
    assert fstype("/home/alex") == "btrfs"
    assert fstype("/home/with blank\ttab/x") == "tmpfs"
    assert mountinfo.holding([], "/") is None


def test_the_kernels_own_list_is_understood() -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:  # noqa: PTH123  (a file of the kernel's)
        text = file.read()
    mounts = mountinfo.parse(text)
    assert len(mounts) == len(text.splitlines())
    assert mountinfo.holding(mounts, "/proc/self") is not None
